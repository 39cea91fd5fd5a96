"""What opens a client, or a DHT node by itself, and closes all of it with the block."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from magnetite.background import background
from magnetite.client import Client
from magnetite.dht.blocklist import Blocklist
from magnetite.dht.limiter import AnswerLimits
from magnetite.dht.node import DEFAULT_ROUTERS, DhtNode, open_node
from magnetite.dht.send_budget import ADDRESS_RATE, QUERY_RATE
from magnetite.endpoint import Address
from magnetite.hub import EventHub, Observer
from magnetite.net.base import Network
from magnetite.net.portmap.mapping import IpProtocol, Lease, PortMapping
from magnetite.net.stand import Bind, Footing, open_stand
from magnetite.net.utp.utp import Utp
from magnetite.pacer import Pacer
from magnetite.storage.base import OpenStorage
from magnetite.storage.resume_folder import ResumeFolder
from magnetite.swarm.choker import MakeChoker, TitForTat
from magnetite.swarm.greeting import Security
from magnetite.swarm.membership import Site
from magnetite.swarm.peer import Peer
from magnetite.swarm.picker import MakePicker, PiecePicker
from magnetite.swarm.places import Places
from magnetite.swarm.reach import Reach
from magnetite.swarm.throttle import Limits, Throttles
from magnetite.torrent.magnet import MagnetLink
from magnetite.torrent.metainfo import Metainfo
from magnetite.wire.handshake import new_peer_id
from magnetite.wire.mse.policy import Encryption

DHT_STATE = "dht.state"  # the file in the state folder that keeps the DHT's contacts, and our ids there
PROXIED_DHT_STATE = "dht.proxied.state"  # another, so that no id tells who it is that uses the proxy
DIAL_RATE = 30.0  # connections/s; routers at home choke on more


@asynccontextmanager
async def open_client(
    *,
    port: int | None = None,
    bind: Bind = None,
    interface: str | None = None,
    proxy: str | None = None,
    bootstrap: Sequence[Address] = DEFAULT_ROUTERS,
    dht: bool = True,
    state: str | Path | None = None,
    observe: Observer | None = None,
    places: Places | None = None,
    limits: Limits = Limits(),  # noqa: B008  # a value
    encryption: Encryption = Encryption.ALLOW,
    port_mapping: PortMapping = PortMapping.OFF,
    lsd: bool = False,
    utp: bool = True,
    dial_rate: float = DIAL_RATE,
    query_rate: float = QUERY_RATE,
    address_rate: float = ADDRESS_RATE,
    network: Network | None = None,
    rng: random.Random | None = None,
    storage: OpenStorage | None = None,
    make_choker: MakeChoker[Peer] = TitForTat,
    make_picker: MakePicker = PiecePicker,
) -> AsyncIterator[Client]:
    """A client that listens on `port` (TCP for peers, UDP for the DHT) of the addresses `bind`.

    Without `bind` it is present at all addresses, of IPv4 and IPv6; with it nothing is sent from any other. With
    `interface` (`tun0`) nothing is sent or taken but by that one, and nothing at all while it is away. Without `port`
    it takes the first free one of 6881 to 6889, or any. With `proxy`, `socks5://[user:password@]host:port`, nothing is
    sent but to that one, names are looked up by it alone, and nobody can dial us but by uTP.
    `state` is a folder for what outlives the client: the DHT's contacts, and resume data; without it nothing does.
    `observe` is called with every event, and must not raise.
    `places` bounds the connections, `limits` the rates of all torrents together; see `Download.limit` for those of one.
    `encryption` is for connections in both directions; docs/transport.md says what each policy means.
    `port_mapping` has the router forward `port` to us; `lsd` finds peers in the local network (BEP 14). Neither
    happens unasked, nor on a network that is given.
    With `utp` peers are reached, and reach us, by uTP as well as by TCP.
    `storage` is where content goes instead of files, `make_choker` and `make_picker` decide in our own's place whom to
    serve and which piece to begin.
    Leaving the block stops all downloads, saves their state, and leaves no task, thread or socket behind.

    Raises NetworkError if it cannot listen, or if the proxy does not do what is needed, LocalProtocolError for a
    `proxy` that is none.
    """
    rng = rng or random.SystemRandom()
    hub = EventHub(*([observe] if observe else []))
    folder = Path(state) if state is not None else None
    async with AsyncExitStack() as stack:
        footing = Footing(port, bind, interface, proxy, port_mapping)
        opening = open_stand(footing, network, rng=rng, emit=hub.emit, needs_datagrams=dht)
        stand = await stack.enter_async_context(opening)
        ports = stand.ports
        packets = Utp(ports.sockets, rng) if utp else None
        if packets is not None:
            stack.push_async_callback(packets.aclose)
        node = None
        if dht:
            joining = open_node(
                stand.network,
                ports.sockets if packets is None else packets.sockets,
                rng=rng,
                emit=hub.emit,
                bootstrap=bootstrap,
                state_path=folder / (PROXIED_DHT_STATE if stand.is_proxied else DHT_STATE) if folder else None,
                query_rate=query_rate,
                address_rate=address_rate,
            )
            node = await stack.enter_async_context(joining)
        site = Site(
            network=stand.network,
            peer_id=new_peer_id(rng),
            security=Security(encryption, rng),
            local=ports.local,
            reach=Reach(ports.local[0].port if ports.listeners else None),
            dht_port=node.local.port if node and not stand.is_proxied else None,
            places=places or Places(),
            pacer=Pacer(dial_rate, burst=int(dial_rate)),
            rng=random.Random(rng.getrandbits(256)),  # nothing secret, and a system call for every piece would be slow
            emit=hub.emit,
            throttles=Throttles(limits),
            utp=packets,
            make_choker=make_choker,
            make_picker=make_picker,
        )
        client = Client(site, node, hub, ResumeFolder(folder / "resume") if folder else None, storage)
        async with client.at_work(stand, packets, lsd=lsd, has_disk=network is None):
            yield client


@asynccontextmanager
async def open_dht_node(
    *,
    port: int = 6881,
    bind: Bind = None,
    interface: str | None = None,
    proxy: str | None = None,
    bootstrap: Sequence[Address] = DEFAULT_ROUTERS,
    state: str | Path | None = None,
    observe: Observer | None = None,
    read_only: bool | None = None,
    query_rate: float = QUERY_RATE,
    address_rate: float = ADDRESS_RATE,
    limits: AnswerLimits = AnswerLimits(),  # noqa: B008  # a value
    blocklist: Blocklist = Blocklist(),  # noqa: B008  # a value
    port_mapping: PortMapping = PortMapping.OFF,
    network: Network | None = None,
    rng: random.Random | None = None,
) -> AsyncIterator[DhtNode]:
    """A DHT node by itself, for those who want no torrents; `state` is the file it remembers itself in.

    For `bind`, `interface`, `proxy` and `port_mapping` (of UDP alone) see `open_client`, for the other arguments
    `open_node`. Raises NetworkError if it cannot be bound, LocalProtocolError for a `proxy` that is none.
    """
    rng = rng or random.SystemRandom()
    hub = EventHub(*([observe] if observe else []))
    async with AsyncExitStack() as stack:
        footing = Footing(port, bind, interface, proxy, port_mapping)
        opening = open_stand(footing, network, rng=rng, emit=hub.emit, listen=False)
        stand = await stack.enter_async_context(opening)
        node = await stack.enter_async_context(
            open_node(
                stand.network,
                stand.ports.sockets,
                rng=rng,
                emit=hub.emit,
                bootstrap=bootstrap,
                state_path=Path(state) if state is not None else None,
                read_only=read_only,
                query_rate=query_rate,
                address_rate=address_rate,
                limits=limits,
                blocklist=blocklist,
            )
        )
        if stand.mapping_methods:
            nursery = await stack.enter_async_context(background())
            nursery.start_soon(stand.home.keep_mapped, stand.mapping_methods, _ignore, (IpProtocol.UDP,))
        yield node


async def fetch_metadata(
    torrent: str | MagnetLink,
    *,
    port: int | None = None,
    bind: Bind = None,
    interface: str | None = None,
    proxy: str | None = None,
    bootstrap: Sequence[Address] = DEFAULT_ROUTERS,
    state: str | Path | None = None,
    observe: Observer | None = None,
) -> Metainfo:
    """The metadata behind a magnet link, and nothing else. Never times out by itself; see `open_client`.

    Raises InvalidMagnet, UnsupportedTorrent, InvalidMetainfo, PrivateTorrent or NetworkError.
    """
    async with open_client(
        port=port,
        bind=bind,
        interface=interface,
        proxy=proxy,
        bootstrap=bootstrap,
        state=state,
        observe=observe,
    ) as client:
        return await client.fetch_metadata(torrent)


def _ignore(lease: Lease | None) -> None:
    """A DHT node is known by where its datagrams come from."""
