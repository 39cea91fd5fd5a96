from __future__ import annotations

from magnetite.events import LookupFinished, LookupProgress, LookupStarted
from magnetite.ids import InfoHash, NodeId
from magnetite.web.lookup_log import MOST_RECENT, LookupLog

FILM, OURS = InfoHash(1), NodeId(1)


def test_a_lookup_is_active_until_it_ends() -> None:
    log = LookupLog()
    log.observe(LookupStarted(1.0, FILM, 8))
    log.observe(LookupProgress(1.5, FILM, asked=5, answered=3, peers=2))
    [active] = log.active
    assert (active.target, active.started, active.asked, active.answered, active.peers) == (FILM, 1.0, 5, 3, 2)
    log.observe(ended := LookupFinished(2.0, FILM, 6, 4, 2, 3, 1.0))
    assert list(log.active) == []
    assert list(log.recent) == [ended]


def test_lookups_of_the_same_target_are_counted() -> None:
    log = LookupLog()
    for _ in range(2):
        log.observe(LookupStarted(1.0, FILM, 8))
    log.observe(LookupFinished(2.0, FILM, 6, 4, 2, 3, 1.0))
    assert [each.running for each in log.active] == [1]
    log.observe(LookupFinished(3.0, FILM, 6, 4, 2, 3, 1.0))
    assert list(log.active) == []


def test_only_the_last_lookups_are_remembered_the_latest_first() -> None:
    log = LookupLog()
    for moment in range(3 * MOST_RECENT):
        log.observe(LookupStarted(moment, OURS, 8))
        log.observe(LookupFinished(moment, OURS, 6, 4, 2, 3, 1.0))
    assert [each.time for each in log.recent] == list(range(3 * MOST_RECENT - 1, 2 * MOST_RECENT - 1, -1))


def test_an_end_without_a_beginning_does_no_harm() -> None:
    log = LookupLog()
    log.observe(LookupProgress(1.5, FILM, asked=5, answered=3, peers=2))
    log.observe(LookupFinished(2.0, FILM, 6, 4, 2, 3, 1.0))
    assert list(log.active) == []
