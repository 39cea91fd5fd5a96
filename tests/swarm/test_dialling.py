"""An address is dialled by whatever leads there, and what is said of each way is so."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from random import Random

import pytest
import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import MagnetiteError, NetworkError, Reason, WireError
from magnetite.ids import InfoHash, PeerId
from magnetite.net.base import ByteStream, Listener
from magnetite.simnet import Fabric, Host
from magnetite.swarm.dialling import CONNECT_TIMEOUT, Dialler
from magnetite.swarm.greeting import Security, welcome
from magnetite.ways import Carrier, Cipher, Way
from magnetite.wire.handshake import Handshake
from magnetite.wire.mse.policy import Encryption

TORRENT = InfoHash(7)
OURS, THEIRS = (Handshake(TORRENT, PeerId(b"-PU0001-puppet%06d" % number)) for number in (1, 2))
REMOTE = Endpoint("10.0.0.2", 6881)
PLAIN, RC4 = Way(Carrier.TCP, False), Way(Carrier.TCP, True)
BY_UTP = Way(Carrier.UTP, False)


class Utp:
    """A carrier that does as it is told, and over which the other side is at another port."""

    def __init__(self, host: Host, connect: Callable[[], Awaitable[None]] = trio.lowlevel.checkpoint) -> None:
        self.calls = 0
        self._host = host
        self._wait = connect

    async def connect(self, remote: Endpoint) -> ByteStream:
        self.calls += 1
        await self._wait()
        return await self._host.connect(Endpoint(remote.ip, remote.port + 1))


async def silence() -> None:
    await trio.sleep_forever()


async def refusal() -> None:
    raise NetworkError(reason=Reason.REFUSED)


class Failures(list[tuple[Way, Reason]]):
    def note(self, way: Way, error: MagnetiteError) -> None:
        self.append((way, error.reason))


async def answer(host: Host, port: int, policy: Encryption, task_status=trio.TASK_STATUS_IGNORED) -> None:
    """Shake hands with every caller."""
    listener = await host.listen(Endpoint(host.ip, port))
    task_status.started()
    while True:
        stream = await listener.accept()
        with suppress(NetworkError, WireError):
            await welcome(stream, Carrier.TCP, [TORRENT], lambda named: THEIRS, Security(policy, Random(1)))


def dialler(host: Host, utp: Utp | None = None, policy: Encryption = Encryption.ALLOW) -> Dialler:
    return Dialler(host, utp, Security(policy, Random(2)))


async def test_by_tcp_alone_and_plainly_where_nothing_else_is_wanted(fabric: Fabric, failures: Failures) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(answer, fabric.host(REMOTE.ip), REMOTE.port, Encryption.OFF)
        host = fabric.host("10.0.0.1")
        utp = Utp(host)
        connection = await dialler(host, utp).dial(REMOTE, OURS, None, failures.note)
        assert (connection.carrier, connection.cipher, connection.handshake) == (Carrier.TCP, Cipher.PLAIN, THEIRS)
        assert (utp.calls, failures) == (0, [])
        nursery.cancel_scope.cancel()


async def test_by_utp_at_once_where_tcp_is_refused(fabric: Fabric, failures: Failures) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(answer, fabric.host(REMOTE.ip), REMOTE.port + 1, Encryption.OFF)
        host = fabric.host("10.0.0.1")
        connection = await dialler(host, Utp(host)).dial(REMOTE, OURS, None, failures.note)
        assert connection.carrier is Carrier.UTP
        assert failures == [(PLAIN, Reason.REFUSED)]
        assert trio.current_time() < 0.3
        nursery.cancel_scope.cancel()


async def test_by_utp_a_quarter_of_a_second_later_where_tcp_is_silent(fabric: Fabric, failures: Failures) -> None:
    async with trio.open_nursery() as nursery:
        remote = fabric.host(REMOTE.ip)
        await nursery.start(answer, remote, REMOTE.port + 1, Encryption.OFF)
        host = fabric.host("10.0.0.1")
        silent = Dialler(Deaf(host), Utp(host), Security(Encryption.ALLOW, Random(2)))
        connection = await silent.dial(REMOTE, OURS, None, failures.note)
        assert connection.carrier is Carrier.UTP
        assert failures == []
        assert 0.25 < trio.current_time() < 0.5
        nursery.cancel_scope.cancel()


class Deaf:
    """A network whose TCP leads nowhere."""

    def __init__(self, host: Host) -> None:
        self._host = host

    async def connect(self, remote: Endpoint) -> ByteStream:
        await trio.sleep_forever()


async def test_encrypted_by_the_carrier_that_arrived_where_the_plain_handshake_is_hung_up_on(
    fabric: Fabric, failures: Failures
) -> None:
    async with trio.open_nursery() as nursery:
        await nursery.start(answer, fabric.host(REMOTE.ip), REMOTE.port + 1, Encryption.REQUIRE)
        host = fabric.host("10.0.0.1")
        connection = await dialler(host, Utp(host)).dial(REMOTE, OURS, None, failures.note)
        assert (connection.carrier, connection.cipher) == (Carrier.UTP, Cipher.RC4)
        assert failures == [(PLAIN, Reason.REFUSED), (BY_UTP, Reason.CLOSED_BY_PEER)]
        nursery.cancel_scope.cancel()


async def test_by_utp_where_tcp_is_hung_up_on_in_both_forms(fabric: Fabric, failures: Failures) -> None:
    """So does libtorrent that is to do without TCP: it accepts, and closes."""
    async with trio.open_nursery() as nursery:
        remote, host = fabric.host(REMOTE.ip), fabric.host("10.0.0.1")
        await nursery.start(answer, remote, REMOTE.port + 1, Encryption.REQUIRE)
        nursery.start_soon(hang_up, await remote.listen(REMOTE))
        connection = await dialler(host, Utp(host)).dial(REMOTE, OURS, None, failures.note)
        assert (connection.carrier, connection.cipher) == (Carrier.UTP, Cipher.RC4)
        assert failures == [(way, Reason.CLOSED_BY_PEER) for way in (PLAIN, RC4, BY_UTP)]
        nursery.cancel_scope.cancel()


async def hang_up(listener: Listener) -> None:
    while True:
        stream = await listener.accept()
        await stream.receive_into(bytearray(1))
        await stream.aclose()


async def test_where_every_way_is_hung_up_on_the_first_tells_why(fabric: Fabric, failures: Failures) -> None:
    async with trio.open_nursery() as nursery:
        remote, host = fabric.host(REMOTE.ip), fabric.host("10.0.0.1")
        nursery.start_soon(hang_up, await remote.listen(REMOTE))
        with pytest.raises(NetworkError) as caught:
            await dialler(host, Utp(host)).dial(REMOTE, OURS, None, failures.note)
        assert caught.value.reason is Reason.CLOSED_BY_PEER
        assert failures[-1] == (BY_UTP, Reason.REFUSED)
        assert not host.streams
        nursery.cancel_scope.cancel()


async def test_by_the_known_way_first(fabric: Fabric, failures: Failures) -> None:
    async with trio.open_nursery() as nursery:
        remote, host = fabric.host(REMOTE.ip), fabric.host("10.0.0.1")
        for port in (REMOTE.port, REMOTE.port + 1):
            await nursery.start(answer, remote, port, Encryption.ALLOW)
        utp = Utp(host)
        connection = await dialler(host, utp).dial(REMOTE, OURS, Way(Carrier.UTP, True), failures.note)
        assert (connection.carrier, connection.cipher) == (Carrier.UTP, Cipher.HANDSHAKE)
        assert failures == []
        nursery.cancel_scope.cancel()


async def test_what_tcp_says_is_why_where_nothing_leads_there(fabric: Fabric, failures: Failures) -> None:
    fabric.host(REMOTE.ip)
    host = fabric.host("10.0.0.1")
    with pytest.raises(NetworkError) as caught:
        await dialler(host, Utp(host, silence)).dial(REMOTE, OURS, None, failures.note)
    assert caught.value.reason is Reason.REFUSED
    assert failures == [(PLAIN, Reason.REFUSED), (BY_UTP, Reason.CONNECT_TIMEOUT)]
    assert trio.current_time() == pytest.approx(CONNECT_TIMEOUT[Carrier.UTP], abs=0.2)


async def test_one_way_alone_is_told_of_by_the_dial(fabric: Fabric, failures: Failures) -> None:
    fabric.host(REMOTE.ip)
    with pytest.raises(NetworkError):
        await dialler(fabric.host("10.0.0.1"), policy=Encryption.OFF).dial(REMOTE, OURS, None, failures.note)
    assert failures == []


async def test_a_silent_peer_is_not_called_again_in_the_other_form(fabric: Fabric, failures: Failures) -> None:
    listener = await fabric.host(REMOTE.ip).listen(REMOTE)
    with pytest.raises(NetworkError) as caught:
        await dialler(fabric.host("10.0.0.1"), policy=Encryption.PREFER).dial(REMOTE, OURS, None, failures.note)
    assert caught.value.reason is Reason.HANDSHAKE_TIMEOUT
    assert failures == [(RC4, Reason.HANDSHAKE_TIMEOUT)]
    await listener.aclose()


@pytest.mark.parametrize("after", [0.01, 0.05, 0.1, 0.2, 0.3, 2])
async def test_a_cancelled_dial_leaves_no_stream_behind(fabric: Fabric, failures: Failures, after: float) -> None:
    listener = await fabric.host(REMOTE.ip).listen(REMOTE)
    host = fabric.host("10.0.0.1")
    with trio.move_on_after(after):
        await dialler(host, Utp(host, silence), Encryption.PREFER).dial(REMOTE, OURS, None, failures.note)
    assert not host.streams
    await listener.aclose()


@pytest.fixture
def failures() -> Failures:
    return Failures()
