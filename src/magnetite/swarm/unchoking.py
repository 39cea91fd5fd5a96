"""Whom we serve: the choker's rounds among the peers, and free slots between them (BEP 3). Pure."""

from __future__ import annotations

from collections.abc import Callable

from magnetite.events import Unchoked
from magnetite.swarm.choker import CHOKE_INTERVAL, Choker, Standing
from magnetite.swarm.company import Company, ignore
from magnetite.swarm.peer import Peer


class Unchoking:
    """A torrent's upload slots.

    Invariant: no more are unchoked than there are slots. After a round they are those whom the choker chose, and of
    those who want nothing at the moment some who had a slot that nobody else needs: whoever has all that we have for a
    second would otherwise wait a whole round for what we get in the next. A peer cannot make us choke and unchoke it
    more often than our clock, whatever it says.
    """

    def __init__(self, company: Company, choker: Choker[Peer]) -> None:
        self.on_unchoked: Callable[[Peer], None] = ignore
        self._company = company
        self._choker = choker

    @property
    def has_free_slot(self) -> bool:
        """Whether somebody else who comes to want something could be served before the next round."""
        served = sum(1 for peer in self._company.peers if not peer.am_choking and peer.peer_interested)
        return served < self._choker.slots

    def on_interested(self, peer: Peer, now: float) -> None:
        """A free slot need not wait for the next round."""
        if not peer.am_choking or now - peer.unchoked_at < CHOKE_INTERVAL:
            return
        unchoked = [other for other in self._company.peers if not other.am_choking]
        idle = [other for other in unchoked if not other.peer_interested]
        if len(unchoked) - len(idle) < self._choker.slots:
            if len(unchoked) >= self._choker.slots:
                idle[0].choke()
            self._unchoke(peer, now, optimistic=False)

    def rechoke(self, *, seeding: bool, now: float) -> None:
        """The choker's round, every CHOKE_INTERVAL."""
        standings = [
            Standing(peer, peer.downloaded.rate(now), peer.uploaded.rate(now), peer.pipeline.is_snubbed)
            for peer in self._company.peers
            if peer.peer_interested
        ]
        choice = self._choker.choose(standings, seeding=seeding, now=now)
        free = self._choker.slots - len(choice.unchoked)
        for peer in self._company.peers:
            if peer in choice.unchoked:
                self._unchoke(peer, now, optimistic=peer in choice.optimistic)
            elif peer.peer_interested or free <= 0:
                peer.choke()
            elif not peer.am_choking:
                free -= 1

    def _unchoke(self, peer: Peer, now: float, *, optimistic: bool) -> None:
        if peer.am_choking:
            peer.unchoke(now)
            self.on_unchoked(peer)
            self._company.emit(Unchoked(now, self._company.info_hash, peer.endpoint, optimistic))
