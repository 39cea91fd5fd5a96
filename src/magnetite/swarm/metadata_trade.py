"""The metadata among the peers of one torrent: fetched from those that claim it, served to those that ask. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from magnetite.errors import Reason
from magnetite.events import MetadataClaimed, MetadataRefused
from magnetite.swarm.company import Company, ignore
from magnetite.swarm.metadata import MetadataFetch, Outcome
from magnetite.swarm.peer import Peer
from magnetite.wire.extensions import METADATA_BLOCK

METADATA_PATIENCE: Final = 120.0  # seconds a peer may take to say that it has the metadata; it may wait for it, too


class MetadataTrade:
    """One torrent's info dictionary on its way to us, and from us.

    Invariant: what is served is empty until `serve`, and nothing is fetched from then on, nor after `stop`.
    """

    def __init__(self, company: Company) -> None:
        self.on_fetched: Callable[[bytes], None] = ignore  # told the verified info dictionary, once
        self._company = company
        self._fetch: MetadataFetch[Peer] | None = MetadataFetch(company.info_hash)
        self._info = b""

    @property
    def length(self) -> int:
        """Bytes of what is served."""
        return len(self._info)

    def block(self, block: int) -> bytes | None:
        """A block of the info dictionary to serve (BEP 9), None where there is none."""
        return self._info[block * METADATA_BLOCK : (block + 1) * METADATA_BLOCK] or None

    def serve(self, info: bytes) -> None:
        """This is the info dictionary."""
        self._fetch = None
        self._info = info

    def stop(self) -> None:
        """The metadata is known, though it is not served yet: there is nothing to fetch."""
        self._fetch = None

    # -- what peers say ----------------------------------------------------------------------------------------------

    def on_claim(self, peer: Peer, length: int, now: float) -> None:
        """The peer says that it has the metadata, and how many bytes they are."""
        if self._fetch is None:
            return
        self._company.emit(MetadataClaimed(now, self._company.info_hash, peer.endpoint, length))
        reason = self._fetch.on_claim(peer, length)
        if reason is not None:
            self._act(Outcome(dismissed=((peer, reason),)), now)
        self._ask([peer], now)

    def on_block(self, peer: Peer, block: int, total: int, data: bytes, now: float) -> None:
        if self._fetch is not None:
            peer.gave_metadata |= self._fetch.is_owed(peer, block)
            self._follow(self._fetch.on_data(peer, block, total, data), peer, now)

    def on_reject(self, peer: Peer, block: int, now: float) -> None:
        if self._fetch is not None:
            self._follow(self._fetch.on_reject(peer, block), peer, now)

    def on_gone(self, peer: Peer) -> None:
        if self._fetch is not None:
            self._fetch.on_gone(peer)

    # -- what follows ------------------------------------------------------------------------------------------------

    def ask_all(self, now: float) -> None:
        """Ask whomever there is something to ask of."""
        self._ask(self._company.peers, now)

    def tend(self, now: float) -> None:
        """What time alone brings about: requests that lapse, and peers that will not have the metadata."""
        if self._fetch is not None:
            self._act(self._fetch.stalled(now), now)
            self.ask_all(now)
            for peer in self._company.peers:
                if peer.extensions.claims_metadata:
                    peer.useful_at = now
                elif now - peer.useful_at >= METADATA_PATIENCE:
                    self._act(Outcome(dismissed=((peer, Reason.NO_METADATA),)), now)

    def _follow(self, outcome: Outcome[Peer], peer: Peer, now: float) -> None:
        """Ask on, and the others too where there is one fewer to be asked."""
        self._act(outcome, now)
        self._ask(self._company.peers if outcome.dismissed else [peer], now)

    def _ask(self, peers: Iterable[Peer], now: float) -> None:
        if self._company.paused is not None:
            return
        for peer in peers:
            for block in self._fetch.next_requests(peer, now) if self._fetch else ():
                peer.extensions.ask_metadata(block)

    def _act(self, outcome: Outcome[Peer], now: float) -> None:
        for peer, reason in outcome.dismissed:
            self._company.emit(MetadataRefused(now, self._company.info_hash, peer.endpoint, reason))
            if reason in (Reason.METADATA_MISMATCH, Reason.METADATA_TOO_LARGE):
                self._company.ban(peer.endpoint, reason, now)
            else:
                peer.close(reason)
        if outcome.metadata is not None:
            self.stop()
            self.on_fetched(outcome.metadata)
