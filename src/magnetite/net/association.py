"""A UDP socket at a proxy (RFC 1928, UDP ASSOCIATE)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import lru_cache
from typing import Final, NamedTuple, NoReturn

import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError
from magnetite.events import Emit, ProxyLost, ProxyReturned
from magnetite.net.base import ByteStream, Datagram, DatagramSocket, Take
from magnetite.net.socks import Destination, datagram_header, decode_datagram

log = logging.getLogger(__name__)

FIRST_RETRY: Final = 1.0  # seconds until it is asked for again; doubled each time
LAST_RETRY: Final = 60.0

header_for = lru_cache(maxsize=1024)(datagram_header)


class Association(NamedTuple):
    """It lasts as long as the `control` stream; datagrams go from `socket` to `relay`, and come from there."""

    control: ByteStream
    socket: DatagramSocket
    relay: Endpoint

    async def aclose(self) -> None:
        await self.control.aclose()
        await self.socket.aclose()


class AssociatedSocket:
    """Implements net.base.DatagramSocket. Made by `ProxiedNetwork.open_udp`; `keep` is to run beside it.

    Invariant: without an association nothing is sent. Only what comes from the relay, of the socket's own family, is
    received.
    """

    def __init__(
        self,
        local: Endpoint,
        associate: Callable[[], Awaitable[Association]],
        destination: Callable[[Endpoint], Destination],
        emit: Emit,
    ) -> None:
        self.local = local
        self._associate = associate
        self._destination = destination
        self._emit = emit
        self._association: Association | None = None
        self._is_closed = False
        self._changed = trio.lowlevel.ParkingLot()

    async def open(self) -> None:
        """For the first time. Raises NetworkError."""
        self._association = await self._associate()

    def send(self, data: bytes, to: Endpoint) -> bool:
        if self._association is None or to.is_ipv6 is not self.local.is_ipv6:
            return False
        try:
            header = header_for(self._destination(to))
        except NetworkError:
            return False
        return self._association.socket.send(header + data, self._association.relay)

    async def receive_batch(self) -> list[Datagram]:
        while True:
            association = await self._associated()
            try:
                datagrams = await association.socket.receive_batch()
            except NetworkError:
                if association is self._association:
                    raise
                continue
            if batch := self._unwrapped(datagrams, association.relay):
                return batch

    async def feed(self, take: Take) -> NoReturn:
        while True:
            take(await self.receive_batch())

    def _unwrapped(self, datagrams: list[Datagram], relay: Endpoint) -> list[Datagram]:
        batch = []
        for data, sender in datagrams:
            if sender == relay and (unwrapped := decode_datagram(data)) is not None:
                source, inner = unwrapped
                if source.is_ipv6 is self.local.is_ipv6:
                    batch.append(Datagram(inner, source))
        return batch

    async def _associated(self) -> Association:
        while self._association is None:
            if self._is_closed:
                raise NetworkError(f"{self.local} is closed")
            await self._changed.park()
        return self._association

    async def keep(self) -> None:
        """Ask for another association whenever one has ended, until the socket is closed."""
        try:
            while not self._is_closed:
                if self._association is not None:
                    await _until_over(self._association.control)
                    await self._let_go()
                    if self._is_closed:
                        return
                    self._emit(ProxyLost(trio.current_time(), self.local))
                await self._associate_again()
                self._emit(ProxyReturned(trio.current_time(), self.local))
        finally:
            with trio.CancelScope(shield=True):
                await self._let_go()

    async def _associate_again(self) -> None:
        retry = FIRST_RETRY
        while self._association is None:
            await trio.sleep(retry)
            retry = min(2 * retry, LAST_RETRY)
            try:
                self._association = await self._associate()
            except NetworkError as error:
                log.warning("%s; trying again in %.0f s", error, retry)
        self._changed.unpark_all()

    async def _let_go(self) -> None:
        association, self._association = self._association, None
        if association is not None:
            await association.aclose()

    async def aclose(self) -> None:
        self._is_closed = True
        await self._let_go()
        self._changed.unpark_all()
        await trio.lowlevel.cancel_shielded_checkpoint()


async def _until_over(control: ByteStream) -> None:
    """Nothing is said on it any more; its end is the association's."""
    with suppress(NetworkError):
        while await control.receive_into(bytearray(64)):
            pass
