"""A crawl's pace, with an answer made up for every query."""

from __future__ import annotations

from itertools import count, pairwise
from random import Random

import trio

from magnetite.dht.contact import Contact
from magnetite.dht.crawl import Crawl
from magnetite.dht.crawler import open_crawl
from magnetite.dht.messages import Response, SampleInfohashes
from magnetite.dht.samples import Samples
from magnetite.dht.transactions import GIVE_UP
from magnetite.endpoint import Endpoint
from magnetite.errors import QueryError, QueryTimeout
from magnetite.ids import InfoHash, NodeId

RATE = 2.0


def nth(number: int) -> Contact:
    return Contact(NodeId(number << 152), Endpoint(f"30.0.{number}.1", 6881))


def new_crawl(nodes: int) -> Crawl:
    crawl = Crawl(Random(0), lambda endpoint: True)
    crawl.add(map(nth, range(nodes)), 0)
    return crawl


async def test_a_slow_reader_slows_the_crawl() -> None:
    hashes = map(InfoHash, count())

    async def answer(endpoint: Endpoint, query: SampleInfohashes) -> Response:
        return Response(b"t", query.target, samples=Samples((next(hashes), next(hashes)), 2, 600))

    async with open_crawl(new_crawl(200), answer, RATE) as crawl:
        await anext(crawl)
        await trio.sleep(1_000)
        assert crawl.tally.asked <= RATE * GIVE_UP + 1, "as many as may wait for an answer"
        assert len([info_hash async for info_hash in crawl]) == 399
    assert crawl.tally.asked == 200


async def test_the_rate_is_kept_whether_nodes_answer_refuse_or_say_nothing() -> None:
    times: list[float] = []

    async def answer(endpoint: Endpoint, query: SampleInfohashes) -> Response:
        times.append(trio.current_time())
        match len(times) % 3:
            case 0:
                raise QueryError(204, "Method Unknown")
            case 1:
                await trio.sleep(GIVE_UP)
                raise QueryTimeout
        return Response(b"t", query.target)

    async with open_crawl(new_crawl(90), answer, RATE) as crawl:
        assert [info_hash async for info_hash in crawl] == []
    assert (crawl.tally.asked, crawl.tally.answered, crawl.tally.supporting) == (90, 60, 0)
    assert min(later - earlier for earlier, later in pairwise(times)) >= 1 / RATE - 1e-9


async def test_a_crawl_waits_for_the_last_answer_which_may_name_others() -> None:
    async def answer(endpoint: Endpoint, query: SampleInfohashes) -> Response:
        await trio.sleep(5)
        number = int(endpoint.ip.split(".")[2])
        return Response(b"t", query.target, nodes=(nth(number + 1),) if number < 4 else ())

    async with open_crawl(new_crawl(1), answer, RATE) as crawl:
        assert [info_hash async for info_hash in crawl] == []
    assert crawl.tally.asked == 5
