"""The info dictionary, put together from what several peers send of it (BEP 9). Pure.

Nothing a peer says is believed before the SHA-1 is right: each claimed size has an assembly of its own, so a liar
cannot stall the rest, and peers that had a part in a wrong assembly go on alone, which shows the liar.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from hashlib import sha1
from math import inf
from typing import Generic, TypeVar

from magnetite.errors import Reason
from magnetite.ids import InfoHash
from magnetite.wire.extensions import METADATA_BLOCK

MAX_METADATA = 32 << 20  # rqbit refuses more, too; BEP 9 sets no limit
RETRY_AFTER = 3.0  # seconds for a block to come, then another peer is asked as well
PEER_TIMEOUT = 20.0  # seconds a peer may stay silent although it claimed to have the metadata
DEPTH = 4  # blocks asked of one peer at a time; more runs into the limits of some clients
COPIES = 4  # peers asked for one block at the same time when none is unasked
MOST_BYTES = 4 * MAX_METADATA  # in all assemblies: fifty liars with a size each could send fifty times as much
MOST_SIZES = 8  # assemblies kept when nobody works on them any more

P = TypeVar("P", bound=Hashable)  # a peer, as an opaque key


@dataclass(slots=True)
class _Assembly(Generic[P]):
    """What has come of one metadata of a claimed size."""

    length: int
    blocks: dict[int, bytes] = field(default_factory=dict)
    senders: dict[int, P] = field(default_factory=dict)
    asked: dict[int, dict[P, float]] = field(default_factory=dict)  # block -> peer -> when

    @property
    def count(self) -> int:
        return -(-self.length // METADATA_BLOCK)

    @property
    def is_complete(self) -> bool:
        return len(self.blocks) == self.count

    @property
    def received(self) -> int:
        """Bytes that have come, the last block counted as a whole one."""
        return len(self.blocks) * METADATA_BLOCK

    def length_of(self, block: int) -> int:
        return min(METADATA_BLOCK, self.length - block * METADATA_BLOCK)


@dataclass(slots=True)
class _Server(Generic[P]):
    """A peer that claims to have the metadata."""

    assembly: _Assembly[P]
    asked: set[int] = field(default_factory=set)  # blocks, each once: TCP loses none
    owed: dict[int, float] = field(default_factory=dict)  # block -> when it was asked for

    def silent_since(self) -> float:
        return min(self.owed.values(), default=inf)


@dataclass(frozen=True, slots=True)
class Outcome(Generic[P]):
    """What a block led to: the verified metadata, or peers that are of no use and why."""

    metadata: bytes | None = None
    dismissed: tuple[tuple[P, Reason], ...] = ()


class MetadataFetch(Generic[P]):
    """Which metadata blocks to ask of whom. Peers are opaque keys.

    Invariant: what is kept was really sent, is in an assembly of a claimed size, and is at most MOST_BYTES.
    """

    def __init__(self, info_hash: InfoHash) -> None:
        self._digest = bytes(info_hash)
        self._shared: dict[int, _Assembly[P]] = {}  # by claimed length
        self._servers: dict[P, _Server[P]] = {}

    @property
    def received(self) -> int:
        """Bytes that are kept."""
        return sum(assembly.received for assembly in self._assemblies())

    def on_claim(self, peer: P, length: int) -> Reason | None:
        """The peer's first extended handshake says `metadata_size`; a reason where that is absurd."""
        if not 0 < length <= MAX_METADATA:
            return Reason.METADATA_TOO_LARGE
        if peer not in self._servers:  # BEP 9 has the size once: a peer that changes it is not followed
            assembly = self._shared.setdefault(length, _Assembly(length))
            self._servers[peer] = _Server(assembly)
        return None

    def next_requests(self, peer: P, now: float) -> list[int]:
        """The blocks to ask of `peer` now."""
        server = self._servers.get(peer)
        if server is None or len(server.owed) >= DEPTH:
            return []
        assembly = server.assembly
        chosen = sorted(
            (block for block in range(assembly.count) if self._may_ask(server, peer, block, now)),
            key=lambda block: (len(assembly.asked.get(block, ())), block),
        )[: DEPTH - len(server.owed)]
        for block in chosen:
            server.owed[block] = now
            server.asked.add(block)
            assembly.asked.setdefault(block, {})[peer] = now
        return chosen

    def is_owed(self, peer: P, block: int) -> bool:
        """Whether the peer was asked for the block, and has not answered."""
        server = self._servers.get(peer)
        return server is not None and block in server.owed

    def on_data(self, peer: P, block: int, total: int, data: bytes | memoryview) -> Outcome[P]:
        """A block came. It counts only where it was asked for and has the right length."""
        server = self._servers.get(peer)
        if server is None or server.owed.pop(block, None) is None:
            return Outcome()
        assembly = server.assembly
        assembly.asked.get(block, {}).pop(peer, None)
        if total != assembly.length or len(data) != assembly.length_of(block):
            return self._dismiss(peer, Reason.METADATA_MISMATCH)
        if block not in assembly.blocks:
            assembly.blocks[block] = bytes(data)
            assembly.senders[block] = peer
        return self._conclude(assembly) if assembly.is_complete else self._make_room()

    def on_reject(self, peer: P, block: int) -> Outcome[P]:
        """The peer has no metadata after all, or is guarding itself against floods: others have it, too."""
        server = self._servers.get(peer)
        if server is None or server.owed.pop(block, None) is None:
            return Outcome()
        server.assembly.asked.get(block, {}).pop(peer, None)
        return self._dismiss(peer, Reason.METADATA_REFUSED)

    def on_gone(self, peer: P) -> None:
        server = self._servers.pop(peer, None)
        if server is not None:
            for block in server.owed:
                server.assembly.asked.get(block, {}).pop(peer, None)
            self._forget_unused()

    def stalled(self, now: float) -> Outcome[P]:
        """Peers that have left a request unanswered for PEER_TIMEOUT."""
        late = [peer for peer, server in self._servers.items() if now - server.silent_since() >= PEER_TIMEOUT]
        for peer in late:
            self.on_gone(peer)
        return Outcome(dismissed=tuple((peer, Reason.METADATA_TIMEOUT) for peer in late))

    def _may_ask(self, server: _Server[P], peer: P, block: int, now: float) -> bool:
        assembly = server.assembly
        if block in assembly.blocks or block in server.asked:
            return False
        asked = assembly.asked.get(block, {})
        fresh = sum(1 for other, when in asked.items() if other is not peer and now - when < RETRY_AFTER)
        return fresh < COPIES

    def _conclude(self, assembly: _Assembly[P]) -> Outcome[P]:
        """Every block is here: it is the metadata, or its senders have something to explain."""
        metadata = b"".join(assembly.blocks[block] for block in range(assembly.count))
        if sha1(metadata, usedforsecurity=False).digest() == self._digest:
            return Outcome(metadata)
        if self._shared.get(assembly.length) is assembly:
            del self._shared[assembly.length]  # who claims this size from now on begins afresh
        senders = dict.fromkeys(assembly.senders.values())
        for peer in [peer for peer, server in self._servers.items() if server.assembly is assembly]:
            self._isolate(peer)
        return self._dismiss(next(iter(senders)), Reason.METADATA_MISMATCH) if len(senders) == 1 else Outcome()

    def _isolate(self, peer: P) -> None:
        """Let a peer assemble the whole metadata by itself: if that is wrong too, it is the liar."""
        server = self._servers[peer]
        self._servers[peer] = _Server(_Assembly(server.assembly.length), set(server.owed), server.owed)
        self._forget_unused()

    def _assemblies(self) -> Iterable[_Assembly[P]]:
        used = {id(server.assembly): server.assembly for server in self._servers.values()}
        return (used | {id(assembly): assembly for assembly in self._shared.values()}).values()

    def _make_room(self) -> Outcome[P]:
        """Where too much has come, give up the assembly with the most: a lie must be long to fill memory."""
        if self.received <= MOST_BYTES:
            return Outcome()
        largest = max(self._assemblies(), key=lambda assembly: assembly.received)
        peers = [peer for peer, server in self._servers.items() if server.assembly is largest]
        if self._shared.get(largest.length) is largest:
            del self._shared[largest.length]
        for peer in peers:
            self.on_gone(peer)
        return Outcome(dismissed=tuple((peer, Reason.METADATA_REFUSED) for peer in peers))

    def _dismiss(self, peer: P, reason: Reason) -> Outcome[P]:
        self.on_gone(peer)
        return Outcome(dismissed=((peer, reason),))

    def _forget_unused(self) -> None:
        """Drop assemblies nobody works on where there are many: sizes that were made up must not pile up."""
        used = {id(server.assembly) for server in self._servers.values()}
        for length, assembly in list(self._shared.items()):
            if id(assembly) not in used and (len(self._shared) > MOST_SIZES or not assembly.blocks):
                del self._shared[length]
