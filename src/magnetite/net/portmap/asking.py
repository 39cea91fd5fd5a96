"""One question to a gateway by UDP, asked again until it is answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError, Reason, RemoteProtocolError
from magnetite.net.base import DatagramSocket

T = TypeVar("T")

FIRST_WAIT: Final = 0.25  # seconds, doubled each time (RFC 6886, 3.1)
TRIES: Final = 5  # 8 seconds; the RFC's nine would be two minutes, and a router on our link loses little


async def ask(socket: DatagramSocket, gateway: Endpoint, request: bytes, read: Callable[[bytes], T | None]) -> T:
    """What `read` makes of the first datagram of the gateway's that it takes; None and RemoteProtocolError are none.

    What comes from elsewhere is nobody's answer (RFC 6886, 3.1). Raises NetworkError.
    """
    for attempt in range(TRIES):
        socket.send(request, gateway)
        with trio.move_on_after(FIRST_WAIT * 2**attempt):
            return await _answer(socket, gateway, read)
    raise NetworkError(f"{gateway.ip} does not answer", Reason.NO_GATEWAY)


async def _answer(socket: DatagramSocket, gateway: Endpoint, read: Callable[[bytes], T | None]) -> T:
    while True:
        for datagram in await socket.receive_batch():
            if datagram.source != gateway:
                continue
            try:
                answer = read(datagram.data)
            except RemoteProtocolError:
                continue
            if answer is not None:
                return answer
