"""uTP on a line that others use, too: it fills what is free, makes way for TCP, and is fair to itself."""

from __future__ import annotations

from random import Random
from statistics import median

import trio

from magnetite.endpoint import Endpoint
from magnetite.net.base import ByteStream
from magnetite.simnet import Fabric, Host, Link, VirtualClock
from magnetite.simnet.latency import constant
from tests.net.utp.networks import open_port

MBIT = 125_000  # bytes/s
ONE_WAY = 0.05  # seconds
PORT = 6881


class Line:
    """Senders behind one uplink, and how much has arrived from each since the measuring began."""

    def __init__(self, clock: VirtualClock, rate: float, one_way: float = ONE_WAY) -> None:
        self.fabric = Fabric(clock, Random(1), constant(one_way), congestion=True, window=1 << 20)
        self.here: Host = self.fabric.host("10.0.0.1", Link(up=rate))
        self.there: Host = self.fabric.host("10.0.0.2")
        self.arrived: dict[str, int] = {}
        self.waits: list[float] = []  # seconds of queue before the line

    async def utp(self, name: str, nursery: trio.Nursery) -> None:
        number = 7000 + len(self.arrived)
        here = await open_port(self.here, Endpoint(self.here.ip, number))
        there = await open_port(self.there, Endpoint(self.there.ip, number))
        stream = await here.connect(there.local)
        self._flow(name, stream, await there.accept(), nursery)

    async def tcp(self, name: str, nursery: trio.Nursery) -> None:
        listener = await self.there.listen(Endpoint(self.there.ip, PORT))
        stream = await self.here.connect(listener.local)
        self._flow(name, stream, await listener.accept(), nursery)

    def _flow(self, name: str, sender: ByteStream, receiver: ByteStream, nursery: trio.Nursery) -> None:
        self.arrived[name] = 0
        nursery.start_soon(self._send, sender)
        nursery.start_soon(self._receive, receiver, name)

    async def _send(self, stream: ByteStream) -> None:
        block = bytes(1 << 16)
        while True:
            await stream.send_all(block)

    async def _receive(self, stream: ByteStream, name: str) -> None:
        buffer = bytearray(1 << 18)
        while True:
            self.arrived[name] += await stream.receive_into(buffer)

    async def measure(self, seconds: float) -> dict[str, float]:
        """Bytes/s of each flow."""
        before, now = dict(self.arrived), trio.current_time()
        self.waits.clear()
        while trio.current_time() < now + seconds:
            await trio.sleep(0.05)
            self.waits.append(self.here.uplink.wait(trio.current_time()))
        return {name: (count - before[name]) / seconds for name, count in self.arrived.items()}


def fairness(rates: list[float]) -> float:
    """Jain's index: 1 if all are equal, 1/n if one has everything."""
    return sum(rates) ** 2 / (len(rates) * sum(rate**2 for rate in rates))


async def test_alone_it_uses_the_line_and_adds_no_more_delay_than_its_target(clock: VirtualClock) -> None:
    line = Line(clock, 20 * MBIT)
    async with trio.open_nursery() as nursery:
        await line.utp("alone", nursery)
        rates = await line.measure(15)
        assert rates["alone"] >= 0.9 * 20 * MBIT, "its beginning included"
        assert median(line.waits) <= 0.1
        assert sorted(line.waits)[len(line.waits) * 95 // 100] <= 0.12
        nursery.cancel_scope.cancel()


async def test_beside_a_tcp_stream_it_takes_a_small_share_and_when_that_ends_all_of_it(clock: VirtualClock) -> None:
    line = Line(clock, 5 * MBIT)
    async with trio.open_nursery() as nursery:
        await line.utp("utp", nursery)
        await trio.sleep(5)
        async with trio.open_nursery() as other:
            await line.tcp("tcp", other)
            await trio.sleep(5)
            rates = await line.measure(20)
            other.cancel_scope.cancel()
        assert rates["utp"] <= 0.25 * sum(rates.values())
        assert sum(rates.values()) >= 0.9 * 5 * MBIT
        await trio.sleep(15)
        rates = await line.measure(10)
        assert rates["utp"] >= 0.8 * 5 * MBIT
        nursery.cancel_scope.cancel()


async def test_two_that_begin_one_after_the_other_come_to_share_alike(clock: VirtualClock) -> None:
    line = Line(clock, 5 * MBIT)
    async with trio.open_nursery() as nursery:
        await line.utp("first", nursery)
        await trio.sleep(10)
        await line.utp("second", nursery)
        await trio.sleep(40)
        rates = await line.measure(30)
        assert fairness(list(rates.values())) >= 0.9
        assert sum(rates.values()) >= 0.9 * 5 * MBIT
        assert median(line.waits) <= 0.15
        nursery.cancel_scope.cancel()
