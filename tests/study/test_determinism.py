"""The same in every process: with a DHT, strangers who search and announce, loss, a crash, and ties in time."""

from __future__ import annotations

from pathlib import Path

from magnetite.study.points import Point
from magnetite.study.pool import hash_seed
from magnetite.study.study import find
from magnetite.study.sweep import sweep

STUDY = '''"""Is it the same twice?"""
import trio
from magnetite.simnet import ADSL
from magnetite.simnet.churn import Sessions
from magnetite.simnet.faults import loss
from magnetite.simnet.incidents import down

FULL = SMALL = {}

async def measure(world):
    await world.dht(100, dead=0.2)
    magnet = await world.seed(200_000, ADSL, piece_length=16384)
    with world.fault(loss(0.05)):
        async with trio.open_nursery() as nursery:
            for host in world.hosts(4, ADSL):
                nursery.start_soon(fetch, world, host, magnet)
            crashing = world.host()
            with trio.move_on_after(Sessions(1, 9).length(world.rng("sessions"))):
                await fetch(world, crashing, magnet)
            with down(crashing, world.disk(crashing)):
                await trio.sleep(1)

async def fetch(world, host, magnet):
    async with world.client(host) as client:
        await (await client.add(magnet)).completed()
        world.record(host=host.ip, seconds=world.now)
        await trio.sleep(10)
'''


def test_processes_that_hash_differently_come_to_the_same_events_and_rows(tmp_path: Path) -> None:
    (tmp_path / "same.py").write_text(STUDY)
    reports = []
    for number in (1, 2, 3):
        with hash_seed(number):
            outcome = sweep(find(str(tmp_path / "same.py")), [Point(7, {})], workers=1)
        assert not outcome.failures, outcome.failures[0].text
        reports += outcome.reports
    assert len({report.digest for report in reports}) == 1
    assert reports[0].rows == reports[1].rows
    assert len(reports[0].rows) >= 4
    assert reports[0].events > 100
