"""Which peers make way for others, and that a pause is not held against them."""

from __future__ import annotations

from magnetite.endpoint import Endpoint
from magnetite.errors import Reason
from magnetite.swarm.metadata_trade import METADATA_PATIENCE
from magnetite.swarm.turnover import TRADE_PATIENCE, USELESS_AFTER
from magnetite.wire.messages import Have, HaveAll
from tests.swarm.test_exchange import METAINFO, NOW, Torrent


def alive(torrent: Torrent, until: float, since: float = NOW) -> None:
    """Every peer says something now and then, and time goes by."""
    for second in range(int(since), int(until) + 1):
        for peer in torrent.exchange.peers:
            peer.listening_since = second
        torrent.exchange.tend(second)


def test_who_wants_nothing_and_has_nothing_is_parted_with_after_a_while() -> None:
    torrent = Torrent()
    useless, useful = torrent.peer(1), torrent.peer(2)
    torrent.hear(useful, [Have(3)])
    alive(torrent, NOW + USELESS_AFTER - 1)
    assert useless.closing is None
    alive(torrent, NOW + USELESS_AFTER, NOW + USELESS_AFTER)
    assert useless.closing == (Reason.NOTHING_TO_TRADE, "")
    assert useful.closing is None


def test_a_pause_costs_no_peer_and_the_time_runs_from_its_end() -> None:
    torrent = Torrent()
    peers = [torrent.peer(1), torrent.peer(2)]
    torrent.hear(peers[1], [HaveAll()])
    torrent.exchange.pause(Reason.PAUSED_BY_USER, "")
    end = NOW + 2 * USELESS_AFTER
    alive(torrent, end)
    torrent.exchange.turnover.make_way(end)
    assert [peer.closing for peer in peers] == [None, None]
    torrent.exchange.resume(end)
    torrent.exchange.turnover.make_way(end + TRADE_PATIENCE - 1)
    alive(torrent, end + USELESS_AFTER - 1, end)
    assert [peer.closing for peer in peers] == [None, None]
    alive(torrent, end + USELESS_AFTER, end + USELESS_AFTER)
    assert [bool(peer.closing) for peer in peers] == [True, False]


def test_a_pause_without_metadata_costs_no_peer_either() -> None:
    torrent = Torrent(None)
    peer = torrent.peer()
    torrent.exchange.pause(Reason.DISK_ERROR, "")
    alive(torrent, NOW + 2 * METADATA_PATIENCE)
    assert peer.closing is None


def test_who_is_silent_is_parted_with_during_a_pause_too() -> None:
    torrent = Torrent()
    peer = torrent.peer()
    torrent.exchange.pause(Reason.PAUSED_BY_USER, "")
    torrent.exchange.tend(NOW + 1000)
    assert peer.closing == (Reason.IDLE, "")


def test_seeds_part_at_once_with_seeds() -> None:
    torrent = Torrent(None)
    torrent.begin(have=(1 << METAINFO.piece_count) - 1)
    seed, leech = torrent.peer(1), torrent.peer(2)
    torrent.hear(seed, [HaveAll()])
    torrent.exchange.tend(NOW)
    assert seed.closing == (Reason.NOTHING_TO_TRADE, "")
    assert leech.closing is None


def test_who_has_traded_nothing_for_longest_makes_way_when_its_time_is_over() -> None:
    torrent = Torrent()
    idle, trading = torrent.peer(1), torrent.peer(2)
    trading.traded_at = NOW + 1
    torrent.exchange.turnover.make_way(NOW + TRADE_PATIENCE - 1)
    assert idle.closing is None
    torrent.exchange.turnover.make_way(NOW + TRADE_PATIENCE)
    assert idle.closing == (Reason.NOTHING_TO_TRADE, "")
    assert trading.closing is None


def test_a_caller_that_comes_first_takes_the_place_of_an_idle_peer_and_nobody_else_does() -> None:
    torrent = Torrent()
    candidates = torrent.exchange._company.candidates
    peers = [torrent.peer(number) for number in range(1, 5)]
    callers = sorted((Endpoint(f"10.7.{number}.1", 6881) for number in range(20)), key=candidates.priority)
    turnover = torrent.exchange.turnover
    late = NOW + TRADE_PATIENCE
    assert not turnover.make_room_for(callers[-1], late)  # we do not know where we are: all come equally

    candidates.learn_own(Endpoint("10.3.3.3", 6881))
    order = sorted(peers, key=lambda peer: candidates.priority(peer.endpoint))
    callers.sort(key=candidates.priority)
    order[0].traded_at = late
    assert not turnover.make_room_for(callers[-1], late - 1)
    assert turnover.make_room_for(callers[-1], late)
    assert [bool(peer.closing) for peer in order] == [False, True, False, False]
    assert not turnover.make_room_for(order[2].endpoint, late)  # comes after nobody but whom it would replace
