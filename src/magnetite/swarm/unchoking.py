"""Whom we serve: the choker's rounds among the peers, and free slots between them (BEP 3). Pure."""

from __future__ import annotations

from magnetite.events import Unchoked
from magnetite.swarm.choker import CHOKE_INTERVAL, Choker, Standing
from magnetite.swarm.company import Company
from magnetite.swarm.peer import Peer


class Unchoking:
    """A torrent's upload slots.

    Invariant: after a round those are unchoked whom the choker chose. A peer cannot make us choke and unchoke it more
    often than our clock, whatever it says.
    """

    def __init__(self, company: Company, choker: Choker[Peer]) -> None:
        self._company = company
        self._choker = choker

    def on_interested(self, peer: Peer, now: float) -> None:
        """A free slot need not wait for the next round."""
        unchoked = sum(1 for other in self._company.peers if not other.am_choking and other.peer_interested)
        if unchoked < self._choker.slots and now - peer.unchoked_at >= CHOKE_INTERVAL:
            self._unchoke(peer, now, optimistic=False)

    def rechoke(self, *, seeding: bool, now: float) -> None:
        """The choker's round, every CHOKE_INTERVAL."""
        standings = [
            Standing(peer, peer.downloaded.rate(now), peer.uploaded.rate(now), peer.pipeline.is_snubbed)
            for peer in self._company.peers
            if peer.peer_interested
        ]
        choice = self._choker.choose(standings, seeding=seeding, now=now)
        for peer in self._company.peers:
            if peer in choice.unchoked:
                self._unchoke(peer, now, optimistic=peer in choice.optimistic)
            else:
                peer.choke()

    def _unchoke(self, peer: Peer, now: float, *, optimistic: bool) -> None:
        if peer.am_choking:
            peer.unchoke(now)
            self._company.emit(Unchoked(now, self._company.info_hash, peer.endpoint, optimistic))
