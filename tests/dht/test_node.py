"""The node on a virtual network: joining, finding, announcing, and what may go wrong meanwhile."""

from __future__ import annotations

import math
from itertools import pairwise
from pathlib import Path
from random import Random

import pytest
import trio

from magnetite.dht.contact import Contact, K
from magnetite.dht.decoding import decode
from magnetite.dht.encoding import encode_query, encode_response
from magnetite.dht.joining import FIRST_RETRY
from magnetite.dht.messages import ErrorMessage, FindNode, Ping
from magnetite.dht.node import MAX_QUERY_RATE, open_node
from magnetite.dht.snapshot import encode_snapshot
from magnetite.dht.statistics import Ignored
from magnetite.dht.transactions import GIVE_UP
from magnetite.endpoint import Endpoint
from magnetite.errors import LocalProtocolError, QueryError, QueryTimeout
from magnetite.events import (
    Announced,
    BootstrapFailed,
    BootstrapFinished,
    ContactEvicted,
    LookupFinished,
    LookupStarted,
    NodeStarted,
    PeerStored,
)
from magnetite.ids import InfoHash, NodeId
from magnetite.simnet import Fabric, VirtualClock
from magnetite.simnet.faults import Delay, Packet, Verdict, loss
from tests.dht.world import PORT, open_world, queries_sent, random_id

HASH = InfoHash(0xABCDEF << 136)
ROUND_TRIP = 0.04  # of the fixture's network


async def test_a_lookup_finds_the_k_closest_of_all_nodes(fabric: Fabric, rng: Random) -> None:
    async with open_world(fabric, 50) as world:
        for node in world.nodes[:10]:
            target = random_id(rng)
            found = await node.find_node(target)
            others = [other for other in world.nodes if other is not node]
            assert found == world.closest(target, among=others)


async def test_nodes_that_all_join_at_once_get_to_know_their_neighbours(fabric: Fabric) -> None:
    async with open_world(fabric, 300, settle=40) as world:
        known = 0
        for node in world.nodes:
            others = [other for other in world.nodes if other is not node]
            nearest = {contact.node_id for contact in world.closest(node.node_id, among=others)[:3]}
            good = {entry.contact.node_id for entry in node.contacts() if entry.is_good(trio.current_time())}
            known += len(nearest & good)
        assert known >= 890


async def test_what_was_announced_is_found_and_told_as_it_happens(fabric: Fabric) -> None:
    async with open_world(fabric, 50) as world:
        announcer, finder = world.nodes[10], world.nodes[40]
        assert await announcer.announce(HASH, 7000) == K
        async with finder.get_peers(HASH) as search:
            assert [peer async for peer in search] == [Endpoint(announcer.local.ip, 7000)]
            assert search.peers == 1
        assert isinstance(world.events[announcer][-1], Announced)
        stored = [event for node in world.nodes for event in world.events[node] if isinstance(event, PeerStored)]
        assert len(stored) == K
        kinds = [type(event) for event in world.events[finder]]
        assert kinds.count(LookupStarted) == kinds.count(LookupFinished)


async def test_an_implied_port_is_the_nodes_own(fabric: Fabric) -> None:
    async with open_world(fabric, 12) as world:
        await world.nodes[0].announce(HASH, 1, implied_port=True)
        async with world.nodes[5].get_peers(HASH) as search:
            assert [peer async for peer in search] == [world.nodes[0].local]


async def test_two_nodes_are_a_dht(fabric: Fabric) -> None:
    async with open_world(fabric, 2, settle=10) as world:
        a, b = world.nodes
        assert (a.is_usable, b.is_usable) == (True, True)
        assert await a.announce(HASH, 7000) == 1
        async with b.get_peers(HASH) as search:
            assert [peer async for peer in search] == [Endpoint(a.local.ip, 7000)]  # b stores it itself
        assert a.statistics().verified == b.statistics().verified == 1


async def test_peers_are_found_in_spite_of_loss_dead_contacts_and_slow_ones(clock: VirtualClock, rng: Random) -> None:
    def slow(packet: Packet, rng: Random) -> Verdict:  # round trips of 120 ms, one in ten 400 ms
        return Delay(rng.lognormvariate(math.log(0.06), 0.94))

    fabric = Fabric(clock, rng, faults=[loss(0.02)], latency=lambda source, to: 0.001)
    fabric.faults.add(slow)
    async with open_world(fabric, 60) as world:
        assert await world.nodes[10].announce(HASH, 7000) >= K - 2
        living = world.nodes[::2]
        for node in world.nodes[1::2]:
            host = fabric.find(node.local.ip)
            assert host is not None
            host.unplug()
        for node in living[1:6]:
            async with node.get_peers(HASH) as search:
                assert [peer async for peer in search] == [Endpoint(world.nodes[10].local.ip, 7000)]
        durations = [event.duration for event in world.events[living[1]] if isinstance(event, LookupFinished)]
        assert durations[-1] < GIVE_UP


async def test_a_content_search_rests_after_its_first_peer_and_then_goes_on_to_its_end(fabric: Fabric) -> None:
    async with open_world(fabric, 50) as world:
        announcer, finder = world.nodes[10], world.nodes[40]
        await announcer.announce(HASH, 7000)
        async with finder.get_peers(HASH) as search:
            search.be_content(10.0)
            assert await anext(search) == Endpoint(announcer.local.ip, 7000)
            found_at = trio.current_time()
            await trio.sleep(1)
            asked = finder.statistics().counters.queries_sent["get_peers"]
            await trio.sleep(8)
            assert finder.statistics().counters.queries_sent["get_peers"] == asked
            await search.finished()
            assert trio.current_time() - found_at >= 10
            assert search.closest[:K] == world.closest(HASH, among=[each for each in world.nodes if each is not finder])


async def test_a_cold_search_begins_within_one_round_trip_to_the_first_router_that_answers(
    clock: VirtualClock, rng: Random
) -> None:
    fabric = Fabric(clock, rng, latency=lambda source, to: 0.06)
    async with open_world(fabric, 30) as world:
        await world.nodes[7].announce(HASH, 7000)
        asked_at = trio.current_time()
        dead_router = ("203.0.114.1", 6881)
        async with world.node(bootstrap=[dead_router, *world.routers]) as node, node.get_peers(HASH) as search:
            assert trio.current_time() - asked_at == pytest.approx(0.12)
            assert await anext(search) == Endpoint(world.nodes[7].local.ip, 7000)
            assert trio.current_time() - asked_at < 1


async def test_a_node_without_an_answer_says_so_and_joins_once_there_is_one(fabric: Fabric) -> None:
    async with open_world(fabric, 10) as world:
        host = fabric.host("99.1.1.1")
        host.unplug()
        async with world.node(host=host) as node:
            with trio.move_on_after(GIVE_UP + FIRST_RETRY / 2):
                await node.wait_usable()
            assert not node.is_usable
            assert [type(event) for event in world.events[node]] == [NodeStarted, BootstrapFailed]
            host.plug()
            with trio.fail_after(60):
                await node.wait_usable()
            assert any(isinstance(event, BootstrapFinished) for event in world.events[node])


async def test_cancelling_a_search_leaves_nothing_behind(fabric: Fabric) -> None:
    async with open_world(fabric, 30) as world:
        node = world.nodes[5]
        with trio.move_on_after(ROUND_TRIP / 2) as scope:
            await node.announce(HASH, 7000)
        assert scope.cancelled_caught
        assert node.statistics().searches == 0
        sent = queries_sent(node)
        await trio.sleep(0.9)
        assert queries_sent(node) - sent <= 4  # upkeep only
        await trio.sleep(2 * GIVE_UP)
        assert node.statistics().addresses[0].pending <= 4


async def test_the_send_budget_holds_for_many_searches_and_none_starves(fabric: Fabric, rng: Random) -> None:
    async with open_world(fabric, 40) as world, world.node(query_rate=50) as node:
        await trio.sleep(30)
        started_at, sent = trio.current_time(), queries_sent(node)
        async with trio.open_nursery() as nursery:
            for _ in range(20):
                nursery.start_soon(node.find_node, random_id(rng))
        elapsed = trio.current_time() - started_at
        sent = queries_sent(node) - sent
        assert sent >= 20 * K
        assert sent <= 50 * elapsed + 60
        finished = [event for event in world.events[node] if isinstance(event, LookupFinished)][-20:]
        assert all(event.answered >= K for event in finished)


async def test_a_node_starts_again_from_its_saved_contacts(fabric: Fabric, tmp_path: Path) -> None:
    state = tmp_path / "node.dht"
    async with open_world(fabric, 20) as world:
        host = fabric.host(world.next_ip())
        async with world.node(host=host, state_path=state) as node:
            await trio.sleep(60)
            before = node.node_id
        async with world.node(host=host, state_path=state, bootstrap=()) as node:
            assert node.node_id == before
            with trio.fail_after(2 * ROUND_TRIP):
                await node.wait_usable()


async def test_saved_contacts_that_are_all_dead_cost_half_a_second_and_nothing_else(
    fabric: Fabric, tmp_path: Path
) -> None:
    state = tmp_path / "node.dht"
    async with open_world(fabric, 60) as world:
        await world.nodes[0].announce(HASH, 7000)
        dead = [Contact(NodeId(world.nodes[1].node_id ^ n), Endpoint(f"66.{n}.0.1", PORT)) for n in range(1, 200)]
        state.write_bytes(encode_snapshot({}, dead))
        started = trio.current_time()
        async with world.node(state_path=state) as node:
            async with node.get_peers(HASH) as search:
                assert await anext(aiter(search)) == Endpoint(world.nodes[0].local.ip, 7000)
            assert trio.current_time() - started < 0.5 + 8 * ROUND_TRIP


async def test_a_damaged_state_is_set_aside_and_the_node_starts_without_it(fabric: Fabric, tmp_path: Path) -> None:
    state = tmp_path / "node.dht"
    state.write_bytes(b"d2:id")
    async with open_world(fabric, 5) as world:
        async with world.node(state_path=state) as node:
            await trio.sleep(10)
            assert node.is_usable
        assert (tmp_path / "node.dht.damaged").read_bytes() == b"d2:id"
        assert state.exists()


async def test_contacts_are_kept_while_the_network_is_gone(fabric: Fabric) -> None:
    async with open_world(fabric, 12) as world:
        node = world.nodes[5]
        known = len(node.contacts())
        host = fabric.find(node.local.ip)
        assert host is not None
        host.unplug()
        await trio.sleep(1200)
        assert len(node.contacts()) == known
        host.plug()
        assert len(await node.find_node(node.node_id)) == K


async def test_dead_contacts_are_evicted_while_the_network_works(fabric: Fabric) -> None:
    async with open_world(fabric, 12) as world:
        dead = world.nodes[5]
        host = fabric.find(dead.local.ip)
        assert host is not None
        host.unplug()
        await trio.sleep(400)
        for node in world.nodes:
            if node is not dead:
                assert all(entry.contact.node_id != dead.node_id for entry in node.contacts())
        assert any(isinstance(event, ContactEvicted) for event in world.events[world.nodes[0]])


async def test_a_read_only_node_answers_nobody_and_is_in_no_table(fabric: Fabric) -> None:
    async with open_world(fabric, 10) as world, world.node(read_only=True) as shy:
        await trio.sleep(30)
        assert len(await shy.find_node(shy.node_id)) == K
        for node in world.nodes:
            assert all(entry.contact.node_id != shy.node_id for entry in node.contacts())
        with pytest.raises(QueryTimeout):
            await world.nodes[0].ping(shy.local)


async def test_a_ping_tells_who_is_there(fabric: Fabric) -> None:
    async with open_world(fabric, 2, settle=1) as world:
        a, b = world.nodes
        assert (await a.ping(b.local)).node_id == b.node_id


async def test_a_hint_is_pinged_and_kept_if_it_answers(fabric: Fabric) -> None:
    async with open_world(fabric, 1, settle=1) as world, world.node(bootstrap=()) as node:
        node.add_contact_hint(Endpoint("127.0.0.1", PORT))
        node.add_contact_hint(Endpoint("77.7.7.7", PORT))
        node.add_contact_hint(world.nodes[0].local)
        assert queries_sent(node) == 2
        await trio.sleep(2 * GIVE_UP)
        assert [entry.contact.endpoint for entry in node.contacts()] == [world.nodes[0].local]
        assert node.is_usable


async def test_an_error_answer_is_raised(fabric: Fabric) -> None:
    async with open_world(fabric, 1, settle=0) as world:
        stranger = await fabric.host("77.7.7.7").open_udp(Endpoint("77.7.7.7", PORT))

        async def refuse() -> None:
            [(query, source)] = await stranger.receive_batch()
            transaction = query.split(b"1:t4:")[1][:4]
            stranger.send(b"d1:eli202e4:Oopse1:t4:" + transaction + b"1:y1:ee", source)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(refuse)
            with pytest.raises(QueryError, match="202 Oops"):
                await world.nodes[0].ping(Endpoint("77.7.7.7", PORT))


async def test_an_answer_from_another_endpoint_is_ignored(fabric: Fabric) -> None:
    async with open_world(fabric, 1, settle=0) as world:
        node = world.nodes[0]
        asked = await fabric.host("77.7.7.7").open_udp(Endpoint("77.7.7.7", PORT))
        other = await fabric.host("88.8.8.8").open_udp(Endpoint("88.8.8.8", PORT))

        async def answer_from_elsewhere() -> None:
            [(query, source)] = await asked.receive_batch()
            transaction = query.split(b"1:t4:")[1][:4]
            other.send(encode_response(transaction, NodeId(7), b""), source)

        async with trio.open_nursery() as nursery:
            nursery.start_soon(answer_from_elsewhere)
            with pytest.raises(QueryTimeout):
                await node.ping(Endpoint("77.7.7.7", PORT))
        assert node.statistics().counters.ignored[Ignored.UNEXPECTED] == 1
        assert len(node.contacts()) == 0


async def test_junk_gets_no_answer_and_does_no_harm(fabric: Fabric, rng: Random) -> None:
    async with open_world(fabric, 1, settle=0) as world:
        node = world.nodes[0]
        stranger = await fabric.host("77.7.7.7").open_udp(Endpoint("77.7.7.7", PORT))
        whole = encode_query(b"aa", NodeId(7), FindNode(NodeId(9)))
        junk = [b"", b"d", b"d3:abci10e-7:", b"l" * 1400, b"d" * 1400, whole[:-1], whole + b"e", b"\0" * 1400]
        junk += [rng.randbytes(rng.randrange(200)) for _ in range(300)]
        for datagram in junk:
            stranger.send(datagram, node.local)
        await trio.sleep(5)
        with trio.move_on_after(1) as silence:
            await stranger.receive_batch()
        assert silence.cancelled_caught
        assert node.statistics().counters.ignored[Ignored.JUNK] == len(junk)
        stranger.send(encode_query(b"aa", NodeId(7), Ping()), node.local)
        assert len(await stranger.receive_batch()) == 1


async def test_a_flood_from_one_source_is_not_answered_in_full(fabric: Fabric) -> None:
    async with open_world(fabric, 1, settle=0) as world:
        stranger = await fabric.host("77.7.7.7").open_udp(Endpoint("77.7.7.7", PORT))
        for _ in range(1000):
            stranger.send(encode_query(b"aa", NodeId(7), Ping()), world.nodes[0].local)
        await trio.sleep(1)
        counters = world.nodes[0].statistics().counters
        assert counters.answers_sent < 100
        assert counters.ignored[Ignored.SOURCE_LIMIT] == 1000 - counters.answers_sent


async def test_a_rate_that_could_leave_too_many_queries_unanswered_is_refused(fabric: Fabric) -> None:
    host = fabric.host("99.1.1.1")
    socket = await host.open_udp(Endpoint("99.1.1.1", PORT))
    for rate in (0, -1, MAX_QUERY_RATE + 1):
        with pytest.raises(LocalProtocolError, match="queries/s"):
            async with open_node(host, [socket], rng=Random(1), emit=print, query_rate=rate):
                pass


async def test_retries_of_bootstrap_come_ever_later(fabric: Fabric) -> None:
    events: list[object] = []
    host = fabric.host("99.1.1.1")
    socket = await host.open_udp(Endpoint("99.1.1.1", PORT))
    async with open_node(host, [socket], rng=Random(1), emit=events.append, bootstrap=[("no.such.name", 1)]):
        await trio.sleep(400)
    delays = [event.retry_in for event in events if isinstance(event, BootstrapFailed)]
    assert delays[:3] == [2, 4, 8]
    assert all(earlier <= later <= 60 for earlier, later in pairwise(delays))


async def test_a_query_we_do_not_understand_is_answered_by_an_error(fabric: Fabric) -> None:
    async with open_world(fabric, 1, settle=0) as world:
        stranger = await fabric.host("77.7.7.7").open_udp(Endpoint("77.7.7.7", PORT))
        unknown = b"d1:ad2:id20:abcdefghij0123456789e1:q4:vote1:t2:aa1:y1:qe"
        wrong = b"d1:ad2:id20:abcdefghij0123456789e1:q9:get_peers1:t2:aa1:y1:qe"
        for datagram, code in ((unknown, 204), (wrong, 203)):
            stranger.send(datagram, world.nodes[0].local)
            [(answer, _)] = await stranger.receive_batch()
            message = decode(answer)
            assert isinstance(message, ErrorMessage)
            assert message.code == code
