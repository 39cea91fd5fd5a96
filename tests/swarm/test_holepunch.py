"""Who is brought together, by whom, and how often (BEP 55), without sockets or time."""

from __future__ import annotations

import pytest

from magnetite.endpoint import Endpoint
from magnetite.events import Source
from magnetite.swarm.peer import Peer
from magnetite.swarm.peer_extensions import OUR_UT_HOLEPUNCH
from magnetite.swarm.turns import AT_ONCE, RATE
from magnetite.wire.extensions import HANDSHAKE_ID, ExtensionHandshake
from magnetite.wire.holepunch import (
    UT_HOLEPUNCH,
    Connect,
    Failed,
    Holepunch,
    PunchError,
    Rendezvous,
    decode_holepunch,
    encode_holepunch,
)
from magnetite.wire.messages import Extended
from tests.swarm.test_exchange import NOW, Torrent, said

THEIRS = 9  # the id our peers give it
STRANGER = Endpoint("93.184.216.34", 6881)
OWN = Endpoint("9.9.9.9", 6881)


class Meeting(Torrent):
    """A torrent that talks uTP, and whom it was sent to dial."""

    def __init__(self) -> None:
        super().__init__()
        self.dialled: list[Endpoint] = []
        self.exchange.punching.is_enabled = True
        self.exchange.punching.on_meeting = self.dialled.append

    def supporter(self, number: int, port: int | None = 7000, *, by_utp: bool = False) -> Peer:
        peer = self.peer(number)
        peer.extensions.by_utp = by_utp
        self.hear(peer, [Extended(HANDSHAKE_ID, ExtensionHandshake(m={UT_HOLEPUNCH: THEIRS}, p=port).encode())])
        return peer

    def says(self, peer: Peer, message: Holepunch, now: float = NOW) -> None:
        self.hear(peer, [Extended(OUR_UT_HOLEPUNCH, encode_holepunch(message))], now)


def told(peer: Peer) -> list[Holepunch | None]:
    return [decode_holepunch(each.payload) for each in said(peer) if isinstance(each, Extended) and each.id == THEIRS]


# -- as relay --------------------------------------------------------------------------------------------------------


def test_each_is_told_where_the_others_datagrams_come_from() -> None:
    meeting = Meeting()
    by_tcp, by_utp = meeting.supporter(1), meeting.supporter(2, by_utp=True)
    meeting.says(by_tcp, Rendezvous(Endpoint("10.0.0.2", 7000)))
    assert told(by_tcp) == [Connect(by_utp.endpoint)]
    assert told(by_utp) == [Connect(Endpoint("10.0.0.1", 7000))]


def test_who_cannot_be_brought_together_is_told_why() -> None:
    meeting = Meeting()
    peer, silent = meeting.supporter(1), meeting.peer(2)
    meeting.exchange._company.candidates.learn_own(OWN)
    for endpoint, error in [
        (OWN, PunchError.NO_SELF),
        (STRANGER, PunchError.NOT_CONNECTED),
        (peer.endpoint, PunchError.NOT_CONNECTED),
        (silent.endpoint, PunchError.NO_SUPPORT),
    ]:
        meeting.says(peer, Rendezvous(endpoint))
        assert told(peer) == [Failed(endpoint, error)]


def test_who_does_not_say_that_it_supports_it_is_not_answered() -> None:
    meeting = Meeting()
    peer, other = meeting.peer(1), meeting.supporter(2)
    meeting.says(peer, Rendezvous(other.endpoint))
    meeting.says(peer, Connect(STRANGER))
    assert not said(peer)
    assert not told(other)
    assert not meeting.dialled


def test_one_peer_cannot_make_others_dial_without_end_nor_can_many() -> None:
    meeting = Meeting()
    target = meeting.supporter(50)
    peers = [meeting.supporter(number) for number in range(1, 6)]
    for now in range(60):
        for peer in peers:
            for _ in range(3):
                meeting.says(peer, Rendezvous(target.endpoint), NOW + now)
    assert len(told(target)) <= AT_ONCE + RATE * 60 + 1
    assert all(len(told(peer)) <= AT_ONCE + RATE * 60 + 1 for peer in peers)


# -- as target -------------------------------------------------------------------------------------------------------


def test_whom_a_peer_sends_us_to_is_dialled() -> None:
    meeting = Meeting()
    meeting.says(meeting.supporter(1), Connect(STRANGER))
    assert meeting.dialled == [STRANGER]


def test_nobody_is_dialled_who_is_connected_or_banned_or_ourselves_or_out_of_reach() -> None:
    meeting = Meeting()
    peer, other = meeting.supporter(1), meeting.supporter(2)
    candidates = meeting.exchange._company.candidates
    candidates.learn_own(OWN)
    candidates.ban(STRANGER.ip)
    for endpoint in (other.endpoint, Endpoint("10.0.0.2", 7000), STRANGER, OWN, Endpoint("192.168.7.1", 80)):
        meeting.says(peer, Connect(endpoint))
    assert not meeting.dialled


def test_one_peer_cannot_send_us_around_without_end() -> None:
    meeting = Meeting()
    peer = meeting.supporter(1)
    for now in range(60):
        for host in range(5):
            meeting.says(peer, Connect(Endpoint(f"93.184.216.{host + 1}", now + 1)), NOW + now)
    assert len(meeting.dialled) <= AT_ONCE + RATE * 60 + 1


# -- as initiator ----------------------------------------------------------------------------------------------------


def test_who_named_a_peer_that_cannot_be_dialled_is_asked() -> None:
    meeting = Meeting()
    relay, other = meeting.supporter(1), meeting.supporter(2)
    assert meeting.exchange.punching.ask(STRANGER, relay.endpoint.ip, NOW)
    assert told(relay) == [Rendezvous(STRANGER)]
    assert not told(other)


@pytest.mark.parametrize("is_enabled", [False, True])
def test_nobody_is_asked_who_does_not_support_it_or_in_vain(is_enabled: bool) -> None:
    meeting = Meeting()
    meeting.exchange.punching.is_enabled = is_enabled
    silent, relay = meeting.peer(1), meeting.supporter(2)
    assert not meeting.exchange.punching.ask(STRANGER, silent.endpoint.ip, NOW)
    assert not meeting.exchange.punching.ask(silent.endpoint, relay.endpoint.ip, NOW), "we are connected with it"
    assert meeting.exchange.punching.ask(STRANGER, relay.endpoint.ip, NOW) is is_enabled


def test_a_relay_is_asked_no_more_often_than_it_may_be() -> None:
    meeting = Meeting()
    relay = meeting.supporter(1)
    asked = [
        meeting.exchange.punching.ask(Endpoint(f"93.184.216.{host + 1}", 1), relay.endpoint.ip, NOW)
        for host in range(50)
    ]
    assert sum(asked) <= AT_ONCE + 1


def test_the_relays_refusal_is_heard_and_leads_to_nothing() -> None:
    meeting = Meeting()
    relay = meeting.supporter(1)
    meeting.says(relay, Failed(STRANGER, PunchError.NO_SUPPORT))
    assert not said(relay)
    assert not relay.closing


def test_others_are_told_who_supports_it_but_not_that_it_was_reached_by_being_brought_together() -> None:
    meeting = Meeting()
    peer = meeting.supporter(1, by_utp=True)
    peer.source = Source.HOLEPUNCH
    flags = {flag.name for flag in peer.flags(0)}
    assert flags >= {"UTP", "HOLEPUNCH"}
    assert "REACHABLE" not in flags
