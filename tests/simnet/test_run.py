"""The same study gives the same run, in any process. Run as a program, this file prints the digest of one."""

from __future__ import annotations

import os
import subprocess
import sys
from hashlib import blake2b
from random import Random

import pytest
import trio
from trio._core import _run as trio_run

from magnetite import simnet
from magnetite.endpoint import Endpoint
from magnetite.net.base import ByteStream
from magnetite.simnet import Fabric, Link, VirtualClock
from magnetite.simnet.faults import loss
from magnetite.simnet.latency import coordinates

HOSTS = 12


def digest_of_a_study(seed: int) -> str:
    """Hosts that gossip over a lossy network and send each other files, with many ties among deadlines and tasks."""
    clock, rng, trace = VirtualClock(), Random(seed), blake2b(digest_size=8)
    fabric = Fabric(clock, rng, coordinates(seed), [loss(0.1)], rechunk=True)

    def note(*what: object) -> None:
        trace.update(repr((clock.now, *what)).encode())

    async def gossip(ip: str) -> None:
        host = fabric.host(ip, Link(up=50_000, down=200_000))
        udp = await host.open_udp(Endpoint(ip, 6881))
        while True:
            with trio.move_on_after(1):
                for data, source in await udp.receive_batch():
                    note(ip, data, source)
            udp.send(rng.randbytes(30), Endpoint(f"10.0.0.{rng.randrange(HOSTS)}", 6881))

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

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for number in range(HOSTS):
                nursery.start_soon(gossip, f"10.0.0.{number}")
                nursery.start_soon(files, number, nursery)
            await trio.sleep(30)
            nursery.cancel_scope.cancel()

    simnet.run(main, seed=seed, clock=clock)
    return trace.hexdigest()


def digest_in_another_process(hash_seed: int) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    command = [sys.executable, __file__]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout.strip()


def test_a_study_is_the_same_in_every_process_whatever_the_hash_seed() -> None:
    assert digest_in_another_process(1) == digest_in_another_process(2) == digest_of_a_study(seed=7)


def test_another_seed_gives_another_study() -> None:
    assert digest_of_a_study(seed=7) != digest_of_a_study(seed=8)


def test_the_result_and_the_errors_of_the_function_come_through() -> None:
    async def answer(value: int) -> int:
        return value

    async def fail() -> None:
        raise LookupError

    assert simnet.run(answer, 42) == 42
    with pytest.raises(LookupError):
        simnet.run(fail)


def test_trios_scheduler_is_left_as_it_was() -> None:
    before = trio_run._ALLOW_DETERMINISTIC_SCHEDULING, trio_run._r.getstate()
    simnet.run(trio.sleep, 1, seed=3)
    assert (trio_run._ALLOW_DETERMINISTIC_SCHEDULING, trio_run._r.getstate()) == before


if __name__ == "__main__":
    print(digest_of_a_study(seed=7))
