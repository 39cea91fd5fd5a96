"""Running a study's function once, in virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from time import process_time
from typing import Any, Final, TypeAlias

from magnetite import simnet
from magnetite.study.report import Parameters, Report, command, versions
from magnetite.study.trace import Trace, open_trace
from magnetite.study.world import World, open_world

Measure: TypeAlias = Callable[..., Awaitable[object]]
"""A study's function: called with the World, and the parameters by name."""

LIMIT: Final = 400 * 86_400.0  # seconds; who comes there waits for what will never be


def run(
    measure: Measure,
    seed: int = 1,
    *,
    study: str | None = None,
    trace: Path | None = None,
    clock: simnet.VirtualClock | None = None,
    **parameters: Any,
) -> Report:
    """Run `measure(world, **parameters)` in a world of its own. The same seed gives the same run, in any process.

    `trace` is a file for the events: see `open_trace`. `study` is the name to give to what fails, `clock` one that
    somebody else watches. What the function raises has a note with the command that repeats it.
    """
    name = study or str(getattr(measure, "__name__", "study"))
    clock = clock or simnet.VirtualClock(limit=LIMIT)
    events = Trace(open_trace(trace) if trace is not None else None)
    began = process_time()
    rows: list[dict[str, Any]] = []

    async def within() -> None:
        async with open_world(seed, clock, events) as world:
            rows.extend(await _measured(measure, world, parameters))

    try:
        simnet.run(within, seed=seed, clock=clock)
    except BaseException as error:
        error.add_note(f"at virtual time {clock.now:.3f} s; again by: {command(name, seed, parameters)}")
        events.close({"study": name, "seed": seed, "failed": repr(error)})
        raise
    report = Report(
        study=name,
        seed=seed,
        parameters=parameters,
        rows=rows,
        digest=events.digest,
        events=events.count,
        virtual=clock.now,
        cpu=process_time() - began,
        versions=versions(),
    )
    events.close(report.facts)
    return report


async def _measured(measure: Measure, world: World, parameters: Parameters) -> list[dict[str, Any]]:
    await measure(world, **parameters)
    return world.rows
