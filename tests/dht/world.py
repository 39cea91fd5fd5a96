"""A small DHT on the virtual network, for the tests of the node."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from random import Random

import trio

from magnetite.dht.contact import Contact, K
from magnetite.dht.node import DhtNode, open_node
from magnetite.endpoint import Address, Endpoint
from magnetite.events import Event
from magnetite.ids import NodeId
from magnetite.simnet import Fabric, Host

PORT = 6881
ROUTERS = 3


class World:
    """Public addresses, one node on each; the first three are everybody's routers."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.nodes: list[DhtNode] = []
        self.events: dict[DhtNode, list[Event]] = {}
        self._hosts = 0

    @property
    def routers(self) -> list[Address]:
        return [node.local for node in self.nodes[:ROUTERS]]

    def next_ip(self) -> str:
        self._hosts += 1
        return f"{20 + self._hosts // 60_000}.{self._hosts // 250 % 240 + 1}.{self._hosts % 250 + 1}.7"

    @asynccontextmanager
    async def node(
        self,
        *,
        host: Host | None = None,
        bootstrap: Sequence[Address] | None = None,
        state_path: Path | None = None,
        bind: str | None = None,
        read_only: bool | None = None,
        query_rate: float = 250.0,
    ) -> AsyncIterator[DhtNode]:
        """One more node; it is not one of `nodes`."""
        host = host or self.fabric.host(self.next_ip())
        events: list[Event] = []
        async with (
            aclosing(await host.open_udp(Endpoint(bind or host.ip, PORT))) as socket,
            open_node(
                host,
                [socket],
                rng=Random(host.ip),
                emit=events.append,
                bootstrap=self.routers if bootstrap is None else bootstrap,
                state_path=state_path,
                read_only=read_only,
                query_rate=query_rate,
            ) as node,
        ):
            self.events[node] = events
            yield node

    def closest(self, target: int, *, among: Sequence[DhtNode] | None = None) -> list[Contact]:
        """Brute force: the K living nodes closest to `target`."""
        contacts = [Contact(node.node_id, node.local) for node in (among or self.nodes)]
        return sorted(contacts, key=lambda contact: contact.node_id ^ target)[:K]


@asynccontextmanager
async def open_world(fabric: Fabric, count: int, *, settle: float = 60.0) -> AsyncIterator[World]:
    """`count` nodes that have joined, and `settle` seconds to get acquainted."""
    world = World(fabric)
    async with AsyncExitStack() as stack:
        for _ in range(count):
            world.nodes.append(await stack.enter_async_context(world.node()))
        await trio.sleep(settle)
        yield world


def random_id(rng: Random) -> NodeId:
    return NodeId(rng.getrandbits(160))


def queries_sent(node: DhtNode) -> int:
    return node.statistics().counters.queries_sent.total()
