"""One UDP port for the DHT and uTP: each gets the datagrams that are its own."""

from __future__ import annotations

from typing import NoReturn

from magnetite.net.base import Datagram, DatagramSocket, Take
from magnetite.net.utp.port import UtpPort


class SharedSocket:
    """Implements net.base.DatagramSocket for the DHT; what is none of its business goes to uTP.

    KRPC messages are dictionaries and begin with a `d`, which a packet of uTP never does: its version would be 4.
    """

    def __init__(self, socket: DatagramSocket, utp: UtpPort) -> None:
        self.local = socket.local
        self.send = socket.send
        self.aclose = socket.aclose
        self._socket = socket
        self._utp = utp

    async def receive_batch(self) -> list[Datagram]:
        while True:
            if krpc := self._sort(await self._socket.receive_batch()):
                return krpc

    async def feed(self, take: Take) -> NoReturn:
        def sort(batch: list[Datagram]) -> None:
            if krpc := self._sort(batch):
                take(krpc)

        await self._socket.feed(sort)

    async def receive_forever(self) -> NoReturn:
        """In place of a DHT, where there is none."""
        await self._socket.feed(self._sort)

    def _sort(self, batch: list[Datagram]) -> list[Datagram]:
        """What is the DHT's, after uTP got the rest."""
        krpc = [datagram for datagram in batch if datagram[0][:1] == b"d"]
        if len(krpc) < len(batch):
            self._utp.receive(datagram for datagram in batch if datagram[0][:1] != b"d")
        return krpc
