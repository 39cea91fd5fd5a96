"""What a node goes through in months: outages, new addresses, sleep, and both families at once."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from random import Random

import pytest
import trio

from magnetite.dht.blocklist import parse_blocklist
from magnetite.dht.contact import Family, K
from magnetite.dht.external_address import VOTERS
from magnetite.dht.node import SAVE_INTERVAL, DhtNode, open_node
from magnetite.dht.presence import POLL, SILENCE
from magnetite.dht.security import is_valid_id
from magnetite.dht.state_file import load_state
from magnetite.dht.statistics import Ignored
from magnetite.endpoint import Endpoint
from magnetite.errors import LocalProtocolError, QueryTimeout
from magnetite.events import AddressChanged, ContactEvicted, Event, NetworkLost, NetworkReturned
from magnetite.ids import InfoHash, NodeId
from magnetite.simnet import Fabric, VirtualClock
from tests.dht.world import PORT, World, open_world, queries_sent

HASH = InfoHash(0xABCDEF << 136)
ANYWHERE, ANYWHERE6 = "0.0.0.0", "::"


def kinds(events: list[Event]) -> list[type[Event]]:
    return [type(event) for event in events]


# -- the network comes and goes ----------------------------------------------------------------------------------------


async def test_an_hours_outage_costs_no_contact_and_is_over_seconds_after_the_network_is_back(fabric: Fabric) -> None:
    async with open_world(fabric, 40) as world, world.node() as node:
        await trio.sleep(300)
        known = {entry.contact for entry in node.contacts()}
        host = fabric.find(node.local.ip)
        assert host is not None
        host.unplug()
        await trio.sleep(3600)
        assert {entry.contact for entry in node.contacts()} == known
        assert NetworkLost in kinds(world.events[node])
        host.plug()
        returned_at = trio.current_time()
        await trio.sleep(10)
        assert NetworkReturned in kinds(world.events[node])
        back = next(event for event in world.events[node] if isinstance(event, NetworkReturned))
        assert back.time - returned_at < 2
        with trio.fail_after(5):
            assert len(await node.find_node(node.node_id)) == K


async def test_an_outage_in_which_datagrams_vanish_is_noticed_too(fabric: Fabric) -> None:
    async with open_world(fabric, 20) as world:
        node = world.nodes[5]
        known = {entry.contact for entry in node.contacts()}
        others = [host for other in world.nodes if other is not node and (host := fabric.find(other.local.ip))]
        for host in others:
            host.unplug()
        await trio.sleep(1800)
        assert {entry.contact for entry in node.contacts()} == known
        assert kinds(world.events[node]).count(NetworkLost) == 1
        for host in others:
            host.plug()
        await trio.sleep(5)
        assert kinds(world.events[node]).count(NetworkReturned) == 1


async def test_a_lone_first_node_does_not_mourn_a_network(fabric: Fabric) -> None:
    async with open_world(fabric, 1, settle=10 * SILENCE) as world:
        assert NetworkLost not in kinds(world.events[world.nodes[0]])


async def test_a_process_that_was_stopped_for_hours_blames_nobody(fabric: Fabric, clock: VirtualClock) -> None:
    async with open_world(fabric, 30) as world:
        evicted = sum(kinds(events).count(ContactEvicted) for events in world.events.values())
        searching = world.nodes[3]
        async with trio.open_nursery() as nursery:
            nursery.start_soon(searching.find_node, NodeId(5))
            await trio.sleep(0.01)
            clock.now += 7200  # as SIGSTOP does it: all timers are late together
        await trio.sleep(20)
        assert sum(kinds(events).count(ContactEvicted) for events in world.events.values()) == evicted
        with trio.fail_after(5):
            assert len(await searching.find_node(NodeId(5))) == K


# -- our own address ---------------------------------------------------------------------------------------------------


async def test_a_node_that_does_not_know_its_address_learns_it_and_takes_an_id_that_belongs_there(
    fabric: Fabric,
) -> None:
    async with open_world(fabric, 40) as world, world.node(bind=ANYWHERE) as node:
        await trio.sleep(20)
        [address] = node.statistics().addresses
        assert address.external is not None
        assert is_valid_id(node.node_id, address.external.ip)
        assert sum(kinds(world.events[node]).count(kind) for kind in (AddressChanged,)) == 1
        assert not address.is_read_only  # its own ping came in


async def test_a_new_address_gives_a_new_id_and_keeps_the_contacts(fabric: Fabric) -> None:
    host = fabric.host("77.1.1.1")
    async with open_world(fabric, 60) as world, world.node(host=host, bind=ANYWHERE) as node:
        await trio.sleep(120)
        before, known = node.node_id, {entry.contact for entry in node.contacts()}
        fabric.move(host, "88.2.2.2")
        with trio.fail_after(120):
            while node.node_id == before:  # noqa: ASYNC110  # no event tells it
                await trio.sleep(1)
        assert is_valid_id(node.node_id, "88.2.2.2")
        after = {entry.contact for entry in node.contacts()}
        assert len(known & after) >= 0.9 * len(known)
        await trio.sleep(60)
        assert await world.nodes[7].announce(HASH, 7000)
        async with node.get_peers(HASH) as search:
            assert [peer async for peer in search] == [Endpoint(world.nodes[7].local.ip, 7000)]
        fabric.move(host, "77.1.1.1")
        await trio.sleep(120)
        assert node.node_id == before


async def test_liars_from_one_subnet_do_not_change_our_id(fabric: Fabric) -> None:
    async with open_world(fabric, 30) as world:
        node = world.nodes[3]
        before = node.node_id
        presence = node._presences[0]
        for number in range(200):
            presence.exchange.external.vote(Endpoint(f"6.6.6.{number}", 1), Endpoint("66.66.66.66", 1))
        await trio.sleep(30)
        assert node.node_id == before


async def test_voters_who_never_agree_do_not_make_us_ask_for_ever(fabric: Fabric) -> None:
    async with open_world(fabric, 40) as world:
        await trio.sleep(1200)
        node, other = world.nodes[3], world.nodes[4]
        before = [queries_sent(each) for each in (node, other)]
        for second in range(3600):
            for number in range(24):
                told = Endpoint(f"9.9.{(second + number) % 2}.9", PORT)
                node._presences[0].exchange.external.vote(Endpoint(f"1.{number}.1.1", PORT), told)
            await trio.sleep(1)
        extra = queries_sent(node) - before[0] - (queries_sent(other) - before[1])
        assert extra < 1.5 * VOTERS * 3600 / POLL


# -- what is saved -----------------------------------------------------------------------------------------------------


async def test_the_state_is_saved_while_it_runs(fabric: Fabric, tmp_path: Path) -> None:
    state = tmp_path / "dht.state"
    async with open_world(fabric, 20) as world, world.node(state_path=state) as node:
        await trio.sleep(SAVE_INTERVAL + 1)
        while not state.exists():  # noqa: ASYNC110  # a thread writes it
            await trio.sleep(1)
        saved = load_state(state)
        assert saved.node_ids[node.local.ip] == node.node_id
        assert len(saved.contacts) >= 10


async def test_a_warm_restart_finds_peers_within_a_second(fabric: Fabric, tmp_path: Path) -> None:
    state = tmp_path / "dht.state"
    async with open_world(fabric, 60) as world:
        host = fabric.host(world.next_ip())
        await world.nodes[4].announce(HASH, 7000)
        async with world.node(host=host, state_path=state):
            await trio.sleep(120)
        async with world.node(host=host, state_path=state, bootstrap=()) as node:
            with trio.fail_after(1):
                async with node.get_peers(HASH) as search:
                    assert await anext(search) == Endpoint(world.nodes[4].local.ip, 7000)


# -- both families -----------------------------------------------------------------------------------------------------


@asynccontextmanager
async def open_dual(fabric: Fabric, world: World, number: int, routers: list[Endpoint]) -> AsyncIterator[DhtNode]:
    """A node with one socket of each family."""
    host4, host6 = fabric.host(f"44.{number}.4.4"), fabric.host(f"2a00:{number + 1:x}::1")
    events: list[Event] = []
    async with AsyncExitStack() as stack:
        sockets = []
        for host in (host4, host6):
            sockets.append(await host.open_udp(Endpoint(host.ip, PORT)))
            stack.push_async_callback(sockets[-1].aclose)
        node = await stack.enter_async_context(
            open_node(host4, sockets, rng=Random(number), emit=events.append, bootstrap=routers)
        )
        world.events[node] = events
        yield node


async def test_a_node_of_both_families_has_a_table_and_an_id_of_each_and_searches_both(fabric: Fabric) -> None:
    world = World(fabric)
    async with AsyncExitStack() as stack:
        nodes: list[DhtNode] = []
        for number in range(12):
            routers = [address.local for address in nodes[0].statistics().addresses] if nodes else []
            nodes.append(await stack.enter_async_context(open_dual(fabric, world, number, routers)))
        await trio.sleep(60)
        node = nodes[5]
        four, six = node.statistics().addresses
        assert four.verified >= K
        assert six.verified >= K
        assert four.node_id != six.node_id
        assert await nodes[2].announce(HASH, 7000) == 2 * K
        async with node.get_peers(HASH) as search:
            found = {peer async for peer in search}
        assert {peer.is_ipv6 for peer in found} == {False, True}
        contacts = await node.find_node(NodeId(9))
        assert {contact.endpoint.is_ipv6 for contact in contacts} == {False, True}
        both = await node.ask(nodes[3].local, _find_both())
        assert both.nodes
        assert both.nodes6


def _find_both() -> object:
    from magnetite.dht.messages import FindNode

    return FindNode(NodeId(9), want=frozenset(Family))


async def test_a_family_that_is_not_usable_does_not_hold_up_the_other(fabric: Fabric) -> None:
    async with open_world(fabric, 20) as world:
        await world.nodes[3].announce(HASH, 7000)
        async with open_dual(fabric, world, 99, [node.local for node in world.nodes[:3]]) as node:
            with trio.fail_after(2):
                async with node.get_peers(HASH) as search:
                    assert [peer async for peer in search] == [Endpoint(world.nodes[3].local.ip, 7000)]
            with pytest.raises(LocalProtocolError, match="family"):
                await world.nodes[0].ping(Endpoint("2a00:1::1", PORT))


async def test_several_addresses_of_one_family_are_nodes_of_their_own(fabric: Fabric) -> None:
    async with open_world(fabric, 20) as world:
        hosts = [fabric.host("71.1.1.1"), fabric.host("72.2.2.2")]
        sockets = [await host.open_udp(Endpoint(host.ip, PORT)) for host in hosts]
        async with open_node(hosts[0], sockets, rng=Random(1), emit=print, bootstrap=world.routers) as node:
            await trio.sleep(60)
            ids = {(await world.nodes[0].ping(socket.local)).node_id for socket in sockets}
            assert ids == {address.node_id for address in node.statistics().addresses}
            assert len(ids) == 2


# -- whom we have nothing to do with -----------------------------------------------------------------------------------


async def test_blocked_addresses_are_not_answered_not_asked_and_not_kept(fabric: Fabric) -> None:
    async with open_world(fabric, 20) as world:
        node = world.nodes[3]
        known = {entry.contact.endpoint for entry in node.contacts()}
        blocked = next(each for each in world.nodes if each.local in known and each.local not in world.routers)
        node.block(parse_blocklist([blocked.local.ip]))
        assert not any(entry.contact.endpoint == blocked.local for entry in node.contacts())
        with pytest.raises(QueryTimeout):
            await blocked.ping(node.local)
        await node.find_node(blocked.node_id)
        await trio.sleep(120)
        assert not any(entry.contact.endpoint == blocked.local for entry in node.contacts())
        assert node.statistics().counters.ignored[Ignored.BLOCKED] > 0
        node.block(parse_blocklist([]))
        assert await blocked.ping(node.local)
