"""A virtual TCP connection: two ends, each with a sending and a receiving half."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from magnetite.endpoint import Endpoint
from magnetite.net.base import Buffer
from magnetite.simnet.block import Block, kept
from magnetite.simnet.path import Path
from magnetite.simnet.receive_queue import ReceiveQueue
from magnetite.simnet.segments import Segments
from magnetite.simnet.send_queue import SendQueue
from magnetite.simnet.turns import Turns

if TYPE_CHECKING:
    from magnetite.simnet.fabric import Fabric
    from magnetite.simnet.host import Host

CREDITS = 8  # to a window; who has read less tells the sender later


class SimStream:
    """One end. Implements net.base.ByteStream; made by `connected_pair`.

    Buffers may be reused when `send_all` returns, and bytes, which cannot change, travel by reference. It returns when
    the last byte is within the other side's window, which is before it arrives. A cancelled one has sent a prefix.
    """

    __slots__ = (
        "__weakref__",  # the real streams have one, and what is tied to an interface keeps such
        "_carrier",
        "_clock",
        "_host",
        "_is_closed",
        "_other",
        "_outgoing",
        "_read",
        "_received",
        "_sending",
        "_tell_from",
        "local",
        "remote",
    )

    _other: SimStream

    def __init__(self, fabric: Fabric, host: Host, outgoing: Path, local: Endpoint) -> None:
        self.local = local
        self.remote = outgoing.to
        self._clock = fabric.clock
        self._host = host
        self._outgoing = outgoing
        self._is_closed = False
        self._carrier = (Segments if fabric.congestion else Turns)(outgoing, self._deliver_to_other, self.abort)
        self._sending = self._carrier.queue = SendQueue(self.remote, fabric.window, self._carrier.wake)
        self._received = ReceiveQueue(self.remote, fabric.rechunk)
        self._read = 0  # bytes that the other side has not been told of
        self._tell_from = max(1, fabric.window // CREDITS)
        host.streams[self] = None

    async def receive_into(self, buffer: bytearray | memoryview) -> int:
        """What is there already is handed over without a turn for others: the window bounds how often."""
        received = self._received
        if received.is_ready:
            await trio.lowlevel.checkpoint_if_cancelled()
        else:
            await received.arrival()
        length = received.take_into(buffer)
        if not length:
            await trio.lowlevel.cancel_shielded_checkpoint()
        self._read += length
        if self._read >= self._tell_from:
            self._clock.at(self._clock.now + self._outgoing.latency, self._other._sending.credit, self._read)
            self._read = 0
        return length

    async def send_all(self, *buffers: Buffer) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()  # who sends for ever waits for room: others have their turn then
        parts = [kept(buffer) for buffer in buffers if len(buffer)]
        if not self._sending.put(parts):
            await self._sending.put_slowly(parts)

    def finish_sending(self) -> None:
        """Send no more: what was accepted still arrives, then the other side reads the end, and may go on to send."""
        self._sending.finish()

    async def aclose(self) -> None:
        """What was accepted still arrives; the other side then reads the end, and cannot send any more."""
        if not self._is_closed:
            self._close()
            if self._sending.is_closed:
                self._clock.at(self._clock.now + self._outgoing.latency, self._other._stop_sending)
            else:
                self._sending.finish()
        await trio.lowlevel.cancel_shielded_checkpoint()

    def abort(self) -> None:
        """Close at once and forget what has not left: the other side loses the connection, a latency later."""
        if not self._is_closed:
            self._close()
            self._stop_sending()
            self._clock.at(self._clock.now + self._outgoing.latency, self._other._lose)

    def _close(self) -> None:
        self._is_closed = True
        self._received.close()
        del self._host.streams[self]

    def _deliver_to_other(self, block: Block) -> None:
        self._other._deliver(block)

    def _deliver(self, block: Block) -> None:
        if block:
            self._received.append(block)
        else:
            self._received.end()
            if self._other._is_closed:  # not its sending half only: nobody would read what we send
                self._stop_sending()

    def _lose(self) -> None:
        self._received.lose()
        self._stop_sending()

    def _stop_sending(self) -> None:
        self._sending.drop()
        self._carrier.drop()


def connected_pair(
    fabric: Fabric, outgoing: Path, incoming: Path, local: Endpoint, there: Endpoint
) -> tuple[SimStream, SimStream]:
    """The two ends of a new connection: the one that `outgoing` starts from, at `local`, and the one it leads to."""
    near = SimStream(fabric, outgoing.sender, outgoing, local)
    far = SimStream(fabric, incoming.sender, incoming, there)
    near._other, far._other = far, near
    return near, far
