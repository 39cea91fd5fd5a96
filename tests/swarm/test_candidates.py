from collections import Counter
from math import inf

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from magnetite.endpoint import Endpoint
from magnetite.events import Source
from magnetite.swarm import candidates
from magnetite.swarm.candidates import MOST_FAILURES, MOST_OF_ONE, RETRY_AFTER, RETRY_LOST, CandidatePool
from magnetite.swarm.peer_priority import peer_priority
from magnetite.ways import Carrier, Way

A, B, C, D = (Endpoint(f"93.184.216.{host}", 6881) for host in range(1, 5))
A2 = Endpoint(A.ip, 6882)
PUBLIC = (Endpoint("9.9.9.9", 6881), Endpoint("2600::9", 6881))
HOME = Endpoint("192.168.1.7", 6881)
ENDPOINTS = st.sampled_from([A, A2, B, C, D, HOME])


class Promised(RuleBasedStateMachine):
    """The invariant of the pool's docstring, with room for three and six endpoints that keep coming up."""

    CAPACITY = 3
    MOST_GOSSIP = 2
    MOST_OF_ONE = 1

    def __init__(self) -> None:
        super().__init__()
        self.patch = pytest.MonkeyPatch()
        for bound in ("CAPACITY", "MOST_GOSSIP", "MOST_OF_ONE"):
            self.patch.setattr(candidates, bound, getattr(self, bound))
        self.pool = CandidatePool(PUBLIC)
        self.now = 0.0
        self.handed_out: dict[Endpoint, float] = {}
        self.busy: set[Endpoint] = set()
        self.banned: set[str] = set()

    def teardown(self) -> None:
        self.patch.undo()

    @rule(endpoint=ENDPOINTS, source=st.sampled_from([Source.DHT, Source.USER]))
    def name(self, endpoint: Endpoint, source: Source) -> None:
        if self.pool.add(endpoint, source, self.now):
            assert endpoint.ip not in self.banned
            assert source is Source.USER or endpoint is not HOME
            assert self.pool.source(endpoint) is source

    @rule(endpoint=ENDPOINTS, gossiper=st.sampled_from(["1.1.1.1", "2.2.2.2", "3.3.3.3"]))
    def gossip(self, endpoint: Endpoint, gossiper: str) -> None:
        if self.pool.add(endpoint, Source.PEX, self.now, gossiper):
            assert endpoint.ip not in self.banned
            assert endpoint is not HOME

    @rule(own=ENDPOINTS)
    def learn(self, own: Endpoint) -> None:
        self.pool.learn_own(own)

    @rule(endpoint=ENDPOINTS)
    def see_it_done(self, endpoint: Endpoint) -> None:
        self.pool.note_seed(endpoint)

    @rule(seeding=st.booleans())
    def hand_out(self, seeding: bool) -> None:
        endpoint = self.pool.next(self.now, seeding=seeding)
        if endpoint is None:
            assert self.pool.next_due(seeding=seeding) > self.now
        else:
            assert not (seeding and self.pool._known[endpoint].is_seed)
            assert endpoint not in self.busy
            assert endpoint.ip not in self.banned
            assert self.now - self.handed_out.get(endpoint, -inf) >= RETRY_AFTER
            self.handed_out[endpoint] = self.now
            self.busy.add(endpoint)

    @precondition(lambda self: self.busy)
    @rule(data=st.data(), worked=st.booleans())
    def end(self, data, worked: bool) -> None:
        endpoint = data.draw(st.sampled_from(sorted(self.busy)))
        self.busy.discard(endpoint)
        (self.pool.released if worked else self.pool.failed)(endpoint, self.now)

    @rule(endpoint=st.sampled_from([A, B]))
    def ban(self, endpoint: Endpoint) -> None:
        self.pool.ban(endpoint.ip)
        self.banned.add(endpoint.ip)
        assert self.pool.is_banned(endpoint.ip)

    @rule(seconds=st.sampled_from([1.0, 29.0, 60.0, 500.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def it_remembers_no_more_than_it_should(self) -> None:
        assert len(self.pool) <= self.CAPACITY
        assert self.pool._aside.keys() <= self.pool._known.keys()
        assert len(self.pool._waiting) + len(self.pool._due) <= 2 * self.CAPACITY + len(self.handed_out) * MOST_FAILURES

    @invariant()
    def peers_words_hold_no_more_than_their_share(self) -> None:
        by = [each.named_by for each in self.pool._known.values() if each.named_by is not None]
        assert len(by) <= self.MOST_GOSSIP
        assert all(by.count(gossiper) <= self.MOST_OF_ONE for gossiper in by)
        assert self.pool._named == Counter(by)
        assert len(self.pool._gossiped) == len(by)


TestPromised = Promised.TestCase
TestPromised.settings = settings(max_examples=100)


def pool_of(*endpoints: Endpoint) -> CandidatePool:
    pool = CandidatePool(PUBLIC)
    for endpoint in endpoints:
        assert pool.add(endpoint, Source.DHT, 0)
    return pool


def test_who_was_named_first_is_dialled_first_and_once():
    pool = pool_of(A, B)
    assert not pool.add(A, Source.MAGNET, 1)
    assert [pool.next(2) for _ in range(3)] == [A, B, None]


def test_every_failure_doubles_the_wait_and_the_last_one_ends_it():
    pool, now, waits = pool_of(A), 0.0, []
    while pool.next(now) == A:
        pool.failed(A, now)
        waits.append(pool.next_due() - now)
        assert pool.next(pool.next_due() - 0.001) is None
        now = pool.next_due()
    assert waits == [60, 120, 240, 480]
    assert len(pool) == 0
    assert pool.add(A, Source.DHT, now), "named again much later, it has a new chance"


def test_a_peer_that_had_worked_is_tried_again_after_a_minute():
    pool = pool_of(A)
    assert pool.next(0) == A
    pool.released(A, 5)
    assert pool.next(64.9) is None
    assert pool.next(65) == A


def test_a_peer_that_the_network_took_is_tried_again_at_once_and_not_for_ever():
    pool = pool_of(A)
    assert pool.next(0) == A
    pool.released(A, 5, retry_after=RETRY_LOST)
    assert pool.next(5 + RETRY_LOST - 0.1) is None
    assert pool.next(5 + RETRY_LOST) == A
    pool.failed(A, 10)
    assert pool.next(10 + RETRY_AFTER - 0.1) is None
    assert pool.next(10 + RETRY_AFTER) == A


@pytest.mark.parametrize("hopeless", [False, True])
def test_being_forgotten_and_named_again_does_not_get_an_address_dialled_at_once(monkeypatch, hopeless):
    monkeypatch.setattr(candidates, "CAPACITY", 1)
    pool, now = pool_of(A), 0.0
    for _ in range(MOST_FAILURES if hopeless else 1):
        now = max(now, pool.next_due())
        assert pool.next(now) == A
        pool.failed(A, now)
    pool.add(B, Source.DHT, now + 1)
    pool.add(A, Source.DHT, now + 2)
    assert pool.next(now + 3) is None


def test_a_full_pool_makes_room_by_what_has_failed_and_otherwise_takes_nothing(monkeypatch):
    monkeypatch.setattr(candidates, "CAPACITY", 2)
    pool = pool_of(A, B)
    assert not pool.add(C, Source.DHT, 0)
    assert pool.next(0) == A
    pool.failed(A, 0)
    assert pool.add(C, Source.DHT, RETRY_AFTER)
    assert {pool.next(RETRY_AFTER), pool.next(RETRY_AFTER)} == {B, C}


def test_what_was_forgotten_while_it_waited_does_not_come_back_twice(monkeypatch):
    monkeypatch.setattr(candidates, "CAPACITY", 1)
    pool = pool_of(A)
    for now in (0, 60):
        assert pool.next(now) == A
        pool.failed(A, now)  # the second time, it is due at 180
    assert pool.add(B, Source.DHT, 130)
    pool.ban(B.ip)
    assert pool.add(A, Source.DHT, 131)
    assert [pool.next(131), pool.next(180)] == [A, None]


def test_the_many_ports_of_a_liar_do_not_fill_the_pool(monkeypatch):
    monkeypatch.setattr(candidates, "CAPACITY", 100)
    pool = pool_of(*(Endpoint(A.ip, port) for port in range(1, 101)))
    pool.ban(A.ip)
    assert pool.add(B, Source.DHT, 0)
    assert pool.next(0) == B


def test_bans_are_bounded_and_the_oldest_goes(monkeypatch):
    monkeypatch.setattr(candidates, "MOST_BANS", 2)
    pool = pool_of()
    for endpoint in (A, B, A, C):
        pool.ban(endpoint.ip)
    assert [pool.is_banned(endpoint.ip) for endpoint in (A, B, C)].count(True) == 2
    assert pool.is_banned(C.ip)


@pytest.mark.parametrize(
    ("source", "taken"),
    [(Source.DHT, False), (Source.INCOMING, False), (Source.USER, True), (Source.MAGNET, True)],
)
def test_a_host_behind_the_router_is_believed_of_our_own_user_only(source, taken):
    assert CandidatePool(PUBLIC).add(HOME, source, 0) is taken


def test_an_endpoint_nobody_named_came_to_us():
    assert pool_of().source(A) is Source.INCOMING


def test_an_end_that_follows_no_dial_changes_nothing():
    pool = pool_of(A)
    for endpoint in (A, B):
        pool.failed(endpoint, 0)
        pool.released(endpoint, 0)
    assert [pool.next(now) for now in (0, 0, 100)] == [A, None, None]


def test_an_empty_pool_is_never_due():
    assert pool_of().next(0) is None
    assert pool_of().next_due() == inf


# -- what peers name -------------------------------------------------------------------------------------------------


def test_one_gossiper_fills_its_share_and_all_of_them_half_the_pool():
    pool = CandidatePool(PUBLIC)
    taken = [
        sum(
            pool.add(Endpoint(f"93.{gossiper}.{n >> 8}.{n & 255}", 1), Source.PEX, 0, f"1.1.1.{gossiper}")
            for n in range(1000)
        )
        for gossiper in range(1, 30)
    ]
    assert taken == [50] * 20 + [0] * 9
    assert pool.add(A, Source.DHT, 0)


def test_a_share_is_free_again_where_its_candidates_worked_were_forgotten_or_banned(monkeypatch):
    monkeypatch.setattr(candidates, "MOST_OF_ONE", 1)
    pool = CandidatePool(PUBLIC)
    assert pool.add(A, Source.PEX, 0, "1.1.1.1")
    assert not pool.add(B, Source.PEX, 0, "1.1.1.1")
    pool.next(0)
    pool.released(A, 0)
    assert pool.add(B, Source.PEX, 0, "1.1.1.1")
    pool.ban(B.ip)
    assert pool.add(C, Source.PEX, 0, "1.1.1.1")
    assert not pool.add(D, Source.PEX, 0, "1.1.1.1")
    for now in range(0, 2000, 60):
        while (endpoint := pool.next(now)) is not None:
            pool.failed(endpoint, now)
    assert pool.add(D, Source.PEX, 2000, "1.1.1.1")


def test_a_victim_is_not_dialled_at_all_its_ports():
    pool = CandidatePool(PUBLIC)
    named = [pool.add(Endpoint(A.ip, port), Source.PEX, 0, f"1.1.1.{port}") for port in range(1, 100)]
    assert named.count(True) == 1


def test_on_the_word_of_a_liar_nobody_is_dialled():
    pool = CandidatePool(PUBLIC)
    pool.add(A, Source.PEX, 0, "1.1.1.1")
    pool.add(B, Source.PEX, 0, "2.2.2.2")
    pool.ban("1.1.1.1")
    assert everybody(pool, 0) == [B]
    assert pool.add(A, Source.PEX, 0, "2.2.2.2"), "somebody else may name it"


def test_we_are_not_a_candidate_of_our_own_unless_our_user_says_so():
    pool = CandidatePool(PUBLIC)
    pool.learn_own(A)
    assert not pool.add(A, Source.PEX, 0, "1.1.1.1")
    assert not pool.add(A, Source.DHT, 0)
    assert pool.add(A, Source.USER, 0)


# -- the order among equals ------------------------------------------------------------------------------------------


def everybody(pool: CandidatePool, now: float) -> list[Endpoint]:
    return [endpoint for endpoint in iter(lambda: pool.next(now), None) if endpoint is not None]


@pytest.mark.parametrize("known_first", [True, False])
def test_canonical_priority_decides_among_equals_also_where_we_learn_who_we_are_later(known_first):
    own = Endpoint("198.41.0.4", 6881)
    hosts = [Endpoint(f"93.{n}.216.34", 6881) for n in range(20)]
    pool = CandidatePool(PUBLIC)
    if known_first:
        pool.learn_own(own)
    for number, endpoint in enumerate(hosts):
        pool.add(endpoint, Source.DHT, number)
    first = [] if known_first else [pool.next(30)]
    pool.learn_own(own)
    rest = [endpoint for endpoint in hosts if endpoint not in first]
    assert everybody(pool, 30) == sorted(rest, key=lambda each: -peer_priority(own, each))


def test_our_users_peers_come_first_and_those_that_failed_last():
    own = Endpoint("198.41.0.4", 6881)
    pool = pool_of(A)
    pool.learn_own(own)
    assert pool.next(0) == A
    pool.failed(A, 0)
    pool.add(B, Source.DHT, 60)
    pool.add(C, Source.USER, 60)
    assert everybody(pool, 60) == [C, B, A]


def test_what_is_forgotten_while_it_is_due_is_not_kept_for_ever(monkeypatch):
    monkeypatch.setattr(candidates, "CAPACITY", 2)
    pool = pool_of(A)
    for now in range(0, 6000, 60):
        liar = Endpoint(f"93.184.1.{now // 60}", 1)
        pool.add(liar, Source.USER, now)
        pool.add(Endpoint(f"93.184.2.{now // 60}", 1), Source.DHT, now)
        pool.next(now)
        pool.ban(f"93.184.2.{now // 60}")
        pool.ban(liar.ip)
    assert len(pool._due) + len(pool._waiting) <= 3 * 2


def test_the_way_that_led_to_a_peer_is_remembered_until_a_dial_fails() -> None:
    pool = CandidatePool(PUBLIC)
    pool.add(A, Source.DHT, 0.0)
    assert pool.way(A) is None
    assert pool.next(0.0) == A
    pool.reached(A, Way(Carrier.UTP, True))
    pool.released(A, 10.0)
    assert pool.way(A) == Way(Carrier.UTP, True)
    assert pool.next(10.0 + RETRY_AFTER) == A
    pool.failed(A, 80.0)
    assert pool.way(A) is None
    pool.reached(B, Way(Carrier.TCP, False))  # nobody has heard of it any more
    assert pool.way(B) is None


def test_who_spoke_for_itself_in_the_local_network_is_believed_and_dialled_first() -> None:
    pool = CandidatePool([Endpoint("0.0.0.0", 6881)])
    near = Endpoint("192.168.7.3", 6881)
    assert not pool.add(near, Source.DHT, 0.0)
    assert pool.add(Endpoint("93.184.216.34", 6881), Source.DHT, 0.0)
    assert pool.add(near, Source.LSD, 0.0, near.ip)
    assert not pool.add(Endpoint("127.0.0.1", 6881), Source.LSD, 0.0, "127.0.0.1")
    assert not pool.add(Endpoint("192.168.7.3", 0), Source.LSD, 0.0, near.ip)
    assert pool.next(0.0) == near


def test_one_neighbour_cannot_make_up_many() -> None:
    pool = CandidatePool([Endpoint("0.0.0.0", 6881)])
    added = [pool.add(Endpoint("192.168.7.3", port), Source.LSD, 0.0, "192.168.7.3") for port in range(1, 500)]
    assert sum(added) == MOST_OF_ONE


def test_a_seed_does_not_dial_seeds_and_does_so_when_it_is_one_no_more() -> None:
    pool = pool_of(A, B)
    pool.note_seed(A)
    assert [pool.next(0, seeding=True), pool.next(0, seeding=True)] == [B, None]
    assert pool.next_due(seeding=True) == inf
    assert pool.next_due() == -inf
    assert [pool.next(1), pool.next(1)] == [A, None]


def test_seeds_left_aside_do_not_keep_others_out_and_do_not_come_back_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "CAPACITY", 1)
    pool = pool_of(A)
    pool.note_seed(A)
    assert pool.next(0, seeding=True) is None
    assert pool.add(B, Source.DHT, 0)
    pool.ban(B.ip)
    assert pool.add(A, Source.DHT, 1)
    assert [pool.next(1), pool.next(1)] == [A, None]


def test_nobody_unknown_is_noted_as_a_seed() -> None:
    pool = pool_of()
    pool.note_seed(A)
    assert len(pool) == 0
