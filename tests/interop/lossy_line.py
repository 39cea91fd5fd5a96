"""A line that loses and delays, as a process in the lab: `LOSS DELAY` of one way, in shares of 1 and seconds.

The namespace `far` is at its other end, with the address FAR; it says "ready" when it is. What passes are whole frames,
so that ARP, TCP and UDP fare alike.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import deque
from fcntl import ioctl
from random import Random
from select import select
from struct import pack

FAR = "10.120.0.1"
TUNSETIFF = 0x400454CA
IFF_TAP, IFF_NO_PI = 2, 0x1000
LONGEST = 2048  # bytes of a frame


def tap(name: str) -> int:
    """A network interface whose other side is this descriptor: what is sent there is read here."""
    descriptor = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    ioctl(descriptor, TUNSETIFF, pack("16sH", name.encode(), IFF_TAP | IFF_NO_PI))
    return descriptor


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True)


def carry(ends: tuple[int, int], loss: float, delay: float) -> None:
    rng = Random(1)
    under_way: deque[tuple[float, int, bytes]] = deque()
    while True:
        now = time.monotonic()
        while under_way and under_way[0][0] <= now:
            _, end, frame = under_way.popleft()
            os.write(end, frame)
        pause = max(0.0, under_way[0][0] - now) if under_way else None
        for end in select(ends, [], [], pause)[0]:
            frame = os.read(end, LONGEST)
            if rng.random() >= loss:
                under_way.append((time.monotonic() + delay, ends[end == ends[0]], frame))


if __name__ == "__main__":
    near, far = tap("near"), tap("far")
    ip("link", "set", "near", "master", "br0", "up")
    ip("netns", "add", "far")
    ip("link", "set", "far", "netns", "far", "name", "eth0")
    ip("-n", "far", "link", "set", "lo", "up")
    ip("-n", "far", "addr", "add", f"{FAR}/8", "dev", "eth0")
    ip("-n", "far", "link", "set", "eth0", "up")
    print("ready", flush=True)
    try:
        carry((near, far), float(sys.argv[1]), float(sys.argv[2]))
    finally:
        ip("netns", "delete", "far")
