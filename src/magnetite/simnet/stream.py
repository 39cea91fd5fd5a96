"""A virtual TCP connection: two ends, each with a sending and a receiving half."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from magnetite.net.base import Buffer
from magnetite.simnet.path import Path
from magnetite.simnet.receive_queue import ReceiveQueue
from magnetite.simnet.send_queue import SendQueue

if TYPE_CHECKING:
    from magnetite.simnet.fabric import Fabric
    from magnetite.simnet.host import Host


class SimStream:
    """One end. Implements net.base.ByteStream; made by `connected_pair`.

    Buffers are copied before `send_all` waits, and may be reused when it returns. It returns when the last byte is
    within the other side's window, which is before it arrives. A cancelled one has sent a prefix. Latency, lines and
    the window limit the rate; there is no slow start.
    """

    _other: SimStream

    def __init__(self, fabric: Fabric, host: Host, outgoing: Path) -> None:
        self.local = outgoing.source
        self.remote = outgoing.to
        self._clock = fabric.clock
        self._host = host
        self._outgoing = outgoing
        self._is_closed = False
        self._sending = SendQueue(outgoing, fabric.window, self._deliver_to_other, self.abort)
        self._received = ReceiveQueue(self.remote, fabric.rechunk)
        host.streams[self] = None

    async def receive_into(self, buffer: bytearray | memoryview) -> int:
        length = await self._received.take_into(buffer)
        if length:
            self._clock.at(self._clock.now + self._outgoing.latency, self._other._sending.credit, length)
        return length

    async def send_all(self, *buffers: Buffer) -> None:
        await self._sending.put(memoryview(b"".join(buffers)))

    async def aclose(self) -> None:
        """What was accepted still arrives; the other side then reads the end, and cannot send any more."""
        if not self._is_closed:
            self._close()
            self._sending.finish()
        await trio.lowlevel.cancel_shielded_checkpoint()

    def abort(self) -> None:
        """Close at once and forget what has not left: the other side loses the connection, a latency later."""
        if not self._is_closed:
            self._close()
            self._sending.drop()
            self._clock.at(self._clock.now + self._outgoing.latency, self._other._lose)

    def _close(self) -> None:
        self._is_closed = True
        self._received.close()
        del self._host.streams[self]

    def _deliver_to_other(self, block: memoryview) -> None:
        self._other._deliver(block)

    def _deliver(self, block: memoryview) -> None:
        if block:
            self._received.append(block)
        else:
            self._received.end()
            self._sending.drop()  # the other end is closed, not only its sending half: nobody would read it

    def _lose(self) -> None:
        self._received.lose()
        self._sending.drop()


def connected_pair(fabric: Fabric, outgoing: Path, incoming: Path) -> tuple[SimStream, SimStream]:
    """The two ends of a new connection: the one that `outgoing` starts from, and the one it leads to."""
    here = SimStream(fabric, outgoing.sender, outgoing)
    there = SimStream(fabric, incoming.sender, incoming)
    here._other, there._other = there, here
    return here, there
