"""What encryption costs a download: `python -m tests.benchmarks.transport_encryption [--quick]`.

Prints a Markdown table, as `transfer` does, whose way of measuring this is: from one libtorrent seed, in turns with the
whole stream in RC4 and in plain text, by magnetite, and by libtorrent to show what the seed and the machine make of it.
Both ends share the machine, and RC4 is as much work for one as for the other.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from tests.benchmarks.figures import Figure, Measure, print_table
from tests.benchmarks.transfer import GIB, MIB, QUICK_LENGTH, RUNS, Medians, cpu_figure, in_turns, rate_figure
from tests.benchmarks.transfer_clients import Run, download, seeding
from tests.benchmarks.transfer_payload import one_file, scratch

WAYS: Final = {
    "RC4": ("magnetite", "--encryption", "require"),
    "plain": ("magnetite", "--encryption", "off"),
    "libtorrent in RC4": ("libtorrent", "encrypting"),
    "libtorrent": ("libtorrent",),
}


def rc4(quick: bool) -> list[Figure]:
    """A download of 1 GiB in pieces of 1 MiB from one seed, in RC4 and plainly."""
    length, runs = (QUICK_LENGTH, 1) if quick else (GIB, RUNS)
    with scratch(2 * length) as folder:
        payload = one_file(folder, length, MIB)
        with seeding(payload, 1, folder, "encrypting") as seeds:

            def measure(way: str, place: Path) -> Run:
                client, *options = WAYS[way]
                return download(client, payload, seeds, place, *options)

            taken = in_turns(list(WAYS), runs, measure, folder, length)
    ours, ours_plain, theirs, theirs_plain = (Medians.of(taken[way], length) for way in WAYS)
    return [
        rate_figure("rc4 download, one seed, against plain", 0.6, ours, ours_plain),
        cpu_figure("rc4 download, one seed: CPU, against plain", 2.0, ours, ours_plain),
        rate_figure("rc4 download, one seed, against libtorrent in RC4", 0.8, ours, theirs),
        Figure("rc4 download by libtorrent, against plain", "", f"{theirs.rate / theirs_plain.rate:.2f} x"),
    ]


MEASURES: dict[str, Measure] = {"rc4": rc4}

if __name__ == "__main__":
    print_table(MEASURES, __doc__)
