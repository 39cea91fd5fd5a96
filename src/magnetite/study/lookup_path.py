"""Whom a lookup asked, when, and who answered: read off the packets, so that the node knows nothing of it."""

from __future__ import annotations

from random import Random
from typing import Final

from magnetite.dht.decoding import decode
from magnetite.dht.messages import FindNode, GetItem, GetPeers, IncomingQuery, Response
from magnetite.endpoint import Endpoint
from magnetite.errors import KrpcError
from magnetite.simnet.faults import PASS, Packet, Verdict
from magnetite.study.trace import Row

_BITS: Final = 160


class LookupPath:
    """What one node asks and hears while it looks for `target`, within `with world.fault(path.watch):`.

    How near a node is, is known of those that answer, and of others by `known`: ids by endpoint, as of a population.
    """

    def __init__(self, searcher: Endpoint, target: int, known: dict[Endpoint, int]) -> None:
        self._searcher = searcher
        self._target = target
        self._ids = dict(known)
        self._asked: dict[Endpoint, float] = {}
        self._answered: dict[Endpoint, float] = {}

    def watch(self, packet: Packet, rng: Random) -> Verdict:
        """A rule that lets everything pass."""
        if not packet.is_segment and self._searcher in (packet.source, packet.to):
            try:
                message = decode(bytes(packet.data))
            except KrpcError:
                return PASS
            if isinstance(message, IncomingQuery) and packet.source == self._searcher:
                if target_of(message) == self._target:
                    self._asked.setdefault(packet.to, packet.time)
            elif isinstance(message, Response) and packet.source in self._asked:
                self._ids[packet.source] = message.sender
                self._answered.setdefault(packet.source, packet.time)
        return PASS

    @property
    def rows(self) -> list[Row]:
        """Of each node asked, in order: `time` since the first [s], `bits` shared with the target, `answered`."""
        began = min(self._asked.values(), default=0.0)
        return [
            {"time": time - began, "bits": self._bits(endpoint), "answered": endpoint in self._answered}
            for endpoint, time in self._asked.items()
        ]

    def _bits(self, endpoint: Endpoint) -> int | None:
        node_id = self._ids.get(endpoint)
        return None if node_id is None else _BITS - (node_id ^ self._target).bit_length()


def target_of(message: IncomingQuery) -> int | None:
    """What a query is to lead to; None where it asks for nothing of the kind."""
    match message.query:
        case FindNode(target) | GetItem(target):
            return target
        case GetPeers() as query:
            return query.info_hash
    return None
