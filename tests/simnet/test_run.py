"""The same study gives the same run, in any process. Run as a program, this file prints the digest of one."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from contextlib import aclosing
from hashlib import blake2b
from random import Random

import pytest
import trio
from trio._core import _run as trio_run

from magnetite import simnet
from magnetite.dht.node import open_node
from magnetite.endpoint import Endpoint
from magnetite.ids import NodeId
from magnetite.net.base import ByteStream, DatagramSocket
from magnetite.simnet import Fabric, Link, VirtualClock
from magnetite.simnet.churn import Sessions
from magnetite.simnet.faults import bursts, duplication, jitter, loss
from magnetite.simnet.incidents import down
from magnetite.simnet.latency import coordinates
from magnetite.simnet.nat import draw_kind

HOSTS = 12


def digest_of_a_study(seed: int) -> str:
    """Hosts that gossip through routers and a lossy network while they come and go, send each other files, and DHT
    nodes that join and search; with many ties among deadlines, events and tasks."""
    clock, rng, trace = VirtualClock(), Random(seed), blake2b(digest_size=8)
    rules = [loss(0.1), bursts(5.0, 0.5, streams=True), duplication(0.05), jitter(0.01)]
    fabric = Fabric(clock, rng, coordinates(seed), rules, rechunk=True, congestion=seed % 2 == 0)
    sessions = Sessions(scale=5.0)

    def note(*what: object) -> None:
        trace.update(repr((clock.now, *what)).encode())

    async def gossip(ip: str) -> None:
        host = fabric.host(ip, Link(up=50_000, down=200_000), nat=draw_kind(rng))
        while True:
            with trio.move_on_after(sessions.length(rng)):
                await talk(await host.open_udp(Endpoint(host.ip, 6881)))
            with down(host):
                await trio.sleep(1)

    async def talk(udp: DatagramSocket) -> None:
        while True:
            with trio.move_on_after(1):
                for data, source in await udp.receive_batch():
                    note(udp.local, data, source)
            udp.send(rng.randbytes(30), Endpoint(f"20.0.0.{rng.randrange(HOSTS)}", 6881))

    async def serve(stream: ByteStream) -> None:
        buffer = bytearray(10_000)
        while received := await stream.receive_into(buffer):
            note(stream.remote, received, bytes(buffer[:received]))

    async def files(number: int, nursery: trio.Nursery) -> None:
        host = fabric.host(f"10.0.1.{number}", Link(up=100_000, down=100_000))
        listener = await host.listen(Endpoint(host.ip, 6881))
        await trio.sleep(1)
        stream = await host.connect(Endpoint(f"10.0.1.{(number + 1) % HOSTS}", 6881))
        nursery.start_soon(serve, await listener.accept())
        await stream.send_all(rng.randbytes(200_000))
        note("sent", number)

    async def search(number: int) -> None:
        host = fabric.host(f"30.0.{number}.1")
        async with aclosing(await host.open_udp(Endpoint(host.ip, 6881))) as udp:
            routers = [(f"30.0.{router}.1", 6881) for router in range(2)]
            async with open_node(host, [udp], rng=Random(number), emit=note, bootstrap=routers) as node:
                await trio.sleep(10)
                note(await node.find_node(NodeId(rng.getrandbits(160))))
                await trio.sleep_forever()

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for number in range(HOSTS):
                nursery.start_soon(gossip, f"20.0.0.{number}")
                nursery.start_soon(files, number, nursery)
                nursery.start_soon(search, number)
            await trio.sleep(30)
            nursery.cancel_scope.cancel()

    simnet.run(main, seed=seed, clock=clock)
    return trace.hexdigest()


def digest_in_another_process(hash_seed: int, seed: int) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    command = [sys.executable, __file__, str(seed)]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()


@pytest.mark.parametrize("seed", [7, 8])  # the second with congestion
def test_a_study_is_the_same_in_every_process_whatever_the_hash_seed(seed: int) -> None:
    assert digest_in_another_process(1, seed) == digest_in_another_process(2, seed) == digest_of_a_study(seed)


def test_another_seed_gives_another_study() -> None:
    assert digest_of_a_study(seed=7) != digest_of_a_study(seed=9)


def test_the_result_and_the_errors_of_the_function_come_through() -> None:
    async def answer(value: int) -> int:
        return value

    async def fail() -> None:
        raise LookupError

    assert simnet.run(answer, 42) == 42
    with pytest.raises(LookupError):
        simnet.run(fail)


def test_what_an_event_raises_ends_the_run_and_all_its_tasks() -> None:
    clock, ended = VirtualClock(), []

    def fail() -> None:
        raise LookupError("nobody is there")

    async def main() -> None:
        clock.at(1.0, fail)
        try:
            await trio.sleep_forever()
        finally:
            ended.append(clock.now)

    with pytest.raises(LookupError, match="nobody is there"):
        simnet.run(main, clock=clock)
    assert ended == [1.0]


def test_garbage_is_collected_as_before_once_a_run_is_over() -> None:
    before = gc.get_threshold()
    simnet.run(trio.sleep, 1)
    assert gc.get_threshold() == before


def test_trios_scheduler_is_left_as_it_was() -> None:
    before = trio_run._ALLOW_DETERMINISTIC_SCHEDULING, trio_run._r.getstate()
    simnet.run(trio.sleep, 1, seed=3)
    assert (trio_run._ALLOW_DETERMINISTIC_SCHEDULING, trio_run._r.getstate()) == before


def test_what_is_given_to_a_thread_is_done_at_once_by_the_loops_own() -> None:
    before = trio.to_thread.run_sync

    async def in_a_thread() -> int:
        return await trio.to_thread.run_sync(threading.get_ident, abandon_on_cancel=True)

    assert simnet.run(in_a_thread) == threading.get_ident()
    assert trio.to_thread.run_sync is before


if __name__ == "__main__":
    print(digest_of_a_study(int(sys.argv[1])))
