"""Sybils of the DHT that fabricate contacts: whatever is looked for, the nearest nodes of all are theirs.

A few *fronts* are in everybody's tables, like others. They name *backs*: addresses where somebody answers as the node
of that name, names more of them, and knows of no peer.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha1
from random import Random
from typing import Final

from magnetite.dht.contact import Contact, K
from magnetite.dht.encoding import encode_response
from magnetite.dht.peer_store import PeerStore
from magnetite.dht.routing_table import RoutingTable
from magnetite.endpoint import Endpoint
from magnetite.ids import NodeId
from magnetite.study.agents.residents import Forgetful
from magnetite.study.lookup_path import target_of
from magnetite.study.residents import MakeResident, Population, Resident, SettledTable
from magnetite.study.world import PORT, World

FREE_BITS: Final = 120  # of a fabricated id that are not the target's
TOKEN: Final = b"take"


class Ring:
    """All that are of one party: the addresses of its backs, and the ids they go by."""

    def __init__(self, rng: Random) -> None:
        self.backs: list[str] = []
        self._rng = rng

    def id_at(self, ip: str, target: int) -> NodeId:
        """The same whoever of the ring is asked, so that each can answer as it was named."""
        lot = int.from_bytes(sha1(f"{ip} {target:d}".encode()).digest(), "big")
        return NodeId(target >> FREE_BITS << FREE_BITS | lot >> 160 - FREE_BITS)

    def name(self, target: int) -> list[Contact]:
        """K backs by chance, as the nearest nodes to `target`."""
        ips = self._rng.sample(self.backs, min(K, len(self.backs)))
        return [Contact(self.id_at(ip, target), Endpoint(ip, PORT)) for ip in ips]

    def front(self) -> MakeResident:
        """Who is to be settled among the residents; see `World.settle`."""

        def make(population: Population, contact: Contact) -> Resident:
            return _Front(population, contact, self)

        return make


async def open_ring(world: World, ips: Iterable[str], *, is_fitting: bool) -> Ring:
    """A ring with backs at these addresses. They answer under the id they were named by if that `is_fitting`; under one
    of their own, whatever they were named by, if not."""
    assert world.population is not None, "there is no DHT: await world.dht(n) first"
    ring = Ring(world.rng("ring"))
    for ip in ips:
        contact = Contact(NodeId(world.rng("ring ids").getrandbits(160)), Endpoint(ip, PORT))
        back = _Back(world.population, contact, ring, is_fitting=is_fitting)
        back.serve(await world.host(ip=ip).open_udp(contact.endpoint))
        ring.backs.append(ip)
    return ring


class _Front(Resident):
    def __init__(self, population: Population, contact: Contact, ring: Ring) -> None:
        super().__init__(population, contact)
        self._ring = ring

    def table(self) -> RoutingTable:
        return _Fabricated(self.contact.node_id, self._ring)

    def new_store(self) -> PeerStore:
        return Forgetful(self._population.rng, 0.0)


class _Back(Resident):
    def __init__(self, population: Population, contact: Contact, ring: Ring, *, is_fitting: bool) -> None:
        super().__init__(population, contact)
        self._ring = ring
        self._is_fitting = is_fitting

    def answer(self, data: bytes, source: Endpoint, now: float) -> bytes | None:
        query = self.understand(data)
        if query is None:
            return None
        target = target_of(query) or 0
        own_id = self._ring.id_at(self.contact.endpoint.ip, target) if self._is_fitting else self.contact.node_id
        nodes = b"".join(contact.compact() for contact in self._ring.name(target))
        return encode_response(query.transaction, own_id, source.compact(), nodes=nodes, token=TOKEN)


class _Fabricated(SettledTable):
    def __init__(self, own_id: NodeId, ring: Ring) -> None:
        super().__init__(own_id, ())
        self._ring = ring

    def closest(self, target: int, now: float) -> list[Contact]:
        return self._ring.name(target)

    def closest_compact(self, target: int, now: float) -> bytes:
        return b"".join(contact.compact() for contact in self.closest(target, now))
