"""Runs on a Dask cluster, wherever its workers are. Needs the extra `cluster`.

The workers need magnetite, of the same version; the study's file travels with each run. Events stay where they happen:
only rows and the digest come back.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from threading import Lock
from typing import Final

from magnetite.errors import StudyError
from magnetite.study.needed import needing
from magnetite.study.performing import Result, failed, perform
from magnetite.study.points import Point
from magnetite.study.pool import LOOK
from magnetite.study.study import Source

with needing("cluster"):
    from distributed import Client, wait

CONNECT: Final = 10  # seconds until a scheduler that says nothing is taken for none

_alone: Final = Lock()  # one run at a time in a process: trio's chance, which a run seeds, is the process's


def run_there(
    address: str, source: Source, points: Sequence[Point], on_time: Callable[[float], object]
) -> Iterator[Result]:
    """The result of each point, once each, in the order they end; where a worker dies, others do its work again.

    `on_time` is called now and then, as in `run_here`, but nothing is known of the time of runs under way. Raises
    StudyError if there is no scheduler at the address.
    """
    try:
        client = Client(address, timeout=CONNECT)
    except (OSError, ValueError) as error:
        raise StudyError(f"there is no Dask scheduler at {address}: {error}") from error
    with client:
        futures = {client.submit(_perform, source, point, key=point.key(source), pure=False): point for point in points}
        waiting = set(futures)
        while waiting:
            on_time(0.0)
            try:
                done, waiting = wait(waiting, timeout=LOOK, return_when="FIRST_COMPLETED")
            except TimeoutError:
                continue
            for future in done:
                crash = future.exception()  # of the cluster: a study's own come as results
                if crash is None:
                    yield future.result()
                else:
                    yield failed(source, futures[future], f"{type(crash).__name__}: {crash}")


def _perform(source: Source, point: Point) -> Result:
    """On a worker, which may have several threads."""
    with _alone:
        return perform(source, point)
