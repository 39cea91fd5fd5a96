"""More queries than a node can answer: `python -m tests.benchmarks.flood PORT RATE SECONDS` sends, and reads nothing.

It is a process of its own, and its queries are made before it begins: whoever reads answers as well is slower than the
node. Prints how many queries it sent.
"""

from __future__ import annotations

import socket
import sys
from contextlib import suppress
from random import Random
from time import perf_counter
from typing import Final

QUERIES: Final = 20_000  # different ones
BATCH: Final = 20


def flood(port: int, rate: float, seconds: float) -> int:
    rng = Random(5)
    queries = [
        b"d1:ad2:id20:%b9:info_hash20:%be1:q9:get_peers2:roi1e1:t4:%b1:y1:qe" % tuple(map(rng.randbytes, (20, 20, 4)))
        for _ in range(QUERIES)
    ]
    sent, start = 0, perf_counter()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as source:
        source.connect(("127.0.0.1", port))
        source.setblocking(False)
        while (elapsed := perf_counter() - start) < seconds:
            if sent >= elapsed * rate:
                continue
            for number in range(sent, sent + BATCH):
                with suppress(OSError):  # its buffer is full: that one is lost
                    source.send(queries[number % QUERIES])
            sent += BATCH
    return sent


if __name__ == "__main__":
    print(flood(int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])))
