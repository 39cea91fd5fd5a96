"""Wrong pieces among the peers: who is put to the proof, who is banned, and who is cleared. Pure."""

from __future__ import annotations

from magnetite.errors import Reason
from magnetite.swarm.company import Company
from magnetite.swarm.partial import PartialPiece
from magnetite.swarm.peer import Peer
from magnetite.swarm.requests import RequestBook
from magnetite.swarm.smart_ban import SmartBan


class Suspicion:
    """What a torrent's wrong pieces have to do with its peers.

    Connections come and go; suspicion stays with the address. Invariant: a peer whose address SmartBan suspects is a
    suspect of the book, where it works alone.
    """

    def __init__(self, company: Company, book: RequestBook[Peer]) -> None:
        self._company = company
        self._book = book
        self._smart_ban = SmartBan()

    def on_failed(self, partial: PartialPiece[Peer], now: float) -> None:
        """A piece's hash was wrong: who sent it alone is banned; several are put to the proof, and what they sent
        is compared when the piece is right.
        """
        guilty = self._book.on_failed(partial)
        if guilty is not None:
            self._company.ban(guilty.endpoint, Reason.BAD_PIECE, now)
        else:
            senders = [peer.endpoint for peer in partial.senders]
            self._smart_ban.on_failed(partial.piece, partial.buffer, senders)
            self._weigh_all()

    def on_verified(self, partial: PartialPiece[Peer], now: float) -> None:
        """A right piece speaks for whoever made it alone, and against whoever sent something else in its place."""
        if len(partial.sent) == 1:
            self._smart_ban.acquit(next(iter(partial.sent)).endpoint.ip)
        if self._smart_ban.was_wrong(partial.piece):
            for liar in self._smart_ban.on_verified(partial.piece, partial.buffer):
                self._company.ban(liar, Reason.BAD_PIECE, now)
            self._weigh_all()

    def weigh(self, peer: Peer) -> None:
        """Whether the peer, which may just have come, is to work alone."""
        if self._smart_ban.is_suspect(peer.endpoint.ip):
            self._book.begun.suspects.add(peer)
        else:
            self._book.begun.suspects.discard(peer)

    def _weigh_all(self) -> None:
        for peer in self._company.peers:
            self.weigh(peer)
