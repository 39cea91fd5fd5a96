"""A network behind a SOCKS 5 proxy: nothing is sent but to the proxy, and no name is looked up but the proxy's own."""

from __future__ import annotations

from contextlib import AsyncExitStack
from ipaddress import ip_address
from typing import Final

import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError, Reason
from magnetite.events import Emit
from magnetite.net.association import AssociatedSocket, Association
from magnetite.net.base import ByteStream, Listener, Network
from magnetite.net.ports import ANYWHERE
from magnetite.net.socks import ASSOCIATION, Command, Destination, Negotiation, Proxy, ProxyRefusal
from magnetite.net.stand_ins import StandIns

PATIENCE: Final = 20.0  # seconds for the proxy's part of a connection; a dial's own deadline is shorter


class Tunnel:
    """A stream through the proxy; implements net.base.ByteStream. Its methods are those of the stream below."""

    def __init__(self, stream: ByteStream, remote: Endpoint) -> None:
        self.local = stream.local
        self.remote = remote
        self.receive_into = stream.receive_into
        self.send_all = stream.send_all
        self.aclose = stream.aclose


class ProxiedNetwork:
    """Implements net.base.Network. A name is handed on to the proxy: what stands for it here is no address of anybody.

    `nursery` runs what keeps the sockets associated. Nothing can be listened on. A failure of the proxy is
    PROXY_FAILED, whatever is behind it has its own reason; in no case is there another way.
    """

    def __init__(self, network: Network, proxy: Proxy, nursery: trio.Nursery, emit: Emit) -> None:
        self._network = network
        self._proxy = proxy
        self._nursery = nursery
        self._emit = emit
        self._names = StandIns()
        self._at: list[Endpoint] = []  # where the proxy is

    async def open_udp(self, local: Endpoint) -> AssociatedSocket:
        socket = AssociatedSocket(local, self._associate, self._names.destination, self._emit)
        await socket.open()
        self._nursery.start_soon(socket.keep)
        return socket

    async def listen(self, local: Endpoint) -> Listener:
        await trio.lowlevel.checkpoint()
        raise NetworkError(f"{local}: nobody is let in through a proxy", Reason.ADDRESS_UNAVAILABLE)

    async def connect(self, remote: Endpoint, local_ip: str | None = None) -> ByteStream:
        stream, _ = await self._ask(Command.CONNECT, self._names.destination(remote))
        return Tunnel(stream, remote)

    async def resolve(self, host: str, port: int) -> list[Endpoint]:
        await trio.lowlevel.checkpoint()
        try:
            return [Endpoint(str(ip_address(host)).partition("%")[0], port)]
        except ValueError:
            return self._names.endpoints(host, port)

    # -- within -------------------------------------------------------------------------------------------------------

    async def _associate(self) -> Association:
        """Raises NetworkError."""
        control, bound = await self._ask(Command.UDP_ASSOCIATE, ASSOCIATION)
        relay = Endpoint(control.remote.ip, bound.port) if bound.ip in ANYWHERE else bound
        try:
            return Association(control, await self._network.open_udp(Endpoint(ANYWHERE[relay.is_ipv6], 0)), relay)
        except BaseException:
            await control.aclose()
            raise

    async def _ask(self, command: Command, destination: Destination) -> tuple[ByteStream, Endpoint]:
        """A stream on which the proxy has done what it was asked for, and what it is bound to. Raises NetworkError."""
        negotiation = Negotiation(self._proxy, command, destination)
        async with AsyncExitStack() as stack:
            with trio.move_on_after(PATIENCE):
                stream = await self._dial_proxy()
                stack.push_async_callback(stream.aclose)
                await _negotiate(stream, negotiation)
            if negotiation.bound is None:
                raise NetworkError(f"the proxy {self._proxy} does not answer", Reason.PROXY_FAILED)
            stack.pop_all()
        return stream, negotiation.bound

    async def _dial_proxy(self) -> ByteStream:
        try:
            if not self._at:
                self._at = await self._network.resolve(self._proxy.host, self._proxy.port)
            return await _first_that_answers(self._network, self._at)
        except NetworkError as error:
            self._at = []  # it may have moved
            raise NetworkError(f"the proxy {self._proxy} is not reached: {error}", Reason.PROXY_FAILED) from error


async def _first_that_answers(network: Network, endpoints: list[Endpoint]) -> ByteStream:
    for endpoint in endpoints[:-1]:
        try:
            return await network.connect(endpoint)
        except NetworkError:
            continue
    return await network.connect(endpoints[-1])


async def _negotiate(stream: ByteStream, negotiation: Negotiation) -> None:
    """To the end, and not a byte further: what follows is the other side's."""
    await stream.send_all(negotiation.first)
    while negotiation.bound is None:
        answer = negotiation.received(await _read(stream, negotiation.needed))
        if answer:
            await stream.send_all(answer)


async def _read(stream: ByteStream, length: int) -> bytes:
    buffer = bytearray(length)
    filled = 0
    while filled < length:
        count = await stream.receive_into(memoryview(buffer)[filled:])
        if count == 0:
            raise ProxyRefusal("the proxy has closed the connection", Reason.PROXY_FAILED)
        filled += count
    return bytes(buffer)
