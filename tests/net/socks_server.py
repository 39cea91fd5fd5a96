"""A SOCKS 5 server on any network: enough of one to carry streams and datagrams, and to fail as real ones do."""

from __future__ import annotations

from dataclasses import dataclass, field

import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError
from magnetite.net.base import ByteStream, DatagramSocket, Network
from magnetite.net.socks import datagram_header, decode_destination, encode_destination

OK, FAILED, REFUSED, NOT_SUPPORTED = 0, 1, 5, 7


@dataclass
class SocksServer:
    """Runs at `inside`, where its clients are, and reaches others by `outside`."""

    inside: Network
    outside: Network
    port: int = 1080
    user: str | None = None
    password: str = ""
    has_udp: bool = True
    asked: list[object] = field(default_factory=list)  # destinations, as clients wrote them
    controls: list[ByteStream] = field(default_factory=list)  # of associations

    async def run(self, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        listener = await self.inside.listen(Endpoint("0.0.0.0", self.port))
        task_status.started()
        async with trio.open_nursery() as nursery:
            try:
                while True:
                    nursery.start_soon(self._serve, await listener.accept())
            finally:
                with trio.CancelScope(shield=True):
                    await listener.aclose()

    async def _serve(self, stream: ByteStream) -> None:
        try:
            await self._greet(stream)
            command, destination = await self._request(stream)
            self.asked.append(destination)
            if command == 1:
                await self._connect(stream, destination)
            elif self.has_udp:
                await self._associate(stream)
            else:
                await _reply(stream, NOT_SUPPORTED)
        except NetworkError:
            pass
        finally:
            with trio.CancelScope(shield=True):
                await stream.aclose()

    async def _greet(self, stream: ByteStream) -> None:
        version, count = await read(stream, 2)
        assert version == 5
        methods = await read(stream, count)
        if self.user is None:
            await stream.send_all(b"\5\0")
            return
        if 2 not in methods:
            await stream.send_all(b"\5\xff")
            raise NetworkError
        await stream.send_all(b"\5\2")
        _, length = await read(stream, 2)
        user = await read(stream, length)
        password = await read(stream, (await read(stream, 1))[0])
        is_known = (user, password) == (self.user.encode(), self.password.encode())
        await stream.send_all(b"\1\0" if is_known else b"\1\1")
        if not is_known:
            raise NetworkError

    async def _request(self, stream: ByteStream) -> tuple[int, object]:
        _, command, _, kind = await read(stream, 4)
        address = await read(stream, 1) if kind == 3 else b""
        address += await read(stream, (address[0] if kind == 3 else {1: 4, 4: 16}[kind]) + 2)
        destination, _ = decode_destination(bytes((kind,)) + address)
        return command, destination

    async def _connect(self, stream: ByteStream, destination: object) -> None:
        try:
            other = await self.outside.connect(await self._resolved(destination))
        except NetworkError:
            await _reply(stream, REFUSED)
            return
        await _reply(stream, OK)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(pump, stream, other, nursery)
            nursery.start_soon(pump, other, stream, nursery)

    async def _associate(self, stream: ByteStream) -> None:
        near = await self.inside.open_udp(Endpoint("0.0.0.0", 0))
        far = await self.outside.open_udp(Endpoint("0.0.0.0", 0))
        self.controls.append(stream)
        try:
            await _reply(stream, OK, Endpoint("0.0.0.0", near.local.port))
            async with trio.open_nursery() as nursery:
                clients: list[Endpoint] = []
                nursery.start_soon(self._outward, near, far, clients)
                nursery.start_soon(self._inward, near, far, clients)
                while await stream.receive_into(bytearray(1)):
                    pass
                nursery.cancel_scope.cancel()
        finally:
            self.controls.remove(stream)
            with trio.CancelScope(shield=True):
                await near.aclose()
                await far.aclose()

    async def _outward(self, near: DatagramSocket, far: DatagramSocket, clients: list[Endpoint]) -> None:
        while True:
            for data, source in await near.receive_batch():
                clients[:] = [source]
                destination, end = decode_destination(data[3:])
                if not isinstance(destination, Endpoint):
                    self.asked.append(destination)
                far.send(data[3 + end :], await self._resolved(destination))

    async def _inward(self, near: DatagramSocket, far: DatagramSocket, clients: list[Endpoint]) -> None:
        while True:
            for data, source in await far.receive_batch():
                for client in clients:
                    near.send(datagram_header(source) + data, client)

    async def _resolved(self, destination: object) -> Endpoint:
        assert isinstance(destination, tuple)
        return (await self.outside.resolve(*destination))[0]


async def _reply(stream: ByteStream, code: int, bound: Endpoint = Endpoint("0.0.0.0", 0)) -> None:  # noqa: B008  # a value
    await stream.send_all(bytes((5, code, 0)) + encode_destination(bound))


async def read(stream: ByteStream, length: int) -> bytes:
    data = bytearray(length)
    filled = 0
    while filled < length:
        count = await stream.receive_into(memoryview(data)[filled:])
        if not count:
            raise NetworkError
        filled += count
    return bytes(data)


async def pump(source: ByteStream, sink: ByteStream, nursery: trio.Nursery) -> None:
    """Until either ends; then both do."""
    buffer = bytearray(1 << 16)
    try:
        while count := await source.receive_into(buffer):
            await sink.send_all(bytes(buffer[:count]))
    except NetworkError:
        pass
    with trio.CancelScope(shield=True):
        await source.aclose()
        await sink.aclose()
    nursery.cancel_scope.cancel()
