"""A DHT that has been there for long: nodes that answer by the production code out of tables filled from the truth.

A resident asks nobody and forgets nobody, so a network of them costs what its visitors ask of it and nothing else. Who
is to join, keep up its table and be churned about is a production node: `World.node`.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from random import Random
from typing import Final, TypeAlias

import trio

from magnetite.dht.closest import ClosestIndex
from magnetite.dht.contact import Contact, Family, K
from magnetite.dht.decoding import decode
from magnetite.dht.item_store import ItemStore
from magnetite.dht.lookup_cache import LookupCache
from magnetite.dht.messages import IncomingQuery
from magnetite.dht.node import DhtNode
from magnetite.dht.peer_store import PeerStore
from magnetite.dht.responder import Responder
from magnetite.dht.routing_entry import RoutingEntry
from magnetite.dht.routing_table import RoutingTable, capacity_of
from magnetite.dht.shortcut import Shortcut
from magnetite.dht.tokens import Tokens
from magnetite.endpoint import Endpoint, Scope
from magnetite.errors import KrpcError
from magnetite.events import Event
from magnetite.ids import NodeId
from magnetite.simnet.datagrams import SimDatagramSocket

Capacity: TypeAlias = Callable[[int], int]
"""The number of a bucket -> how many contacts it has. Most nodes of the DHT have 8 in each."""

MakeResident: TypeAlias = Callable[["Population", Contact], "Resident"]

_BITS: Final = 160
_SETTLED: Final = 0.0  # when the residents last heard of each other; their contacts are never questionable


def eight(number: int) -> int:
    return K


class Population:
    """Everybody in a DHT by id, the living and the dead, and the tables they have of each other.

    A resident's table is drawn when it is first asked: of each bucket's range as many as there is room for, at random,
    and everybody of the nearest.
    """

    def __init__(self, rng: Random, latency: Callable[[str, str], float], capacity: Capacity = eight) -> None:
        self.residents: Final[list[Resident]] = []
        self.contacts: Final[dict[NodeId, Contact]] = {}  # the dead, too
        self.rng: Final = rng
        self.tokens: Final = Tokens(rng, 0.0)  # nobody here has reason to keep them from another
        self._latency = latency
        self._capacity = capacity
        self._ids: list[NodeId] = []  # sorted
        self._entries: dict[NodeId, RoutingEntry] = {}  # the same ones in all tables: no resident changes them

    def add(self, contacts: Iterable[Contact]) -> None:
        """Who is in the tables that are drawn from now on."""
        for contact in contacts:
            self.contacts[contact.node_id] = contact
            insort(self._ids, contact.node_id)
            entry = self._entries[contact.node_id] = RoutingEntry(contact)
            entry.responded(_SETTLED, 0.0)

    def closest(self, target: int, count: int = K) -> list[Resident]:
        """The living closest to `target`, the closest first, by brute force: whom a lookup should find."""
        return sorted(self.residents, key=lambda resident: resident.contact.node_id ^ target)[:count]

    def draw(self, own_id: NodeId, capacity: Capacity | None = None) -> list[Contact]:
        """The contacts in the table of whoever has that id, bucket by bucket."""
        return [self.contacts[node_id] for node_id in self._draw_ids(own_id, capacity or self._capacity)]

    def _draw_ids(self, own_id: NodeId, capacity: Capacity) -> list[NodeId]:
        drawn: list[NodeId] = []
        low, high, number = 0, len(self._ids), 0
        while high - low > (own_id in self.contacts):
            shift = _BITS - number - 1
            middle = bisect_left(self._ids, (own_id >> shift | 1) << shift, low, high)
            zeros, ones = (low, middle), (middle, high)
            ours, theirs = (ones, zeros) if own_id >> shift & 1 else (zeros, ones)
            everybody, places = range(*theirs), capacity(number)
            chosen = everybody if len(everybody) <= places else self.rng.sample(everybody, places)
            drawn += [self._ids[index] for index in chosen]
            (low, high), number = ours, number + 1
        return drawn

    def table(self, own_id: NodeId) -> RoutingTable:
        """A table as a resident has it."""
        return SettledTable(own_id, [self._entries[node_id] for node_id in self._draw_ids(own_id, self._capacity)])

    def acquaint(
        self, node: DhtNode, capacity: Capacity = capacity_of, *, living_only: bool = False, long_ago: bool = False
    ) -> None:
        """Spare a production node its joining: its table is as full as after hours, and it is usable.

        It has met as many of each bucket's range as `capacity` says, and keeps whom its table prefers. `living_only` is
        for one that has asked all of them lately: none of its contacts is dead. `long_ago` is for one whose
        lookups do not remember their answers; its table does.

        The one place that reaches into a node, for nobody else has a use for one that knows those it never asked.
        """
        now = trio.current_time()
        welcome = {each.contact.node_id for each in self.residents} if living_only else self.contacts.keys()
        for presence in node._presences:
            for contact in self.draw(presence.table.own_id, capacity):
                if contact.node_id not in welcome:
                    continue
                round_trip = 2 * self._latency(presence.local.ip, contact.endpoint.ip)
                presence.table.on_response(contact, round_trip, now)
            if long_ago:
                presence.table.experience.cache = LookupCache()
            presence.joining._usable.set()


class SettledTable(RoutingTable):
    """A routing table to answer from, in which nothing changes."""

    def __init__(self, own_id: NodeId, entries: Iterable[RoutingEntry]) -> None:
        super().__init__(own_id, Scope.GLOBAL, ignore)
        by_id = {entry.contact.node_id: entry for entry in entries}
        self._settled = ClosestIndex(by_id, by_id)

    def __len__(self) -> int:
        return len(self._settled)

    def on_query(self, contact: Contact, now: float) -> None:
        """Whoever asks is not taken in."""

    def closest(self, target: int, now: float) -> list[Contact]:
        return self._settled.closest(target)

    def closest_compact(self, target: int, now: float) -> bytes:
        return self._settled.closest_compact(target)


class Resident:
    """One node that answers, and does nothing else. A study's own kind overrides `answer`, or what it is made of.

    Bytes that are no query, and queries that make no sense, get no answer.
    """

    def __init__(self, population: Population, contact: Contact) -> None:
        self.contact: Final = contact
        self.asked = 0  # datagrams
        self._population = population
        self._desk: tuple[Shortcut, Responder] | None = None
        self._store: PeerStore | None = None

    @property
    def store(self) -> PeerStore:
        """The peers that announced themselves here."""
        if self._store is None:
            self._store = self.new_store()
        return self._store

    def new_store(self) -> PeerStore:
        return PeerStore(self._population.rng, 0.0)

    def table(self) -> RoutingTable:
        """What it answers from, when it is first asked."""
        return self._population.table(self.contact.node_id)

    def answer(self, data: bytes, source: Endpoint, now: float) -> bytes | None:
        """The answer to a datagram, None for silence."""
        shortcut, responder = self._desk or self._open()
        short = shortcut.answer(data, source, now)
        if short is not None:
            return short[1]
        query = self.understand(data)
        return None if query is None else responder.answer(query, source, len(data), now)

    def understand(self, data: bytes) -> IncomingQuery | None:
        try:
            message = decode(data)
        except KrpcError:
            return None
        return message if isinstance(message, IncomingQuery) else None

    def serve(self, socket: SimDatagramSocket) -> None:
        """Answer whoever asks from now on, without a task: there are too many residents."""

        def receive(data: bytes, source: Endpoint) -> None:
            self.asked += 1
            answer = self.answer(data, source, trio.current_time())
            if answer is not None:
                socket.send(answer, source)

        socket.on_datagram(receive)

    def _open(self) -> tuple[Shortcut, Responder]:
        """What answers by the production code, made when it is first needed: most of a large network never is."""
        table, tokens = self.table(), self._population.tokens
        self._desk = (
            Shortcut(table, Family.IPV4, self.store, tokens),
            Responder({Family.IPV4: table}, self.store, ItemStore(), tokens, ignore),
        )
        return self._desk


def ignore(event: Event) -> None:
    """What happens at residents is nobody's business: there are too many."""
