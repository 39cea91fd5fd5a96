"""How fast uTP is: `python -m tests.benchmarks.transport [--quick] [--only down,up]`.

Prints a Markdown table, as `transfer` does. magnetite and libtorrent take turns at the same job, with the same
libtorrent at the other side, on loopback and in memory, and neither speaks TCP. The time is that from the connection
to the last verified byte. Beside other load run it with `chrt -r 10`, which all its processes inherit.
"""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Final

from tests.benchmarks.figures import Figure, Measure, print_table
from tests.benchmarks.transfer_payload import Payload, one_file, scratch
from tests.benchmarks.transfer_process import Client, python, started

MIB: Final = 1 << 20
LENGTH: Final = 256 * MIB
QUICK_LENGTH: Final = 8 * MIB
RUNS: Final = 3
PATIENCE: Final = 120.0  # seconds
OTHER: Final = "libtorrent"
TARGET: Final = 0.5  # of libtorrent's rate


def transfer(payload: Payload, seeding: str, leeching: str, folder: Path) -> tuple[float, float, float]:
    """Seconds, and CPU seconds of the seed and of the leech."""
    place = folder / "taken"
    place.mkdir()
    with started(python("transport_peer", seeding, "seed", payload.torrent, payload.folder), folder / "log1") as seed:
        endpoint = seed.hear(":", PATIENCE).strip()
        command = python("transport_peer", leeching, "leech", payload.torrent, place, endpoint)
        with started(command, folder / "log2") as leech:
            leech.hear("ready", PATIENCE)
            before = _cpu(seed, leech)
            leech.say()
            _, connected, ended = map(float, leech.hear(".", PATIENCE).split())
            after = _cpu(seed, leech)
    for path in payload.paths:
        (place / path).unlink()
    place.rmdir()
    return ended - connected, after[0] - before[0], after[1] - before[1]


def _cpu(seed: Client, leech: Client) -> tuple[float, float]:
    return seed.cpu_seconds(), leech.cpu_seconds()


def figures(what: str, quick: bool, *, is_seeding: bool) -> list[Figure]:
    length, runs = (QUICK_LENGTH, 1) if quick else (LENGTH, RUNS)
    taken: dict[str, list[tuple[float, float]]] = {"magnetite": [], OTHER: []}
    with scratch(2 * length) as folder:
        payload = one_file(folder, length, MIB)
        for _ in range(runs):
            for client, results in taken.items():
                pair = (client, OTHER) if is_seeding else (OTHER, client)
                time, seed_cpu, leech_cpu = transfer(payload, *pair, folder)
                results.append((time, seed_cpu if is_seeding else leech_cpu))
    times = {client: median(time for time, _ in results) for client, results in taken.items()}
    cpu = {client: median(spent for _, spent in results) / length * 1e9 for client, results in taken.items()}
    ratio = times[OTHER] / times["magnetite"]
    rates = " against ".join(f"{length / times[client] / 1e6:.0f}" for client in taken)
    return [
        Figure(f"uTP, {what}, against libtorrent", f">= {TARGET} x", f"{ratio:.2f} x ({rates} MB/s)", ratio >= TARGET),
        Figure(f"uTP, {what}: CPU", "", " against ".join(f"{cpu[client]:.1f}" for client in taken) + " CPU s/GB"),
    ]


def down(quick: bool) -> list[Figure]:
    return figures("download from a libtorrent seed", quick, is_seeding=False)


def up(quick: bool) -> list[Figure]:
    return figures("seeding to a libtorrent leech", quick, is_seeding=True)


MEASURES: Final[dict[str, Measure]] = {"down": down, "up": up}


if __name__ == "__main__":
    print_table(MEASURES, __doc__ and __doc__.partition("\n")[0])
