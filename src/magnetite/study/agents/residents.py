"""Nodes of the DHT that do harm: silent ones, poisoners, Sybils. Each is a `make` for `World.settle` or `World.dht`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Final

from magnetite.dht.contact import Contact, K
from magnetite.dht.peer_store import PeerStore
from magnetite.dht.routing_entry import RoutingEntry
from magnetite.dht.routing_table import RoutingTable
from magnetite.dht.security import make_id
from magnetite.endpoint import Endpoint
from magnetite.ids import NodeId
from magnetite.study.residents import MakeResident, Population, Resident, SettledTable

MADE_UP_BITS: Final = 40  # of a made-up id that are the target's: nearer than anybody of a real DHT is
TRIES: Final = 64  # ids that are tried at an address for one near a target; there are 8 prefixes at each (BEP 42)
_BITS: Final = 160


class Silent(Resident):
    """Is in everybody's tables, and never answers."""

    def answer(self, data: bytes, source: Endpoint, now: float) -> bytes | None:
        return None


class Forgetful(PeerStore):
    """Takes every announce, and names nobody."""

    def knows(self, *args: object) -> bool:
        return False

    def sample(self, *args: object, **kwargs: object) -> list[bytes]:
        return []


class Poisoner(Resident):
    """Names nodes that do not exist, ever nearer to what is looked for, and never a peer."""

    def table(self) -> RoutingTable:
        return _MadeUp(self.contact.node_id, self._population.rng)

    def new_store(self) -> PeerStore:
        return Forgetful(self._population.rng, 0.0)


class Sybil(Resident):
    """Names its fellows only, and never a peer: who asks enough of them hears of nobody else."""

    def __init__(self, population: Population, contact: Contact, fellows: list[Contact]) -> None:
        super().__init__(population, contact)
        self._fellows = fellows
        fellows.append(contact)

    def table(self) -> RoutingTable:
        return SettledTable(self.contact.node_id, map(_settled, self._fellows))

    def new_store(self) -> PeerStore:
        return Forgetful(self._population.rng, 0.0)


def sybils() -> MakeResident:
    """One group: all that are made by it are fellows."""
    fellows: list[Contact] = []

    def make(population: Population, contact: Contact) -> Resident:
        return Sybil(population, contact, fellows)

    return make


def near(target: int, bits: int, rng: Random) -> Callable[[str], NodeId]:
    """A `new_id` for who minds no rule: by chance, but for the first `bits`, which are those of the target."""
    free = _BITS - bits

    def new_id(ip: str) -> NodeId:
        return NodeId(target >> free << free | rng.getrandbits(free))

    return new_id


def valid_near(target: int, rng: Random) -> Callable[[str], NodeId]:
    """A `new_id` for who is bound to its address (BEP 42): the nearest of those that are valid there."""

    def new_id(ip: str) -> NodeId:
        return min((make_id(ip, rng) for _ in range(TRIES)), key=target.__xor__)

    return new_id


class _MadeUp(SettledTable):
    """Knows eight nodes next to whatever is asked for, at addresses by chance where nobody is."""

    def __init__(self, own_id: NodeId, rng: Random) -> None:
        super().__init__(own_id, ())
        self._rng = rng

    def closest(self, target: int, now: float) -> list[Contact]:
        new_id = near(target, MADE_UP_BITS, self._rng)
        return [Contact(new_id(ip), Endpoint(ip, 6881)) for ip in self._addresses()]

    def closest_compact(self, target: int, now: float) -> bytes:
        return b"".join(contact.compact() for contact in self.closest(target, now))

    def _addresses(self) -> Sequence[str]:
        return [f"{self._rng.randrange(11, 100)}.{'.'.join(map(str, self._rng.randbytes(3)))}" for _ in range(K)]


def _settled(contact: Contact) -> RoutingEntry:
    entry = RoutingEntry(contact)
    entry.responded(0.0, 0.0)
    return entry
