"""One direction between two sockets: the sender's line, the way, and the receiver's line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from magnetite.endpoint import Endpoint
from magnetite.simnet.block import Block, as_bytes
from magnetite.simnet.faults import Delay, Drop, Packet

if TYPE_CHECKING:
    from magnetite.simnet.fabric import Fabric
    from magnetite.simnet.host import Host


class Path:
    """What a segment of a stream meets between `source` and `to`, in three steps. Both are as the other side sees them.

    Where one of the hosts has another address by now, nothing gets through.
    """

    __slots__ = ("_fabric", "clock", "receiver", "sender", "source", "to")

    def __init__(self, fabric: Fabric, sender: Host, receiver: Host, source: Endpoint, to: Endpoint) -> None:
        self.clock = fabric.clock
        self.source = source
        self.to = to
        self.sender = sender
        self.receiver = receiver
        self._fabric = fabric

    @property
    def latency(self) -> float:
        """Seconds on the way, lines left out."""
        return self.sender.latency + self._fabric.latency(self.source.ip, self.to.ip) + self.receiver.latency

    @property
    def is_open(self) -> bool:
        """Whether both ends are on the network, and where they were."""
        return self.sender.is_at(self.source.ip) and self.receiver.is_at(self.to.ip)

    def travel(self, block: Block) -> float | None:
        """Seconds until a segment that departs now reaches the receiver's line; None if it is lost on the way."""
        if not self.is_open:
            return None
        seconds = self.latency
        if self._fabric.faults.rules:
            packet = Packet(self.clock.now, self.source, self.to, as_bytes(block), is_segment=True)
            match self._fabric.faults.judge(packet):
                case Drop():
                    return None
                case Delay(more):
                    seconds += more
        return seconds
