"""uTP at every UDP socket of a client."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from random import Random

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError, Reason
from magnetite.net.base import DatagramSocket
from magnetite.net.utp.port import UtpPort
from magnetite.net.utp.shared import SharedSocket
from magnetite.net.utp.stream import UtpStream


class Utp:
    """Implements net.base.Transport. `ports` accept callers, `sockets` are what is left of the sockets for the DHT."""

    def __init__(self, sockets: Sequence[DatagramSocket], rng: Random) -> None:
        self.ports = tuple(UtpPort(socket, rng) for socket in sockets)
        self.sockets = tuple(SharedSocket(socket, port) for socket, port in zip(sockets, self.ports, strict=True))

    async def connect(self, remote: Endpoint) -> UtpStream:
        """From the first socket of the remote's family. Raises as `Transport.connect`."""
        for port in self.ports:
            if port.local.is_ipv6 is remote.is_ipv6:
                return await port.connect(remote)
        raise NetworkError(f"no socket of the family of {remote}", Reason.UNREACHABLE)

    def tasks(self, *, is_alone: bool) -> list[Callable[[], Awaitable[None]]]:
        """What is to run as long as it is open, and never returns. If it `is_alone`, nobody else reads the sockets."""
        readers = [socket.receive_forever for socket in self.sockets] if is_alone else []
        return [*(port.run for port in self.ports), *readers]

    async def aclose(self) -> None:
        """End all connections; the sockets stay their owner's."""
        for port in self.ports:
            await port.aclose()
