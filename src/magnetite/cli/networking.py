"""What the options said of the network, and how a client or a node is opened with it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path

from magnetite.client import Client
from magnetite.dht.blocklist import Blocklist
from magnetite.dht.limiter import AnswerLimits
from magnetite.dht.node import DEFAULT_ROUTERS, DhtNode
from magnetite.dht.send_budget import ADDRESS_RATE, QUERY_RATE
from magnetite.endpoint import Address
from magnetite.hub import Observer
from magnetite.net.portmap.mapping import PortMapping
from magnetite.opening import DHT_STATE, DIAL_RATE, PROXIED_DHT_STATE, open_client, open_dht_node
from magnetite.swarm.places import Places
from magnetite.swarm.throttle import Limits
from magnetite.wire.mse.policy import Encryption

NODE_PORT = 6881
NO_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class Networking:
    """How to be reached and how to find others. `state` is the folder of what outlives the process."""

    port: int | None = None
    bind: tuple[str, ...] | None = None  # None for all addresses of this machine
    interface: str | None = None
    proxy: str | None = None
    bootstrap: Sequence[Address] = DEFAULT_ROUTERS
    state: Path | None = None
    dht: bool = True
    peers: tuple[Address, ...] = ()
    encryption: Encryption = Encryption.ALLOW
    limits: Limits = NO_LIMITS
    port_mapping: PortMapping = PortMapping.OFF
    lsd: bool = False
    utp: bool = True
    max_peers: int | None = None  # connections, in all and of each torrent; None for the usual number

    @property
    def dht_state(self) -> Path | None:
        """The file that a node remembers itself in."""
        return self.state / (DHT_STATE if self.proxy is None else PROXIED_DHT_STATE) if self.state else None

    def open_client(
        self,
        observe: Observer,
        *,
        places: Places | None = None,
        dial_rate: float = DIAL_RATE,
        query_rate: float = QUERY_RATE,
        address_rate: float = ADDRESS_RATE,
    ) -> AbstractAsyncContextManager[Client]:
        return open_client(
            port=self.port,
            bind=self.bind,
            interface=self.interface,
            proxy=self.proxy,
            bootstrap=self.bootstrap,
            dht=self.dht,
            state=self.state,
            observe=observe,
            places=Places(self.max_peers, self.max_peers) if places is None and self.max_peers else places,
            limits=self.limits,
            encryption=self.encryption,
            port_mapping=self.port_mapping,
            lsd=self.lsd,
            utp=self.utp,
            dial_rate=dial_rate,
            query_rate=query_rate,
            address_rate=address_rate,
        )

    def open_node(
        self,
        observe: Observer,
        default_port: int,
        *,
        read_only: bool | None = None,
        query_rate: float = QUERY_RATE,
        limits: AnswerLimits = AnswerLimits(),  # noqa: B008  # a value
        blocklist: Blocklist = Blocklist(),  # noqa: B008  # a value
    ) -> AbstractAsyncContextManager[DhtNode]:
        return open_dht_node(
            port=default_port if self.port is None else self.port,
            bind=self.bind,
            interface=self.interface,
            proxy=self.proxy,
            bootstrap=self.bootstrap,
            state=self.dht_state,
            observe=observe,
            read_only=read_only,
            query_rate=query_rate,
            limits=limits,
            blocklist=blocklist,
            port_mapping=self.port_mapping,
        )


@dataclass(frozen=True, slots=True)
class NodeSettings:
    """How a node that runs for long is bound, limited and watched."""

    read_only: bool | None  # None: until it is known to be reachable
    query_rate: float
    answer_budget: int  # bytes/s
    blocklist: Path | None
    metrics: Address | None
    control: Path | None

    def open_node(
        self, networking: Networking, observe: Observer, blocklist: Blocklist
    ) -> AbstractAsyncContextManager[DhtNode]:
        return networking.open_node(
            observe,
            NODE_PORT,
            read_only=self.read_only,
            query_rate=self.query_rate,
            limits=AnswerLimits(byte_rate=self.answer_budget),
            blocklist=blocklist,
        )
