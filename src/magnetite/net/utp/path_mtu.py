"""How large a datagram gets through whole: a search between what always does and what may. Pure.

A probe is a data packet of the size in question that routers must not fragment. It is sent again, if it is lost, in
fragments: a packet of uTP keeps its size for good.
"""

from __future__ import annotations

from typing import Final

UDP4: Final = 28  # bytes of headers of IPv4 and UDP
UDP6: Final = 48
FLOOR4: Final = 576 - UDP4  # every host takes as much (RFC 791)
FLOOR6: Final = 1280 - UDP6  # every link does (RFC 8200)
FRAME: Final = 1500  # bytes of an Ethernet frame. Never more: libtorrent reads 1,500 bytes and cuts off the rest
CLOSE: Final = 16  # bytes at which two sizes are taken for one (libutp)
TRIES: Final = 2  # lost probes until a size is taken for too large: packets are lost for other reasons, too
SEARCH_AGAIN: Final = 1800.0  # seconds, for routes change (libutp)
TIMEOUTS: Final = 2  # in a row, until the size that got through is doubted


class PathMtu:
    """`size` is what datagrams may be long, payload of UDP; `probe` what to try next, if anything.

    Invariant: floor <= size <= ceiling, and one probe at a time.
    """

    def __init__(self, is_ipv6: bool, now: float) -> None:
        self._floor = FLOOR6 if is_ipv6 else FLOOR4
        self._most = FRAME - (UDP6 if is_ipv6 else UDP4)
        self.size = self._floor
        self._begin(now)

    def _begin(self, now: float) -> None:
        self._ceiling = self._most
        self._size_to_try = self._most  # which nearly every path takes
        self._lost = 0
        self._is_probing = False
        self._search_again_at = now + SEARCH_AGAIN

    def probe(self, now: float) -> int | None:
        """The size to try, where no probe is under way and not all is known."""
        if now >= self._search_again_at:
            self._begin(now)
        return self._size_to_try if self._size_to_try > self.size and not self._is_probing else None

    def on_probe_sent(self) -> None:
        self._is_probing = True

    def on_arrived(self, size: int) -> None:
        """A datagram of this size got through whole."""
        if size > self.size:
            self.size = size
            self._choose()

    def on_probe_lost(self) -> None:
        self._is_probing = False
        self._lost += 1
        if self._lost == TRIES:
            self._ceiling = self._size_to_try - 1
            self._choose()

    def on_timeouts(self, count: int) -> None:
        """So many in a row, and nothing is under way any more: the path may have become narrower."""
        if self._is_probing:
            self.on_probe_lost()
        if count == TIMEOUTS:
            self.size = self._floor
            self._ceiling = self._most
            self._choose()

    def _choose(self) -> None:
        self._lost = 0
        self._is_probing = False
        found = self._ceiling - self.size < CLOSE
        self._size_to_try = self.size if found else (self.size + self._ceiling + 1) // 2
