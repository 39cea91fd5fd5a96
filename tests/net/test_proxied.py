"""Behind a proxy: nothing is sent but to it, and what it cannot do is not done another way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random
from typing import Any

import pytest
import trio

from magnetite.endpoint import Endpoint, Scope, scope_of
from magnetite.errors import NetworkError, Reason
from magnetite.events import Emit, Event, PeerConnected, ProxyLost, ProxyReturned
from magnetite.net.base import ByteStream
from magnetite.net.proxied import ProxiedNetwork
from magnetite.net.socks import datagram_header, parse_proxy
from magnetite.net.stand_ins import MOST, StandIns
from magnetite.opening import open_client, open_dht_node
from magnetite.simnet import Fabric, Host, Link
from magnetite.simnet.faults import PASS, Packet, Verdict
from magnetite.storage.memory import MemoryStorage
from tests.net.socks_server import SocksServer, read
from tests.swarm.swarms import PORT, client_at, content, stored, torrent_of, using

OURS, PROXY, OTHER = "20.0.0.1", "20.0.0.2", "20.0.0.3"
URL = f"socks5://me:secret@{PROXY}:1080"


class Witness:
    """Whom our host writes to, and which names it looks up."""

    def __init__(self, fabric: Fabric, host: Host, monkeypatch: pytest.MonkeyPatch) -> None:
        self.written_to: set[str] = set()
        self.looked_up: set[str] = set()
        fabric.faults.add(self._see)
        resolve = host.resolve

        async def noted(name: str, port: int) -> list[Endpoint]:
            self.looked_up.add(name)
            return await resolve(name, port)

        monkeypatch.setattr(host, "resolve", noted)

    def _see(self, packet: Packet, rng: Random) -> Verdict:
        if packet.source.ip == OURS:
            self.written_to.add(packet.to.ip)
        return PASS


@pytest.fixture
def host(fabric: Fabric) -> Host:
    return fabric.host(OURS)


@pytest.fixture
def witness(fabric: Fabric, host: Host, monkeypatch: pytest.MonkeyPatch) -> Witness:
    return Witness(fabric, host, monkeypatch)


@asynccontextmanager
async def serving(fabric: Fabric, **options: Any) -> AsyncIterator[SocksServer]:
    machine = fabric.find(PROXY) or fabric.host(PROXY)
    server = SocksServer(machine, machine, user="me", password="secret", **options)
    async with trio.open_nursery() as nursery:
        await nursery.start(server.run)
        yield server
        nursery.cancel_scope.cancel()


@asynccontextmanager
async def proxied(host: Host, url: str = URL, emit: Emit = lambda event: None) -> AsyncIterator[ProxiedNetwork]:
    async with trio.open_nursery() as nursery:
        yield ProxiedNetwork(host, parse_proxy(url), nursery, emit)
        nursery.cancel_scope.cancel()


async def send_back(stream: ByteStream) -> None:
    buffer = bytearray(100)
    while count := await stream.receive_into(buffer):
        await stream.send_all(bytes(buffer[:count]))
    await stream.aclose()


async def say(stream: ByteStream, text: bytes) -> bytes:
    """What an echo answers."""
    await stream.send_all(text)
    return await read(stream, len(text))


@asynccontextmanager
async def echoing(fabric: Fabric) -> AsyncIterator[Endpoint]:
    listener = await fabric.host(OTHER).listen(Endpoint(OTHER, 7))
    async with trio.open_nursery() as nursery:

        async def echo() -> None:
            while True:
                stream = await listener.accept()
                nursery.start_soon(send_back, stream)

        nursery.start_soon(echo)
        yield listener.local
        nursery.cancel_scope.cancel()


async def test_a_stream_goes_through_and_names_whom_it_leads_to(fabric: Fabric, host: Host, witness: Witness) -> None:
    async with serving(fabric) as server, echoing(fabric) as echo, proxied(host) as network:
        stream = await network.connect(echo)
        assert stream.remote == echo
        assert await say(stream, b"hello") == b"hello"
        await stream.aclose()
        assert server.asked == [echo]
    assert witness.written_to == {PROXY}


async def test_a_name_is_looked_up_by_the_proxy_alone(fabric: Fabric, host: Host, witness: Witness) -> None:
    fabric.names["peer.example"] = [OTHER]
    async with serving(fabric) as server, echoing(fabric) as echo, proxied(host) as network:
        four, six = await network.resolve("peer.example", echo.port)
        assert (four.scope, six.scope) == (Scope.NOWHERE, Scope.NOWHERE)
        stream = await network.connect(four)
        assert await say(stream, b"hello") == b"hello"
        await stream.aclose()
        assert server.asked == [("peer.example", 7)]
    assert witness.looked_up == {PROXY}


@pytest.mark.parametrize(
    ("url", "reason", "words"),
    [
        (f"socks5://me:wrong@{PROXY}", Reason.PROXY_FAILED, "does not take the user"),
        (f"socks5://{PROXY}", Reason.PROXY_FAILED, "wants a user and a password"),
        (f"socks5://{PROXY}:1081", Reason.PROXY_FAILED, "is not reached"),
        ("socks5://nowhere.example", Reason.PROXY_FAILED, "does not resolve"),
        (URL, Reason.REFUSED, "connection refused"),
    ],
)
async def test_a_failure_says_whether_it_is_the_proxys(
    fabric: Fabric, host: Host, url: str, reason: Reason, words: str
) -> None:
    fabric.host(OTHER)
    async with serving(fabric), proxied(host, url) as network:
        with pytest.raises(NetworkError, match=words) as failed:
            await network.connect(Endpoint(OTHER, 7))
        assert failed.value.reason is reason
        await trio.sleep(1)
    assert not host.streams


async def test_a_proxy_that_says_nothing_is_given_up(fabric: Fabric, host: Host) -> None:
    listener = await fabric.host(PROXY).listen(Endpoint(PROXY, 1080))
    async with proxied(host) as network:
        with trio.fail_after(30), pytest.raises(NetworkError, match="does not answer"):
            await network.connect(Endpoint(OTHER, 7))
    await listener.aclose()
    assert not host.streams


async def test_a_dial_that_is_cancelled_leaves_nothing(fabric: Fabric, host: Host) -> None:
    async with serving(fabric), proxied(host) as network:
        for patience in (0.01, 0.05, 0.09, 0.13, 0.2, 1):
            with trio.move_on_after(patience):
                await network.connect(Endpoint("20.9.9.9", 7))
        await trio.sleep(1)
        assert not host.streams


async def test_datagrams_go_and_come_by_the_association(fabric: Fabric, host: Host, witness: Witness) -> None:
    other = await fabric.host(OTHER).open_udp(Endpoint(OTHER, 7))
    async with serving(fabric), proxied(host) as network:
        socket = await network.open_udp(Endpoint("0.0.0.0", 0))
        assert socket.send(b"ping", other.local)
        [(data, source)] = await other.receive_batch()
        assert (data, source.ip) == (b"ping", PROXY)
        other.send(b"pong", source)
        assert await socket.receive_batch() == [(b"pong", other.local)]
        assert not socket.send(b"ping", Endpoint("2a00::1", 7)), "this one is of IPv4"
        await socket.aclose()
        assert not socket.send(b"ping", other.local)
        with pytest.raises(NetworkError):
            await socket.receive_batch()
    assert witness.written_to == {PROXY}
    await other.aclose()


async def test_datagrams_that_are_not_the_proxys_are_not_taken(fabric: Fabric, host: Host) -> None:
    stranger = fabric.host("20.0.0.66")
    async with serving(fabric), proxied(host) as network:
        socket = await network.open_udp(Endpoint("0.0.0.0", 0))
        attacker = await stranger.open_udp(Endpoint(stranger.ip, 5))
        [port] = host._udp
        attacker.send(datagram_header(Endpoint(OTHER, 7)) + b"forged", Endpoint(OURS, port))
        with trio.move_on_after(5) as scope:
            await socket.receive_batch()
        assert scope.cancelled_caught
        await socket.aclose()
        await attacker.aclose()


async def test_an_association_that_ends_is_asked_for_again_and_nothing_is_sent_meanwhile(
    fabric: Fabric, host: Host, witness: Witness
) -> None:
    events: list[Event] = []
    other = await fabric.host(OTHER).open_udp(Endpoint(OTHER, 7))
    async with proxied(host, emit=events.append) as network:
        async with serving(fabric):
            socket = await network.open_udp(Endpoint("0.0.0.0", 0))
        await trio.sleep(100)
        assert [type(event) for event in events] == [ProxyLost]
        assert not socket.send(b"lost", other.local)
        async with serving(fabric):
            await trio.sleep(70)
            assert [type(event) for event in events] == [ProxyLost, ProxyReturned]
            assert socket.send(b"ping", other.local)
            assert [data for data, _ in await other.receive_batch()] == [b"ping"]
            await socket.aclose()
    assert witness.written_to == {PROXY}
    await other.aclose()


async def test_nobody_listens_behind_a_proxy(host: Host) -> None:
    async with proxied(host) as network:
        with pytest.raises(NetworkError) as refused:
            await network.listen(Endpoint("0.0.0.0", PORT))
    assert refused.value.reason is Reason.ADDRESS_UNAVAILABLE


def test_what_stands_for_a_name_is_nobodys_address_and_the_names_are_bounded() -> None:
    names = StandIns()
    first = names.endpoints("0.example", 5)
    assert names.endpoints("0.example", 6) == [(ip, 6) for ip, _ in first]
    for number in range(3 * MOST):
        names.endpoints(f"{number}.example", 5)
    assert len(names._names) == 2 * MOST
    assert names.destination(first[0]) == first[0], "forgotten, and given to no other"
    assert names.destination(names.endpoints("last.example", 7)[1]) == ("last.example", 7)
    assert {scope_of(ip) for ip in names._names} == {Scope.NOWHERE}


# -- the whole client --------------------------------------------------------------------------------------------------


async def test_a_magnet_is_opened_by_dht_and_tcp_through_the_proxy_alone(
    fabric: Fabric, host: Host, witness: Witness
) -> None:
    """The router is known by name only."""
    data = content(300_000)
    metainfo = torrent_of(data)
    fabric.names["router.example"] = ["20.1.0.1"]
    events: list[Event] = []
    async with AsyncExitStack() as stack:
        for number in range(1, 12):
            ip = f"20.1.0.{number}"
            node = open_dht_node(network=fabric.host(ip), bind=ip, bootstrap=[("20.1.0.1", PORT)], rng=Random(ip))
            await stack.enter_async_context(node)
        await trio.sleep(60)
        seed = client_at(fabric, "20.2.0.1", dht=True, bootstrap=[("20.1.0.1", PORT)])
        await (await stack.enter_async_context(seed)).add(metainfo, storage=using(await stored(metainfo, data)))
        await trio.sleep(30)
        await stack.enter_async_context(serving(fabric))
        routers = [("router.example", PORT)]
        opening = open_client(network=host, proxy=URL, bootstrap=routers, observe=events.append, rng=Random(3))
        client = await stack.enter_async_context(opening)
        assert client.announced_port is None
        download = await client.add(str(metainfo.info_hash), storage=using(MemoryStorage(metainfo)))
        with trio.fail_after(120):
            await download.completed()
        assert not host._listeners
        await trio.sleep(120)
    assert {event.endpoint.ip for event in events if isinstance(event, PeerConnected)} == {"20.2.0.1"}
    assert witness.written_to == {PROXY}
    assert witness.looked_up == {PROXY}


async def test_a_proxy_without_udp_is_an_error_unless_nobody_needs_it(fabric: Fabric, host: Host) -> None:
    data = content(300_000)
    metainfo = torrent_of(data)
    async with serving(fabric, has_udp=False), client_at(fabric, OTHER) as seed:
        await seed.add(metainfo, storage=using(await stored(metainfo, data)))
        with pytest.raises(NetworkError, match=r"it does not know how to\. The DHT goes by UDP"):
            async with open_client(network=host, proxy=URL):
                pass
        async with open_client(network=host, proxy=URL, dht=False) as client:
            storage = using(MemoryStorage(metainfo))
            download = await client.add(str(metainfo.info_hash), storage=storage, peers=[(OTHER, PORT)])
            with trio.fail_after(60):
                await download.completed()


async def test_a_proxy_that_is_not_there_is_an_error_even_where_nobody_needs_udp(fabric: Fabric, host: Host) -> None:
    fabric.host(PROXY)
    with pytest.raises(NetworkError, match="is not reached") as raised:
        async with open_client(network=host, rng=Random(1), proxy=URL, dht=False):
            pass
    assert raised.value.reason is Reason.PROXY_FAILED


async def serve_until(fabric: Fabric, over: trio.Event, *, task_status: trio.TaskStatus[None]) -> None:
    async with serving(fabric):
        task_status.started()
        await over.wait()


async def test_a_proxy_that_goes_away_leaves_no_other_way(fabric: Fabric, host: Host, witness: Witness) -> None:
    data = content(3_000_000)
    metainfo = torrent_of(data)
    async with client_at(fabric, OTHER, link=Link(up=100_000, down=100_000)) as seed:
        await seed.add(metainfo, storage=using(await stored(metainfo, data)))
        async with trio.open_nursery() as nursery:
            over = trio.Event()
            await nursery.start(serve_until, fabric, over)
            async with open_client(network=host, proxy=URL, dht=False) as client:
                storage = using(MemoryStorage(metainfo))
                download = await client.add(str(metainfo.info_hash), storage=storage, peers=[(OTHER, PORT)])
                await trio.sleep(10)
                assert download.progress().peers == 1
                over.set()
                await trio.sleep(30)
                assert download.progress().peers == 0
                async with serving(fabric):
                    with trio.fail_after(300):
                        await download.completed()
    assert witness.written_to == {PROXY}
