"""Two connections and the network between them, as a test wants it, without sockets."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count
from math import inf
from random import Random

from magnetite.endpoint import Endpoint
from magnetite.net.utp.connection import Connection, State
from magnetite.net.utp.half_open import HalfOpen
from magnetite.net.utp.inbound import CAPACITY
from magnetite.net.utp.packet import Type, decode

CALLER = Endpoint("10.0.0.1", 6881)
Fate = Callable[[bytes, bool], list[float]]  # a datagram, and whether it is whole: the delays after which it arrives


def after(delay: float) -> Fate:
    return lambda data, is_whole: [delay]


def at_random(rng: Random, loss: float = 0.0, twice: float = 0.0, most: float = 0.1) -> Fate:
    """Lost, doubled and overtaken."""

    def fate(data: bytes, is_whole: bool) -> list[float]:
        if rng.random() < loss:
            return []
        return [rng.uniform(0.001, most) for _ in range(1 + (rng.random() < twice))]

    return fate


USUAL = after(0.02)


class Wrapping(Random):
    """Gives sequence numbers that wrap around soon."""

    def randrange(self, *args: int) -> int:  # type: ignore[override]
        return 65_530


class World:
    """`here` has dialled `there`; each reads what it is told to, and `time` goes from event to event."""

    def __init__(self, fate: Fate = USUAL) -> None:
        self.now = 100.0
        self.fate = fate
        self.here = Connection.dial(7, False, self.now)
        self.there: Connection | None = None
        self.got = {True: bytearray(), False: bytearray()}  # what has been read at the called side, and at the other
        self.to_send = {True: b"", False: b""}
        self.reads = True
        self.sent: list[bytes] = []
        self._arrivals: list[tuple[float, int, bool, bytes]] = []
        self._order = count()
        self._half_open = HalfOpen(Wrapping())
        self.settle()

    def side(self, is_there: bool) -> Connection | None:
        return self.there if is_there else self.here

    def settle(self) -> None:
        """Let both sides write, read and say what they have to."""
        for is_there in (False, True):
            side = self.side(is_there)
            if side is None:
                continue
            self._write(side, is_there)
            self._read(side, is_there)
            side.flush(self.now)
            self._write(side, is_there)
            for datagrams, is_whole in ((side.fragmentable, False), (side.outbox, True), (side.probes, True)):
                for data in datagrams:
                    self._send(data, is_whole, is_there)
                datagrams.clear()

    def _send(self, data: bytes, is_whole: bool, from_there: bool) -> None:
        self.sent.append(data)
        for delay in self.fate(data, is_whole):
            heappush(self._arrivals, (self.now + delay, next(self._order), not from_there, data))

    def _write(self, side: Connection, is_there: bool) -> None:
        if side.state is State.CONNECTED and self.to_send[is_there]:
            accepted = side.write(memoryview(self.to_send[is_there]))
            self.to_send[is_there] = self.to_send[is_there][accepted:]

    def _read(self, side: Connection, is_there: bool) -> None:
        buffer = bytearray(1 << 16)
        while self.reads and side.inbound.unread:
            length = side.read_into(memoryview(buffer))
            self.got[is_there] += buffer[:length]

    def step(self) -> bool:
        """On to the next event; False if there is none."""
        deadlines = [side.next_deadline for side in (self.here, self.there) if side is not None]
        upcoming = min([*deadlines, self._arrivals[0][0] if self._arrivals else inf])
        if upcoming == inf:
            return False
        self.now = max(self.now, upcoming)
        for side in (self.here, self.there):
            if side is not None and side.next_deadline <= self.now:
                side.on_time(self.now)
                assert side.next_deadline > self.now or side.outbox or side.state is not State.CLOSED
        while self._arrivals and self._arrivals[0][0] <= self.now:
            _, _, is_there, data = heappop(self._arrivals)
            packet = decode(data)
            side = self.side(is_there)
            if packet.type is Type.SYN:
                answer = self._half_open.answer(packet, CALLER, CAPACITY, self.now)
                self._send(answer, True, is_there)
            elif side is None and (caller := self._half_open.take(packet, CALLER, self.now)) is not None:
                side = self.there = Connection.answer(caller, False, self.now)
            if side is not None:
                side.receive(packet, self.now)
        self.settle()
        return True

    def run(self, until: Callable[[], bool], limit: float = 600.0) -> None:
        end = self.now + limit
        while not until():
            assert self.step(), "nothing can happen any more"
            assert self.now < end, f"not within {limit:.0f} s"

    def connect(self) -> None:
        self.run(lambda: self.here.state is State.CONNECTED and self.is_answered)

    @property
    def is_answered(self) -> bool:
        return self.there is not None and self.there.state is State.CONNECTED
