"""Sockets whose interface may go and come back: they last, what is below them is opened again."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Generic, NoReturn, TypeVar

import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError
from magnetite.net.base import ByteStream, Datagram, DatagramSocket, Listener, Take
from magnetite.net.interfaces import Mooring

log = logging.getLogger(__name__)

S = TypeVar("S", bound=DatagramSocket | Listener)


class Moored(Generic[S]):
    """What datagram sockets and listeners have in common.

    Invariant: nothing is open below while what it is moored to is away, or is not what it was opened at.
    """

    def __init__(
        self,
        local: Endpoint,
        open_at: Callable[[Mooring, int], Awaitable[S]],
        on_closed: Callable[[Moored[S]], None],
    ) -> None:
        self.local = local
        self._open_at = open_at
        self._on_closed = on_closed
        self._below: S | None = None
        self._mooring: Mooring | None = None
        self._is_closed = False
        self._changed = trio.lowlevel.ParkingLot()

    async def open(self, mooring: Mooring) -> None:
        """For the first time. Raises NetworkError."""
        self._below = await self._open_at(mooring, self.local.port)
        self._mooring = mooring
        self.local = Endpoint(self.local.ip, self._below.local.port)

    async def moor(self, mooring: Mooring | None) -> None:
        """Let go of where it is, unless it is there already, and open it where it belongs."""
        if self._is_closed or (mooring == self._mooring and (self._below is not None or mooring is None)):
            return
        await self._let_go()
        if mooring is None:
            return
        try:
            self._below = await self._open_at(mooring, self.local.port)
        except NetworkError as error:  # somebody else has the port now; the next look tries again
            log.warning("%s", error)
            return
        self._mooring = mooring
        self._changed.unpark_all()

    async def _let_go(self) -> None:
        below, self._below, self._mooring = self._below, None, None
        if below is not None:
            await below.aclose()

    async def _opened(self) -> S:
        """What is open below, as soon as something is. Raises NetworkError once closed."""
        while self._below is None:
            if self._is_closed:
                raise NetworkError(f"{self.local} is closed")
            await self._changed.park()
        return self._below

    async def aclose(self) -> None:
        self._is_closed = True
        self._on_closed(self)
        await self._let_go()
        self._changed.unpark_all()
        await trio.lowlevel.cancel_shielded_checkpoint()


class MooredSocket(Moored[DatagramSocket]):
    """Implements net.base.DatagramSocket."""

    def send(self, data: bytes, to: Endpoint) -> bool:
        return self._below is not None and self._below.send(data, to)

    async def receive_batch(self) -> list[Datagram]:
        while True:
            below = await self._opened()
            try:
                return await below.receive_batch()
            except NetworkError:
                if below is self._below:  # not because we let it go
                    raise

    async def feed(self, take: Take) -> NoReturn:
        while True:
            take(await self.receive_batch())


class MooredListener(Moored[Listener]):
    """Implements net.base.Listener. `keep` is shown every stream."""

    keep: Callable[[ByteStream], ByteStream]

    async def accept(self) -> ByteStream:
        while True:
            below = await self._opened()
            try:
                return self.keep(await below.accept())
            except NetworkError:
                if below is self._below:
                    raise
