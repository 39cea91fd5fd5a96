"""Which peers are parted with, so that others may have their places. Pure."""

from __future__ import annotations

from typing import Final

from magnetite.endpoint import Endpoint
from magnetite.errors import Reason
from magnetite.swarm.company import Company

TRADE_PATIENCE: Final = 120.0  # seconds without a block in either direction, before a peer may have to make way
USELESS_AFTER: Final = 300.0  # seconds for which neither side has wanted anything, then the slot is for somebody else


class Turnover:
    """Who of a torrent's peers has been of use, and since when not.

    While the torrent is paused no peer's time runs: that nothing is wanted or traded then is our doing.
    """

    def __init__(self, company: Company) -> None:
        self._company = company

    def note(self, now: float) -> None:
        """Who has traded of late, and who says nothing at all; to be called every second."""
        paused = self._company.paused is not None
        for peer in self._company.peers:
            if paused:
                peer.traded_at = peer.useful_at = now
            elif peer.downloaded.rate(now) or peer.uploaded.rate(now):
                peer.traded_at = now
            if peer.is_idle(now):
                peer.close(Reason.IDLE)

    def part(self, everything: int, now: float, *, seeding: bool) -> None:
        """Part with peers with whom there is nothing to trade, in a torrent of the pieces `everything`."""
        for peer in self._company.peers:
            if peer.am_interested or peer.peer_interested:
                peer.useful_at = now
            elif (seeding and peer.is_done(everything)) or now - peer.useful_at >= USELESS_AFTER:
                peer.close(Reason.NOTHING_TO_TRADE)

    def make_way(self, now: float) -> None:
        """Part with a peer that has traded nothing for long, where others wait for its place.

        Being interested, or claiming to have what we want, costs nothing: it must not hold a place for ever.
        """
        idlest = min(self._company.peers, key=lambda peer: peer.traded_at, default=None)
        if idlest is not None and now - idlest.traded_at >= TRADE_PATIENCE:
            idlest.close(Reason.NOTHING_TO_TRADE)

    def make_room_for(self, caller: Endpoint, now: float) -> bool:
        """Whether somebody who dialled us may have the place of a peer that has traded nothing for long (BEP 40).

        Of those it is the one that comes last in the order which both ends of a connection agree on, if the caller
        comes before it: so newcomers find a place in a swarm whose places are all taken, and not by asking often.
        """
        priority = self._company.candidates.priority
        idle = [peer for peer in self._company.peers if not peer.closing and now - peer.traded_at >= TRADE_PATIENCE]
        last = min(idle, key=lambda peer: priority(peer.endpoint), default=None)
        if last is None or priority(caller) <= priority(last.endpoint):
            return False
        last.close(Reason.NOTHING_TO_TRADE)
        return True
