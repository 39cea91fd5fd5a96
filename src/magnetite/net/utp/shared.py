"""One UDP port for the DHT and uTP: each gets the datagrams that are its own."""

from __future__ import annotations

from typing import NoReturn

from magnetite.net.base import Datagram, DatagramSocket
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
            batch = await self._socket.receive_batch()
            krpc = [datagram for datagram in batch if datagram[0][:1] == b"d"]
            if len(krpc) < len(batch):
                self._utp.receive(datagram for datagram in batch if datagram[0][:1] != b"d")
            if krpc:
                return krpc

    async def receive_forever(self) -> NoReturn:
        """In place of a DHT, where there is none."""
        while True:
            await self.receive_batch()
