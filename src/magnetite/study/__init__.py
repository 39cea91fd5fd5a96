"""Experiments on production code in a virtual world: see docs/simulation.md."""

from magnetite.study.report import Report
from magnetite.study.running import run
from magnetite.study.world import World

__all__ = ["Report", "World", "run"]
