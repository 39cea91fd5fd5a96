"""A UDP relay, as a process, that loses and delays: `HOST:PORT LOSS DELAY` of one way, in shares of 1 and seconds.

It prints the port it listens on. Whoever writes there is passed on to HOST:PORT from a port of its own, and what is
answered comes back. Losses are the same at every run.
"""

from __future__ import annotations

import socket
import sys
import time
from collections import deque
from contextlib import suppress
from random import Random
from select import select

BUFFER = 4 << 20  # bytes, or a burst is lost that was not meant to be
LONGEST = 4096


def bound() -> socket.socket:
    opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    opened.bind(("127.0.0.1", 0))
    opened.setblocking(False)
    return opened


def relay(target: tuple[str, int], loss: float, delay: float) -> None:
    front, rng = bound(), Random(1)
    print("port", front.getsockname()[1], flush=True)
    backs: dict[tuple[str, int], socket.socket] = {}  # a socket to the target for each caller
    callers: dict[socket.socket, tuple[str, int]] = {}
    under_way: deque[tuple[float, socket.socket, bytes, tuple[str, int]]] = deque()
    while True:
        now = time.monotonic()
        while under_way and under_way[0][0] <= now:
            _, through, data, to = under_way.popleft()
            with suppress(OSError):  # whoever is gone: it is lost
                through.sendto(data, to)
        pause = max(0.0, under_way[0][0] - now) if under_way else None
        for readable in select([front, *callers], [], [], pause)[0]:
            with suppress(OSError):  # drained, or somebody is gone
                while True:
                    data, source = readable.recvfrom(LONGEST)
                    if rng.random() < loss:
                        continue
                    if readable is not front:
                        under_way.append((time.monotonic() + delay, front, data, callers[readable]))
                        continue
                    if source not in backs:
                        backs[source] = bound()
                        callers[backs[source]] = source
                    under_way.append((time.monotonic() + delay, backs[source], data, target))


if __name__ == "__main__":
    host, _, port = sys.argv[1].rpartition(":")
    relay((host, int(port)), float(sys.argv[2]), float(sys.argv[3]))
