from __future__ import annotations

from dataclasses import replace
from random import Random

from magnetite.cli.status import DhtTally, Phase, status_of
from magnetite.download import Progress
from magnetite.errors import Reason
from magnetite.events import Announced, BootstrapFailed, BootstrapFinished, LookupProgress
from magnetite.ids import InfoHash, NodeId

NOTHING_YET = Progress(
    info_hash=InfoHash(int("11" * 20, 16)),
    name=None,
    length=None,
    present=0,
    pieces=None,
    pieces_present=0,
    is_checked=False,
    pieces_checked=0,
    pieces_to_check=0,
    is_complete=False,
    peers=0,
    peers_known=0,
    dialling=0,
    copies=0,
    download_rate=0.0,
    upload_rate=0.0,
    downloaded=0,
    uploaded=0,
)
DOWNLOADING = replace(
    NOTHING_YET, name="film", length=1000, present=250, pieces=4, is_checked=True, peers=2, download_rate=250.0
)


def joined(asked: int = 41) -> DhtTally:
    tally = DhtTally()
    tally.observe(BootstrapFinished(0, 8))
    tally.observe(LookupProgress(0, InfoHash(1), asked, asked - 1, 3))
    return tally


def test_before_the_dht_is_joined_that_is_what_is_waited_for() -> None:
    status = status_of(NOTHING_YET, DhtTally())
    assert (status.phase, status.words) == (Phase.JOINING, "1111111111…: looking for a first node of the DHT")


def test_a_dht_that_does_not_answer_is_named() -> None:
    tally = DhtTally()
    tally.observe(BootstrapFailed(0, 4, 2.0, Reason.NO_BOOTSTRAP))
    assert "no node of the DHT answers" in status_of(NOTHING_YET, tally).words


def test_a_search_says_how_many_were_asked_and_how_many_peers_are_known() -> None:
    status = status_of(replace(NOTHING_YET, peers_known=3), joined())
    assert status.words == "1111111111…: asked 41 nodes, 3 peers known, none answered yet"
    assert status.total is None


def test_lookups_of_ourselves_do_not_count_as_a_search() -> None:
    tally = joined(5)
    tally.observe(LookupProgress(0, NodeId(1), 100, 100, 0))
    assert tally.asked == 5


def test_dialling_is_told() -> None:
    status = status_of(replace(NOTHING_YET, peers_known=7, dialling=5), joined())
    assert status.words == "1111111111…: connecting to 5 peers, 7 known"


def test_metadata_is_fetched_from_those_who_are_connected() -> None:
    assert status_of(replace(NOTHING_YET, peers=2), None).words == "1111111111…: fetching metadata from 2 peers"


def test_checking_comes_between_metadata_and_download() -> None:
    status = status_of(replace(DOWNLOADING, is_checked=False), None)
    assert (status.phase, status.words) == (Phase.CHECKING, "film: checking what is on disk")


def test_a_download_says_how_much_how_fast_from_whom_and_how_long() -> None:
    status = status_of(DOWNLOADING, None)
    assert status.words == "film: 250 B of 1000 B, 250 B/s from 2 peers, 3.0 s left"
    assert (status.done, status.total) == (250, 1000)


def test_peers_that_send_nothing_are_waited_for() -> None:
    assert "waiting for 2 peers to send" in status_of(replace(DOWNLOADING, download_rate=0.0), None).words


def test_a_download_that_lost_its_peers_says_so_and_keeps_its_bar() -> None:
    status = status_of(replace(DOWNLOADING, peers=0, download_rate=0.0), joined())
    assert status.words == "film: asked 41 nodes, 0 peers known; 250 B of 1000 B done"
    assert status.total == 1000


def test_seeding_says_who_can_find_us() -> None:
    tally = joined()
    tally.observe(Announced(0, InfoHash(1), 8))
    status = status_of(replace(DOWNLOADING, is_complete=True, uploaded=2048), tally)
    assert status.words == "film: seeding to 2 peers, 2.0 KiB sent; announced to 8 nodes"


def test_any_progress_has_words(rng: Random) -> None:
    for _ in range(500):
        length = rng.choice([None, 0, 1, 10**15])
        progress = replace(
            NOTHING_YET,
            name=rng.choice([None, "", "\x1b[2J", "x" * 300]),
            length=length,
            pieces=length and 1,
            is_checked=rng.random() < 0.5,
            is_complete=rng.random() < 0.5,
            peers=rng.randrange(2),
            peers_known=rng.randrange(2),
            dialling=rng.randrange(2),
            download_rate=rng.choice([0.0, 1e-9, 1e12]),
        )
        assert status_of(progress, rng.choice([None, joined()])).words.isprintable()


def test_a_pause_says_why_and_when_it_is_tried_again() -> None:
    full = replace(DOWNLOADING, paused=(Reason.DISK_FULL, "/d/film.part: the disk is full; make room"))
    status = status_of(full, None)
    assert status.phase is Phase.PAUSED
    assert status.words == "film: paused: /d/film.part: the disk is full; make room; trying again every 10 s"
    assert status_of(replace(DOWNLOADING, paused=(Reason.PAUSED_BY_USER, "")), None).words == "film: paused"
