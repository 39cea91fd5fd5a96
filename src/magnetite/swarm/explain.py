"""Why a torrent does not move: what has happened to it, counted, and plain sentences about it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeVar

from magnetite.errors import Reason
from magnetite.events import (
    Announced,
    Event,
    LookupFinished,
    LookupProgress,
    LookupStarted,
    MetadataClaimed,
    MetadataRefused,
    PeerBanned,
    PeerClosed,
    PeerFailed,
    PieceFailed,
    PieceVerified,
)
from magnetite.swarm.throttle import Limits
from magnetite.ways import Carrier, Cipher

T = TypeVar("T")

MOST_CLAIMS: Final = 8  # sizes of the metadata kept apart: peers make them up as they like
SLOW_DISK: Final = 4  # pieces waiting to be written, from which on it is the disk that is waited for
NEAR_LIMIT: Final = 0.9  # of a rate limit, from which on it is the limit that is waited for


class Tally:
    """What the events of one torrent add up to. Bounded: it counts by Reason, and by MOST_CLAIMS sizes."""

    def __init__(self) -> None:
        self.searches = 0
        self.is_searching = False
        self.asked = self.answered = self.found = 0  # in the search under way, or the last one
        self.announced_to: int | None = None  # nodes, at the last announce
        self.failed: dict[Reason, int] = {}  # dials and callers that became no peers
        self.closed: dict[Reason, int] = {}  # peers that went
        self.refused: dict[Reason, int] = {}  # metadata
        self.claims: dict[int, int] = {}  # bytes of metadata -> peers that said so
        self.banned = 0
        self.bad_pieces = 0

    def observe(self, event: Event) -> None:
        """Count an event of the torrent, or of a search for it."""
        match event:
            case PieceVerified():  # by far the most, and nothing to be counted
                pass
            case LookupStarted():
                self.searches += 1
                self.is_searching = True
                self.asked = self.answered = self.found = 0
            case LookupProgress() | LookupFinished():
                self.asked, self.answered, self.found = event.asked, event.answered, event.peers
                self.is_searching = isinstance(event, LookupProgress)
            case Announced():
                self.announced_to = event.nodes
            case PeerFailed():
                _count(self.failed, event.reason)
            case PeerClosed():
                _count(self.closed, event.reason)
            case MetadataRefused():
                _count(self.refused, event.reason)
            case MetadataClaimed(length=length) if length in self.claims or len(self.claims) < MOST_CLAIMS:
                self.claims[length] = self.claims.get(length, 0) + 1
            case PeerBanned():
                self.banned += 1
            case PieceFailed():
                self.bad_pieces += 1
            case _:
                pass


@dataclass(frozen=True, slots=True)
class DhtView:
    """The DHT as a torrent sees it. `contacts` are those of the routing table."""

    contacts: int
    is_usable: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that tells at one moment why a torrent moves, or does not. Rates are bytes/s."""

    tally: Tally
    dht: DhtView | None = None  # None without one
    paused: tuple[Reason, str] | None = None
    has_metadata: bool = False
    is_checked: bool = False
    is_complete: bool = False
    peers: int = 0
    ways: Mapping[tuple[Carrier, Cipher], int] = field(default_factory=dict)  # to the peers, and how many by each
    known: int = 0  # endpoints heard of
    dialling: int = 0
    may_dial: bool = True  # a place is free for one more connection
    missing: int = 0  # pieces that are wanted and not verified
    absent: int = 0  # of them, those no connected peer has
    useful: int = 0  # peers that have something we lack,
    choking: int = 0  # those of them that choke us,
    asked: int = 0  # those that owe us blocks,
    snubbing: int = 0  # and those that let requests time out
    interested: int = 0  # peers that want something of ours,
    unchoked: int = 0  # and those we let have it
    unwritten: int = 0  # pieces that wait for the disk
    download_rate: float = 0.0
    upload_rate: float = 0.0
    limits: Limits = field(default_factory=Limits)  # the lower of the torrent's and the client's


def explain(snapshot: Snapshot) -> list[str]:
    """Sentences that say where the torrent is and what it waits for, the cause first."""
    return list(_sentences(snapshot))


def _sentences(now: Snapshot) -> Iterator[str]:
    if now.paused is not None:
        reason, detail = now.paused
        yield f"It is paused: {detail or reason.value}."
    if now.has_metadata and not now.is_checked:
        yield "What is on disk is still being checked; nothing is asked for before."
    if now.is_complete:
        yield from _seeding(now)
    elif now.peers:
        yield from _trading(now) if now.has_metadata else _metadata(now)
    else:
        yield "No peer is connected."
    if now.ways:
        yield f"Connections: {_ways(now.ways)}."
    if not now.is_complete or not now.peers:
        yield from _search(now)
        yield from _dials(now)
    if now.tally.bad_pieces:
        bad = _count_of(now.tally.bad_pieces, "piece")
        yield f"{bad} had to be thrown away because of wrong hashes; {_count_of(now.tally.banned, 'peer')} banned."


def _seeding(now: Snapshot) -> Iterator[str]:
    yield f"It is complete; {_count_of(now.peers, 'peer')} connected, {now.interested} want something of it."
    if now.interested and not now.unchoked:
        yield "All of them are choked at the moment."
    elif _is_near(now.upload_rate, now.limits.upload):
        yield f"Slowest is the upload limit of {_rate(now.limits.upload)}."


def _trading(now: Snapshot) -> Iterator[str]:
    peers = _count_of(now.peers, "peer")
    if now.download_rate:
        yield f"{peers} connected, {now.asked} of them asked, and {_rate(now.download_rate)} comes in."
    if now.is_checked and now.absent:
        which = "all of them" if now.absent == now.missing else f"{now.absent:,}"
        yield f"{_count_of(now.missing, 'piece')} missing; {which} nobody who is connected has."
    if now.is_checked and not now.useful:
        yield f"None of the {peers} connected has anything that is missing here."
    elif now.useful and now.choking == now.useful:
        yield f"All {_count_of(now.useful, 'peer')} that could help choke us: they serve others first."
    elif now.choking:
        yield f"Of {_count_of(now.useful, 'peer')} that could help, {now.choking} choke us."
    if now.snubbing:
        yield f"{_count_of(now.snubbing, 'peer')} sent nothing of what was asked for in time."
    if (slowest := _slowest(now)) is not None:
        yield f"Slowest is {slowest}."


def _slowest(now: Snapshot) -> str | None:
    if now.unwritten >= SLOW_DISK:
        return f"the disk: {_count_of(now.unwritten, 'piece')} wait to be written"
    if _is_near(now.download_rate, now.limits.download):
        return f"the download limit of {_rate(now.limits.download)}"
    return "what the peers send" if now.download_rate else None


def _metadata(now: Snapshot) -> Iterator[str]:
    claims = now.tally.claims
    if not claims:
        yield f"The metadata is missing; none of the {_count_of(now.peers, 'peer')} connected says it has it."
        return
    sizes = ", ".join(f"{size:,} bytes by {_count_of(peers, 'peer')}" for size, peers in _by_count(claims))
    yield f"The metadata is being asked for; sizes claimed: {sizes}."
    if now.tally.refused:
        yield f"Metadata was not had from: {_reasons(now.tally.refused)}."


def _search(now: Snapshot) -> Iterator[str]:
    tally = now.tally
    if now.dht is None:
        yield "The DHT is off: only peers named by the link or the user, and those that call, can be found."
    elif not now.dht.is_usable:
        yield f"The DHT is not joined yet: {_count_of(now.dht.contacts, 'contact')} in the table."
    elif not tally.searches:
        contacts = _count_of(now.dht.contacts, "contact")
        yield f"The DHT, with {contacts} in the table, has not been searched yet; the search waits for its turn."
    else:
        when = "The search under way" if tally.is_searching else "The last search"
        nodes = f"asked {_count_of(tally.asked, 'node')}, {tally.answered} answered"
        contacts = _count_of(now.dht.contacts, "contact")
        yield f"{when} {nodes}, {_count_of(tally.found, 'peer')} found; {contacts} in the table."
        if tally.announced_to == 0:
            yield "No node took note of us at the last announce."


def _dials(now: Snapshot) -> Iterator[str]:
    if not now.known:
        yield "Nobody is known to have this torrent."
        return
    yield f"{_count_of(now.known, 'address', 'addresses')} known, {now.dialling} being dialled."
    if now.tally.failed:
        yield f"No connection came of: {_reasons(now.tally.failed)}."
    if now.tally.closed:
        yield f"Connections ended: {_reasons(now.tally.closed)}."
    if not now.may_dial and not now.is_complete and now.paused is None:
        yield "No more can be dialled: every place for connections is taken."


def _is_near(rate: float, limit: float | None) -> bool:
    return limit is not None and rate >= NEAR_LIMIT * limit


def _ways(counts: Mapping[tuple[Carrier, Cipher], int]) -> str:
    return ", ".join(f"{count:,} by {carrier.value}, {cipher.value}" for (carrier, cipher), count in _by_count(counts))


def _reasons(counts: Mapping[Reason, int]) -> str:
    return ", ".join(f"{count:,} x {reason.value}" for reason, count in _by_count(counts))


def _by_count(counts: Mapping[T, int]) -> list[tuple[T, int]]:
    return sorted(counts.items(), key=lambda item: -item[1])


def _count(counts: dict[T, int], key: T) -> None:
    counts[key] = counts.get(key, 0) + 1


def _count_of(number: int, noun: str, plural: str = "") -> str:
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def _rate(rate: float | None) -> str:
    assert rate is not None
    return f"{rate / 1e6:.1f} MB/s" if rate >= 1e6 else f"{rate / 1e3:.0f} kB/s"
