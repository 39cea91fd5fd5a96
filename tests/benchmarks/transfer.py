"""How fast content is transferred, and at what cost: `python -m tests.benchmarks.transfer [--quick] [--only d1,seed]`.

Prints a Markdown table: measure, target, measured, verdict. Every client is a process of its own on loopback, with the
content in memory; those that are compared take turns, and medians are compared. What is counted as the time and the
processor time of a client stands in `transfer_clients`. `--quick` shows only that everything still runs: its figures
mean nothing.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator, Sequence
from compileall import compile_dir
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import magnetite
from tests.benchmarks import transfer_magnet
from tests.benchmarks.figures import Figure, Measure, print_table
from tests.benchmarks.transfer_clients import PATIENCE, Run, download, seed, seeding
from tests.benchmarks.transfer_payload import Payload, many_files, one_file, scratch, warm
from tests.benchmarks.transfer_process import Stalled, python, started

KIB = 1 << 10
MIB = 1 << 20
GIB = 1 << 30
QUICK_LENGTH = 16 * MIB
RUNS = 3

Runs = dict[str, list[Run]]  # by client


@dataclass(frozen=True, slots=True)
class Medians:
    """Of the runs of a client: bytes/s, the same from its start, CPU seconds a GB and those to start, bytes at most."""

    rate: float
    whole_rate: float
    cpu: float
    start_cpu: float
    peak: int

    @classmethod
    def of(cls, runs: Sequence[Run], length: int) -> Medians:
        return cls(
            length / median(run.time for run in runs),
            length / median(run.whole for run in runs),
            median(run.cpu for run in runs) / length * 1e9,
            median(run.start_cpu for run in runs) / length * 1e9,
            max(run.peak for run in runs),
        )


# -- taking turns ----------------------------------------------------------------------------------------------------


def in_turns(clients: Sequence[str], runs: int, measure: Callable[[str, Path], Run], folder: Path, length: int) -> Runs:
    """`measure` for each client in turn, which writes `length` bytes, in an empty folder each time.

    Raises Stalled, naming the client.
    """
    taken: Runs = {client: [] for client in clients}
    for _ in range(runs):
        for client in clients:
            warm(folder, length)
            with emptied(folder / "run") as place:
                try:
                    taken[client].append(measure(client, place))
                except Stalled as error:
                    raise Stalled(f"{client}, run {len(taken[client]) + 1}: {error}") from error
    return taken


@contextmanager
def emptied(folder: Path) -> Iterator[Path]:
    folder.mkdir()
    try:
        yield folder
    finally:
        shutil.rmtree(folder)


def downloads(
    make: Callable[[Path], Payload], needed: int, clients: Sequence[str], seeds: int, runs: int
) -> dict[str, Medians]:
    """Each client downloads what `make` makes, of `needed` bytes, from `seeds` libtorrent seeds."""
    with scratch(2 * needed) as folder:
        payload = make(folder)
        with seeding(payload, seeds, folder) as all_seeds:

            def measure(client: str, place: Path) -> Run:
                return download(client, payload, all_seeds, place)

            taken = in_turns(clients, runs, measure, folder, needed)
    return {client: Medians.of(each, payload.length) for client, each in taken.items()}


def of_one_file(length: int, piece_length: int, rival: str, seeds: int, quick: bool) -> tuple[Medians, Medians]:
    length, runs = (QUICK_LENGTH, 1) if quick else (length, RUNS)

    def make(folder: Path) -> Payload:
        return one_file(folder, length, piece_length)

    taken = downloads(make, length, ["magnetite", rival], seeds, runs)
    return taken["magnetite"], taken[rival]


# -- figures ---------------------------------------------------------------------------------------------------------


def rate_figure(measure: str, target: float, ours: Medians, theirs: Medians) -> Figure:
    ratio = ours.rate / theirs.rate
    return Figure(
        measure,
        f">= {target} x",
        f"{ours.rate / 1e6:.0f} against {theirs.rate / 1e6:.0f} MB/s: {ratio:.2f} x",
        ratio >= target,
    )


def cpu_figure(measure: str, target: float, ours: Medians, theirs: Medians) -> Figure:
    ratio = ours.cpu / theirs.cpu if theirs.cpu else float("inf")
    start = f" ({ours.start_cpu:.2f} of it to start)" if ours.start_cpu else ""
    return Figure(
        measure,
        f"<= {target} x",
        f"{ours.cpu:.2f}{start} against {theirs.cpu:.2f} CPU s/GB: {ratio:.2f} x",
        ratio <= target,
    )


def peak_figure(measure: str, target: int | None, ours: Medians, theirs: Medians) -> Figure:
    """`target` is in MB."""
    return Figure(
        measure,
        "" if target is None else f"<= {target} MB",
        f"{ours.peak / 1e6:.0f} MB ({theirs.peak / 1e6:.0f} MB)",
        None if target is None else ours.peak <= target * 1e6,
    )


def from_one_seed(name: str, piece_length: int, target: float, most: int | None, quick: bool) -> list[Figure]:
    ours, theirs = of_one_file(GIB, piece_length, "libtorrent", 1, quick)
    what = f"{name} download, pieces of {piece_length // MIB} MiB, one seed"
    return [
        rate_figure(f"{what}, against libtorrent", target, ours, theirs),
        cpu_figure(f"{what}: CPU, against libtorrent", 1.0, ours, theirs),
        peak_figure(f"{what}: peak memory (libtorrent's)", most, ours, theirs),
    ]


def from_many_seeds(name: str, seeds: int, most: int | None, quick: bool) -> list[Figure]:
    ours, theirs = of_one_file(GIB, MIB, "libtorrent", seeds, quick)
    what = f"{name} download, pieces of 1 MiB, {seeds} seeds"
    return [
        rate_figure(f"{what}, against libtorrent", 1.1, ours, theirs),
        cpu_figure(f"{what}: CPU, against libtorrent", 1.0, ours, theirs),
        peak_figure(f"{what}: peak memory (libtorrent's)", most, ours, theirs),
    ]


def d1(quick: bool) -> list[Figure]:
    return from_one_seed("d1", MIB, 1.2, 80, quick)


def d4(quick: bool) -> list[Figure]:
    return from_one_seed("d4", 4 * MIB, 1.0, None, quick)


def d8(quick: bool) -> list[Figure]:
    return from_many_seeds("d8", 8, None, quick)


def d40(quick: bool) -> list[Figure]:
    return from_many_seeds("d40", 40, 150, quick)


def aria(quick: bool) -> list[Figure]:
    ours, theirs = of_one_file(GIB, MIB, "aria2c", 1, quick)
    what = "aria download, pieces of 1 MiB, one seed"
    return [
        rate_figure(f"{what}, against aria2c", 1.3, ours, theirs),
        Figure(f"{what}: CPU, against aria2c", "", f"{ours.cpu:.2f} against {theirs.cpu:.2f} CPU s/GB"),
    ]


def seed_one_leech(quick: bool) -> list[Figure]:
    """The pieces are of the length that `share` chooses."""
    length, runs = (QUICK_LENGTH, 1) if quick else (GIB, RUNS)
    with scratch(2 * length) as folder:
        payload = one_file(folder, length, length // 1024)

        def measure(client: str, place: Path) -> Run:
            return seed(client, payload, place)

        taken = in_turns(["magnetite", "libtorrent", "aria2c"], runs, measure, folder, length)
    ours, libtorrent, aria2 = (Medians.of(each, length) for each in taken.values())
    what = "seed to one libtorrent leech"
    return [
        rate_figure(f"{what}, against libtorrent", 1.5, ours, libtorrent),
        rate_figure(f"{what}, against aria2c", 1.1, ours, aria2),
        cpu_figure(f"{what}: CPU, against libtorrent", 0.5, ours, libtorrent),
        Figure(f"{what}: CPU, against aria2c", "", f"{ours.cpu:.2f} against {aria2.cpu:.2f} CPU s/GB"),
    ]


def small_pieces(quick: bool) -> list[Figure]:
    ours, theirs = of_one_file(512 * MIB, 16 * KIB, "libtorrent", 1, quick)
    what = "small pieces, of 16 KiB, one seed"
    return [
        rate_figure(f"{what}, against libtorrent", 0.7, ours, theirs),
        peak_figure(f"{what}: peak memory (libtorrent's)", None, ours, theirs),
    ]


def small_files(quick: bool) -> list[Figure]:
    """Counted from the start of the client: making a hundred thousand files may well come before connecting."""
    count, length = (1_000 if quick else 100_000), 4 * KIB

    def make(folder: Path) -> Payload:
        return many_files(folder, count, length, 256 * KIB)

    taken = downloads(make, count * 3 * length, ["magnetite", "libtorrent"], 1, 1)
    ours, theirs = taken["magnetite"], taken["libtorrent"]
    took, they_took = (count * length / each.whole_rate for each in (ours, theirs))
    return [
        Figure(
            f"files, {count:,} of 4 KiB, one seed (libtorrent's)",
            "completes, memory bounded",
            f"{took:.1f} s, {ours.peak / 1e6:.0f} MB ({they_took:.1f} s, {theirs.peak / 1e6:.0f} MB)",
            True,
        )
    ]


def idle(quick: bool) -> list[Figure]:
    count = 50 if quick else 1_000
    with scratch(count * 64 * KIB) as folder:
        command = python("transfer_idle", str(count), folder)
        with started(command, folder / "log") as process:
            each = float(process.hear(".", 5 * PATIENCE))
    return [Figure(f"idle torrents, {count:,}: memory of each", "<= 100 KB", f"{each / 1e3:.0f} KB", each <= 100e3)]


def magnet(quick: bool) -> list[Figure]:
    return transfer_magnet.figures(QUICK_LENGTH, 1 if quick else RUNS)


MEASURES: dict[str, Measure] = {
    "d1": d1,
    "d4": d4,
    "d8": d8,
    "d40": d40,
    "aria": aria,
    "seed": seed_one_leech,
    "small": small_pieces,
    "files": small_files,
    "idle": idle,
    "magnet": magnet,
}


def figures_of(name: str, quick: bool) -> list[Figure]:
    """What the row gives; where a client does not do what it is asked to, that is a missed figure, and others go on."""
    try:
        return MEASURES[name](quick)
    except Stalled as error:
        return [Figure(name, "", str(error).replace("\n", " ").replace("|", "/"), False)]


def complaint(chosen: Sequence[str]) -> str | None:
    if {"aria", "seed"} & set(chosen) and shutil.which("aria2c") is None:
        return "aria2c is not installed: leave out aria and seed with --only, or install it"
    return None


def main(arguments: Sequence[str] | None = None) -> None:
    compile_dir(Path(magnetite.__file__).parent, quiet=2)  # as whoever installs it does; else every start does it anew
    rows = {name: partial(figures_of, name) for name in MEASURES}
    print_table(rows, __doc__ and __doc__.partition("\n")[0], arguments, complaint)


if __name__ == "__main__":
    main()
