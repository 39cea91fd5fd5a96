"""A DHT of some thousand production nodes on the virtual network, half of whose contacts are dead, to search in.

Nothing keeps it up: tables are filled directly, with contacts drawn at random from each bucket's range, as if
everybody had been acquainted for long and half of all nodes had just left.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from math import log
from random import Random
from typing import Final

import trio

from magnetite.dht.contact import Contact, Family, K
from magnetite.dht.decoding import decode
from magnetite.dht.item_store import ItemStore
from magnetite.dht.messages import IncomingQuery
from magnetite.dht.peer_store import PeerStore
from magnetite.dht.responder import Responder
from magnetite.dht.routing_table import RoutingTable, capacity_of
from magnetite.dht.tokens import Tokens
from magnetite.endpoint import Endpoint, Scope
from magnetite.events import Event
from magnetite.ids import NodeId
from magnetite.simnet import Fabric
from magnetite.simnet.host import Host

PORT: Final = 6881
MEDIAN: Final = 0.120  # seconds of round trip; assumed: there is no solid public distribution
SIGMA: Final = log(0.400 / 0.120) / 1.2816  # so that the 90th percentile is 400 ms
_LONG_SINCE: Final = 1e6  # seconds ahead: contacts heard of then are good for as long as the benchmark takes
_BITS: Final = 160
_DEEPEST: Final = 40


def ignore(event: Event) -> None: ...


class World:
    """`live` nodes that answer and as many that do not, all known to each other by chance."""

    def __init__(self, fabric: Fabric, live: int, rng: Random, dead: float = 0.5) -> None:
        self.rng = rng
        self.live: list[Node] = []
        self.sybils: set[Contact] = set()
        self.round_trips: dict[str, float] = {}
        self._fabric = fabric
        self._ids: list[NodeId] = []  # of everybody, sorted
        self._contacts: dict[NodeId, Contact] = {}
        self._hosts = 0
        fabric.latency = self._latency
        for _ in range(live):
            self.live.append(Node(self, self.add_contact(NodeId(rng.getrandbits(_BITS)))))
        for _ in range(round(live * dead / (1 - dead))):
            self.add_contact(NodeId(rng.getrandbits(_BITS)))

    def next_ip(self) -> str:
        """Every address in a /24 of its own."""
        self._hosts += 1
        return f"{20 + self._hosts // 62_500}.{self._hosts // 250 % 250 + 1}.{self._hosts % 250 + 1}.7"

    def add_contact(self, node_id: NodeId, ip: str | None = None, round_trip: float | None = None) -> Contact:
        """A node everybody may come to know; nothing is at its address yet."""
        contact = Contact(node_id, Endpoint(ip or self.next_ip(), PORT))
        self.round_trips[contact.endpoint.ip] = round_trip or MEDIAN * self.rng.lognormvariate(0, SIGMA)
        self._contacts[node_id] = contact
        self._ids.insert(bisect_left(self._ids, node_id), node_id)
        return contact

    def add_sybils(self, target: int, count: int, prefix: str | None) -> None:
        """`count` nodes nearer to `target` than anybody else, very fast; of the /24 `prefix`, or of one each."""
        nearest = min(self._ids, key=lambda node_id: node_id ^ target) ^ target
        for number in range(count):
            node_id = NodeId(target ^ self.rng.randrange(1, nearest))
            ip = f"{prefix}.{number + 1}" if prefix else None
            self.sybils.add(self.add_contact(node_id, ip, round_trip=0.02))

    def acquaint(self) -> None:
        """Fill all tables. Most nodes of the DHT have buckets of 8."""
        for node in self.live:
            self.fill(node.table, lambda number: K)

    def fill(self, table: RoutingTable, capacity: Callable[[int], int] = capacity_of) -> None:
        """Up to `capacity(number)` contacts into each bucket; ours unless told otherwise."""
        for number in range(_DEEPEST):
            low = (table.own_id >> _BITS - number - 1 ^ 1) << _BITS - number - 1
            first, last = bisect_left(self._ids, low), bisect_left(self._ids, low + (1 << _BITS - number - 1))
            # Some more than there is room for: the table chooses.
            for index in self.rng.sample(range(first, last), min(2 * capacity(number), last - first)):
                contact = self._contacts[self._ids[index]]
                self.round_trips.setdefault(contact.endpoint.ip, MEDIAN)
                if len_of(table, number) < capacity(number):
                    table.on_response(contact, self.round_trips[contact.endpoint.ip], _LONG_SINCE)

    async def start(self, nursery: trio.Nursery) -> None:
        for node in self.live:
            await nursery.start(node.run, self._fabric.host(node.contact.endpoint.ip))
        for contact in self.sybils:
            friends = [each for each in self.sybils if (each.node_id ^ contact.node_id) >> 100 == 0]
            sybil = Node(self, contact, SilentStore)
            for friend in friends:
                if friend != contact:
                    sybil.table.on_response(friend, 0.02, _LONG_SINCE)
            await nursery.start(sybil.run, self._fabric.host(contact.endpoint.ip))

    def closest_live(self, target: int, count: int = K) -> list[Node]:
        return sorted(self.live, key=lambda node: node.contact.node_id ^ target)[:count]

    def host(self) -> Host:
        """Where a searcher lives; the round trip to a node is that node's alone."""
        ip = self.next_ip()
        self.round_trips[ip] = 0.0
        return self._fabric.host(ip)

    def _latency(self, source: str, destination: str) -> float:
        return (self.round_trips[source] + self.round_trips[destination]) / 2 if destination in self.round_trips else 1


class SilentStore(PeerStore):
    """A Sybil's: it takes every announce, and names nobody."""

    def sample(self, *args: object, **kwargs: object) -> list[bytes]:
        return []


class Node:
    """One who answers, by the production code, and does nothing else."""

    def __init__(self, world: World, contact: Contact, store: Callable[[Random, float], PeerStore] = PeerStore) -> None:
        rng = Random(contact.node_id)
        self.contact = contact
        self.table = RoutingTable(contact.node_id, Scope.GLOBAL, ignore)
        self.store = store(rng, 0.0)
        self._responder = Responder({Family.IPV4: self.table}, self.store, ItemStore(), Tokens(rng, 0.0), ignore)

    async def run(self, host: Host, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        socket = await host.open_udp(Endpoint(host.ip, PORT))
        task_status.started()
        while True:
            for data, source in await socket.receive_batch():
                message = decode(data)
                if isinstance(message, IncomingQuery):
                    socket.send(self._responder.answer(message, source, len(data), trio.current_time()), source)


def len_of(table: RoutingTable, number: int) -> int:
    bucket = table.buckets.get(number)
    return len(bucket.entries) if bucket else 0
