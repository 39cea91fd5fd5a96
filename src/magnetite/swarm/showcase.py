"""Super-seeding among the peers: each is shown the piece that it may ask for next (BEP 16). Pure."""

from __future__ import annotations

from random import Random

from magnetite.swarm.availability import Availability
from magnetite.swarm.peer import Peer
from magnetite.swarm.super_seed import SuperSeed
from magnetite.wire.messages import Have


class Showcase:
    """What a super-seed tells its peers, who take it for a peer that gets one piece after the other.

    Invariant: a peer is shown a piece when it comes, and the next when that has served its purpose, as SuperSeed says.
    """

    def __init__(self, everything: int, availability: Availability, rng: Random) -> None:
        self._super_seed = SuperSeed[Peer](everything, rng, self._fetches)
        self._availability = availability
        self._sent_before: dict[Peer, int] = {}  # bytes, when the peer was shown its piece

    def show(self, peer: Peer) -> None:
        """Name the one piece the peer may ask for next."""
        piece = self._super_seed.show(peer, peer.pieces, self._availability)
        if piece is not None:
            self._sent_before[peer] = peer.uploaded.total
            peer.outbox.put(Have(piece))

    def has_shown(self, peer: Peer, piece: int) -> bool:
        """Whether the peer may ask for it."""
        return self._super_seed.has_shown(peer, piece)

    def on_pieces(self, peer: Peer, new: int) -> None:
        """The peer has got the pieces of `new`: those who passed them on are shown others, and itself if it had what
        it was shown before we gave it anything.
        """
        for holder in self._super_seed.on_pieces(peer, new):
            had_it = holder is peer and not peer.uploaded.total
            if had_it or self._super_seed.is_passed_on(holder, holder.pieces, self._availability):
                self.show(holder)

    def on_not_interested(self, peer: Peer) -> None:
        """A lone peer that wants nothing more has what it was shown."""
        if self._super_seed.is_alone(peer):
            self.show(peer)

    def on_gone(self, peer: Peer) -> None:
        self._super_seed.forget(peer)
        self._sent_before.pop(peer, None)

    def tend(self, now: float) -> None:
        """Who is still fetching its piece is shown no other; who has it wants nothing else we have shown."""
        for peer in self._super_seed.due(now):
            piece = self._super_seed.current(peer)
            if piece is None or peer.pieces >> piece & 1 or not peer.peer_interested:
                self.show(peer)

    def _fetches(self, peer: Peer) -> bool:
        """Whether it can fetch what it was shown, or has begun to."""
        return not peer.am_choking or peer.uploaded.total > self._sent_before.get(peer, 0)
