"""What one run of a study gave: its rows, and all that is needed to have them again."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Final, TypeAlias

from magnetite.study.needed import needing
from magnetite.study.trace import Plain, Row

if TYPE_CHECKING:
    import pandas

Parameters: TypeAlias = Mapping[str, Plain]

SHOWING: Final = ("cli", "web", "simulations")  # folders of which no run knows


@dataclass(frozen=True, slots=True)
class Report:
    """One run. `digest` is over all events and rows in order: the same for the same seed, parameters and versions."""

    study: str
    seed: int
    parameters: Parameters
    rows: list[Row]
    digest: str
    events: int
    virtual: float  # seconds in the simulation
    cpu: float  # seconds of the processor
    versions: Mapping[str, str]

    @property
    def facts(self) -> dict[str, Plain]:
        """Everything but the rows, as plain values."""
        return {
            "study": self.study,
            "seed": self.seed,
            "parameters": json.dumps(self.parameters),
            "versions": json.dumps(self.versions),
            "digest": self.digest,
            "events": self.events,
            "virtual": self.virtual,
            "cpu": self.cpu,
        }

    def frame(self) -> pandas.DataFrame:
        """The rows as a table, seed and parameters in the first columns. Needs the extra `study`."""
        return frame_of([self])


def frame_of(reports: Iterable[Report]) -> pandas.DataFrame:
    """All rows of all runs, one below the other, each with its run's seed and parameters in the first columns."""
    with needing("study"):
        import pandas

    return pandas.DataFrame(
        [{"seed": report.seed, **report.parameters, **row} for report in reports for row in report.rows]
    )


def command(study: str, seed: int, parameters: Parameters, *options: str) -> str:
    """What to type to have this run again."""
    settings = [f"--set {quote(f'{name}={value}')}" for name, value in parameters.items()]
    return " ".join(["magnetite simulate", quote(study), f"--seed {seed}", *settings, *options])


@cache
def code() -> str:
    """Changes with every character of what may decide how a run goes: magnetite, but for its command line and pages."""
    folder = Path(__file__).parent.parent
    digest = sha1()
    for path in sorted(folder.rglob("*.py")):
        if path.relative_to(folder).parts[0] not in SHOWING:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


def versions() -> dict[str, str]:
    """Of what decides how a run goes; `code` is `code()`."""
    found = {"python": platform.python_version(), "code": code()}
    for package in ("magnetite", "trio", "numpy"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
