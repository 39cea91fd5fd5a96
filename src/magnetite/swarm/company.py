"""The connected peers of one torrent, and what befalls all of them: a pause, and the ban of an address. Pure."""

from __future__ import annotations

from magnetite.endpoint import Endpoint
from magnetite.errors import Reason
from magnetite.events import Emit, PeerBanned
from magnetite.ids import InfoHash
from magnetite.swarm.candidates import CandidatePool
from magnetite.swarm.peer import Peer


def ignore(*values: object) -> None:
    """Nobody wants to know."""


class Company:
    """What every part of an Exchange knows of the others.

    Invariant: `peers` are those that have joined and not left, in the order they came; one that is banned is closing.
    """

    def __init__(self, info_hash: InfoHash, candidates: CandidatePool, emit: Emit) -> None:
        self.info_hash = info_hash
        self.candidates = candidates
        self.emit = emit
        self.peers: dict[Peer, None] = {}
        self.paused: tuple[Reason, str] | None = None  # why nothing is asked or served now, and a text for people

    def ban(self, endpoint: Endpoint, reason: Reason, now: float) -> None:
        """The address lied, by a connection that may be over: never again, and all that it has now end."""
        if not self.candidates.is_banned(endpoint.ip):
            self.candidates.ban(endpoint.ip)
            self.emit(PeerBanned(now, self.info_hash, endpoint, reason))
        for peer in self.peers:
            if peer.endpoint.ip == endpoint.ip:
                peer.close(reason)
