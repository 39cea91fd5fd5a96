"""A line between client 4 of the lab and the others, as a process: `LOSS DELAY [udp]`, a share of 1 and seconds a way.

With `udp` it carries no TCP. Whatever it carries it loses and delays, in both directions; losses are the same at every
run. It says "ready", and the line is cut when it ends.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import deque
from contextlib import suppress
from fcntl import ioctl
from random import Random
from select import select
from struct import pack

TUNSETIFF, TAP, NO_INFORMATION = 0x400454CA, 0x0002, 0x1000  # linux/if_tun.h
LONGEST = 2048
IPV4_TCP = (b"\x08\x00", 6)


def tap(name: str, bridge: str) -> int:
    device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    ioctl(device, TUNSETIFF, pack("16sH14x", name.encode(), TAP | NO_INFORMATION))
    ip("link", "set", name, "master", bridge, "up")
    return device


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True)


def is_tcp(frame: bytes) -> bool:
    return (frame[12:14], frame[23]) == IPV4_TCP


def carry(near: int, far: int, loss: float, delay: float, udp_alone: bool) -> None:
    rng, other = Random(1), {near: far, far: near}
    under_way: deque[tuple[float, int, bytes]] = deque()
    while True:
        now = time.monotonic()
        while under_way and under_way[0][0] <= now:
            _, to, frame = under_way.popleft()
            with suppress(BlockingIOError):
                os.write(to, frame)
        pause = max(0.0, under_way[0][0] - now) if under_way else None
        for readable in select([near, far], [], [], pause)[0]:
            with suppress(BlockingIOError):
                while True:
                    frame = os.read(readable, LONGEST)
                    if rng.random() >= loss and not (udp_alone and is_tcp(frame)):
                        under_way.append((time.monotonic() + delay, other[readable], frame))


def main() -> None:
    with suppress(subprocess.CalledProcessError):  # there from another line
        ip("link", "add", "br4", "type", "bridge")
    ip("link", "set", "br4", "up")
    ip("link", "set", "v4", "master", "br4")
    near, far = tap("near", "br0"), tap("far", "br4")
    print("ready", flush=True)
    carry(near, far, float(sys.argv[1]), float(sys.argv[2]), "udp" in sys.argv[3:])


if __name__ == "__main__":
    main()
