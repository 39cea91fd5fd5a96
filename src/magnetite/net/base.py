"""The seam between decisions and the world: datagrams, byte streams, and the network that opens them.

Two implementations: the operating system's (`net.real`) and virtual time's (`simnet`). All errors are NetworkError,
with the Reason; nothing else leaves a method here, Cancelled excepted.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, NoReturn, Protocol, TypeAlias

from magnetite.endpoint import Endpoint

Buffer: TypeAlias = bytes | bytearray | memoryview

BATCH = 64  # most datagrams one `receive_batch` hands over


class Datagram(NamedTuple):
    data: bytes
    source: Endpoint


Take: TypeAlias = Callable[[list[Datagram]], object]


class DatagramSocket(Protocol):
    """A bound UDP socket."""

    @property
    def local(self) -> Endpoint: ...

    def send(self, data: bytes, to: Endpoint) -> bool:
        """Hand a datagram to the network. Never waits; a datagram may be lost.

        False where the network refused it on the spot (no route, buffers full): an absent network looks like this.
        """
        ...

    async def receive_batch(self) -> list[Datagram]:
        """At least one datagram, with whatever else is already there, up to BATCH; always a checkpoint."""
        ...

    async def feed(self, take: Take) -> NoReturn:
        """Call `take` with every batch as it comes, until closed or cancelled.

        For whoever has dealt with it when `take` returns: in virtual time no task need be woken, and what it raises
        ends the run.
        """
        ...

    async def aclose(self) -> None: ...


class ByteStream(Protocol):
    """A connected TCP stream (or anything that behaves like one)."""

    @property
    def local(self) -> Endpoint: ...

    @property
    def remote(self) -> Endpoint: ...

    async def receive_into(self, buffer: bytearray | memoryview) -> int:
        """Fill the front of `buffer` with what is there, at least a byte; 0 at the end. Raises NetworkError.

        It is filled at the very end, without a checkpoint behind: many may wait with one and the same buffer.
        """
        ...

    async def send_all(self, *buffers: Buffer) -> None:
        """Send the buffers one after the other, gathered. Raises NetworkError."""
        ...

    async def aclose(self) -> None:
        """Close at once; never raises, and is safe to call twice."""
        ...


class Listener(Protocol):
    """A listening TCP socket."""

    @property
    def local(self) -> Endpoint: ...

    async def accept(self) -> ByteStream: ...

    async def aclose(self) -> None: ...


class Transport(Protocol):
    """Another way to a peer than TCP."""

    async def connect(self, remote: Endpoint) -> ByteStream:
        """A stream to `remote`. Timeouts are the caller's; a cancelled call leaves nothing behind.

        Raises NetworkError(REFUSED, UNREACHABLE or CONNECT_TIMEOUT).
        """
        ...


class Network(Protocol):
    """What a host can reach the world by. Addresses are textual; port 0 lets the network choose."""

    async def open_udp(self, local: Endpoint) -> DatagramSocket:
        """Raises NetworkError(ADDRESS_UNAVAILABLE)."""
        ...

    async def listen(self, local: Endpoint) -> Listener:
        """Raises NetworkError(ADDRESS_UNAVAILABLE)."""
        ...

    async def connect(self, remote: Endpoint, local_ip: str | None = None) -> ByteStream:
        """A stream to `remote`, from `local_ip` if given. Waits as long as the network does: timeouts are the caller's.

        Raises NetworkError(REFUSED, UNREACHABLE or CONNECT_TIMEOUT).
        """
        ...

    async def resolve(self, host: str, port: int) -> list[Endpoint]:
        """The addresses of a name, or the one of a literal address. Raises NetworkError(NAME_NOT_FOUND)."""
        ...
