"""A torrent that does not move says why, and what it says is true of the snapshot it was given."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from magnetite.endpoint import Endpoint
from magnetite.errors import Reason
from magnetite.events import (
    Announced,
    LookupFinished,
    LookupProgress,
    LookupStarted,
    MetadataClaimed,
    PeerClosed,
    PeerFailed,
)
from magnetite.ids import InfoHash
from magnetite.swarm.explain import MOST_CLAIMS, DhtView, Snapshot, Tally, explain
from magnetite.swarm.throttle import Limits
from magnetite.ways import Carrier, Cipher

INFO_HASH = InfoHash(1)
PEER = Endpoint("10.0.0.1", 6881)
DHT = DhtView(160, is_usable=True)


def told(*events, **fields) -> str:
    tally = Tally()
    for event in events:
        tally.observe(event)
    return " ".join(explain(Snapshot(tally, **{"dht": DHT, **fields})))


def test_nobody_is_found() -> None:
    words = told(
        LookupStarted(0.0, INFO_HASH, 8),
        LookupFinished(3.0, INFO_HASH, asked=61, answered=40, peers=0, hops=4, duration=3.0),
        Announced(4.0, INFO_HASH, 0),
    )
    assert "No peer is connected." in words
    assert "The last search asked 61 nodes, 40 answered, 0 peers found; 160 contacts in the table." in words
    assert "Nobody is known to have this torrent." in words
    assert "No node took note of us" in words


def test_a_new_search_does_not_count_with_the_one_before() -> None:
    words = told(
        LookupStarted(0.0, INFO_HASH, 8),
        LookupFinished(3.0, INFO_HASH, asked=61, answered=40, peers=0, hops=4, duration=3.0),
        LookupStarted(9.0, INFO_HASH, 8),
        LookupProgress(9.5, INFO_HASH, asked=5, answered=1, peers=1),
    )
    assert "The search under way asked 5 nodes, 1 answered, 1 peer found" in words


def test_the_dht_is_off_not_joined_or_not_yet_searched() -> None:
    assert "The DHT is off" in told(dht=None)
    assert "The DHT is not joined yet: 0 contacts" in told(dht=DhtView(0, is_usable=False))
    assert "has not been searched yet" in told()


def test_dials_fail_for_reasons_that_are_counted() -> None:
    failures = [PeerFailed(1.0, INFO_HASH, PEER, reason, "") for reason in [Reason.REFUSED, *[Reason.UNREACHABLE] * 2]]
    closed = PeerClosed(2.0, INFO_HASH, PEER, Reason.BAD_PIECE, "", 0, 0)
    words = told(*failures, closed, known=3, dialling=1, may_dial=False)
    assert "3 addresses known, 1 being dialled." in words
    assert "No connection came of: 2 x unreachable, 1 x connection refused." in words
    assert "Connections ended: 1 x sent a bad piece." in words
    assert "every place for connections is taken" in words


def test_metadata_is_claimed_in_different_sizes_or_by_nobody() -> None:
    claims = [MetadataClaimed(1.0, INFO_HASH, PEER, length) for length in (30_000, 1_000, 30_000)]
    words = told(*claims, peers=3, known=3)
    assert "sizes claimed: 30,000 bytes by 2 peers, 1,000 bytes by 1 peer." in words
    assert "none of the 3 peers connected says it has it" in told(peers=3, known=3)


def test_sizes_that_peers_make_up_are_bounded() -> None:
    tally = Tally()
    for length in range(1, 1000):
        tally.observe(MetadataClaimed(1.0, INFO_HASH, PEER, length))
    assert len(tally.claims) == MOST_CLAIMS


TRADING = Snapshot(Tally(), dht=DHT, has_metadata=True, is_checked=True, peers=4, known=4, missing=10, useful=4)


def about(**fields) -> str:
    return " ".join(explain(replace(TRADING, **fields)))


def test_by_which_ways_peers_are_connected() -> None:
    ways = {(Carrier.UTP, Cipher.PLAIN): 1, (Carrier.TCP, Cipher.RC4): 3}
    assert "Connections: 3 by TCP, RC4, 1 by uTP, plain." in about(ways=ways)


def test_everybody_chokes_us_or_some_do() -> None:
    assert "All 4 peers that could help choke us" in about(choking=4)
    assert "Of 4 peers that could help, 3 choke us." in about(choking=3)


def test_pieces_that_nobody_has() -> None:
    assert "10 pieces missing; 2 nobody who is connected has." in about(absent=2)
    assert "10 pieces missing; all of them nobody" in about(absent=10, useful=0)
    assert "None of the 4 peers connected has anything" in about(absent=10, useful=0)


def test_a_pause_comes_first_with_its_reason() -> None:
    assert about(paused=(Reason.PAUSED_BY_USER, "")).startswith("It is paused: paused by the user.")
    assert about(paused=(Reason.DISK_FULL, "/d: no space left")).startswith("It is paused: /d: no space left.")


def test_what_is_slowest() -> None:
    assert "Slowest is the disk: 8 pieces wait" in about(unwritten=8, download_rate=1e6)
    assert "Slowest is the download limit of 1.0 MB/s." in about(download_rate=0.99e6, limits=Limits(download=1e6))
    assert "Slowest is what the peers send." in about(download_rate=0.5e6, limits=Limits(download=1e6))
    assert "upload limit of 50 kB/s" in about(
        is_complete=True, interested=1, unchoked=1, upload_rate=5e4, limits=Limits(upload=5e4)
    )


def test_a_complete_torrent_that_nobody_wants() -> None:
    words = about(is_complete=True, peers=0, missing=0, useful=0)
    assert words.startswith("It is complete; 0 peers connected, 0 want something of it.")


@given(st.builds(Snapshot, tally=st.builds(Tally), peers=st.integers(0, 3), useful=st.integers(0, 3)))
def test_there_is_always_something_to_say_and_every_sentence_ends(snapshot: Snapshot) -> None:
    sentences = explain(snapshot)
    assert sentences
    assert all(sentence[0].isupper() or sentence[0].isdigit() for sentence in sentences)
    assert all(sentence.endswith(".") for sentence in sentences)
