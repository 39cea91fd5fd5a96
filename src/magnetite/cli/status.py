"""What is going on, and what is being waited for, in words and numbers. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

from magnetite.cli.text import count, duration, printable, shortened, size
from magnetite.download import Progress
from magnetite.errors import Reason
from magnetite.events import Announced, BootstrapFailed, BootstrapFinished, Event, LookupProgress
from magnetite.ids import InfoHash
from magnetite.swarm.disk import RETRY_EVERY

SHOWN_DIGITS = 10  # of an info-hash: enough to tell torrents without a name apart


class Phase(Enum):
    """What a verb is busy with; where there is no terminal, a change of it is worth a line."""

    PREPARING = auto()
    HASHING = auto()
    JOINING = auto()
    SEARCHING = auto()
    CONNECTING = auto()
    METADATA = auto()
    CHECKING = auto()
    WAITING = auto()
    DOWNLOADING = auto()
    SEEDING = auto()
    SERVING = auto()
    PAUSED = auto()
    SIMULATING = auto()


@dataclass(frozen=True, slots=True)
class Status:
    """One moment. `done` of `total` is drawn as a bar; without `total` there is nothing to be counted yet."""

    phase: Phase
    words: str
    done: int = 0
    total: int | None = None


class DhtTally:
    """What the DHT has told us so far, added up from its events."""

    def __init__(self) -> None:
        self.has_joined = False
        self.has_failed = False  # to join, at the last attempt
        self.announced_to = 0  # nodes that know of us, by the last announce
        self._asked: dict[InfoHash, int] = {}  # the latest search of each torrent of ours

    def observe(self, event: Event) -> None:
        match event:
            case LookupProgress(target=InfoHash() as info_hash, asked=asked):
                self._asked[info_hash] = asked
            case Announced(nodes=nodes):
                self.announced_to = nodes
            case BootstrapFinished():
                self.has_joined = True
            case BootstrapFailed():
                self.has_failed = True

    @property
    def asked(self) -> int:
        """Nodes asked for peers in the searches under way, or in those before if they are over."""
        return sum(self._asked.values())

    def joining(self) -> str:
        if self.has_failed:
            return "no node of the DHT answers; is there a network? trying again"
        return "looking for a first node of the DHT"


def status_of(progress: Progress, dht: DhtTally | None, *, gives_back: bool = True) -> Status:
    """Where one download is, which goes on when it is complete if it `gives_back`. `dht` is None if it does without."""
    if progress.paused is not None:
        return _paused(progress, *progress.paused)
    if not progress.is_checked:
        if progress.pieces is None:
            return _without_metadata(progress, dht)
        words = f"{_name(progress)}: checking what is on disk"
        return Status(Phase.CHECKING, words, progress.pieces_checked, progress.pieces_to_check or None)
    if progress.is_complete and not gives_back:
        return Status(Phase.SEEDING, f"{_name(progress)}: complete", progress.length or 0, progress.length)
    if progress.is_complete:
        return _seeding(progress, dht)
    return _downloading(progress, dht)


def _without_metadata(progress: Progress, dht: DhtTally | None) -> Status:
    if progress.peers:
        return Status(Phase.METADATA, f"{_name(progress)}: fetching metadata from {count(progress.peers, 'peer')}")
    return _finding_peers(progress, dht)


def _finding_peers(progress: Progress, dht: DhtTally | None) -> Status:
    if progress.dialling:
        words = f"connecting to {count(progress.dialling, 'peer')}, {progress.peers_known} known"
        return Status(Phase.CONNECTING, f"{_name(progress)}: {words}")
    if dht is None:
        known = count(progress.peers_known, "peer")
        return Status(Phase.SEARCHING, f"{_name(progress)}: {known} known, none connected; the DHT is off")
    if not dht.has_joined:
        return Status(Phase.JOINING, f"{_name(progress)}: {dht.joining()}")
    known = f"{count(progress.peers_known, 'peer')} known"
    if progress.peers_known:
        known += ", none answered yet"
    return Status(Phase.SEARCHING, f"{_name(progress)}: asked {count(dht.asked, 'node')}, {known}")


def _downloading(progress: Progress, dht: DhtTally | None) -> Status:
    length = progress.length or 0
    amount = f"{size(progress.present)} of {size(length)}"
    if not progress.peers:
        finding = _finding_peers(progress, dht)
        return Status(finding.phase, f"{finding.words}; {amount} done", progress.present, length)
    peers = count(progress.peers, "peer")
    if not progress.download_rate:
        words = f"{_name(progress)}: {amount}, waiting for {peers} to send"
        return Status(Phase.WAITING, words, progress.present, length)
    left = duration((length - progress.present) / progress.download_rate)
    words = f"{_name(progress)}: {amount}, {size(progress.download_rate)}/s from {peers}, {left} left"
    return Status(Phase.DOWNLOADING, words, progress.present, length)


def _paused(progress: Progress, reason: Reason, detail: str) -> Status:
    words = f"{_name(progress)}: paused"
    if reason is not Reason.PAUSED_BY_USER:
        words += f": {printable(detail or reason.value)}; trying again every {duration(RETRY_EVERY)}"
    return Status(Phase.PAUSED, words, progress.present, progress.length or None)


def _seeding(progress: Progress, dht: DhtTally | None) -> Status:
    words = f"{_name(progress)}: seeding to {count(progress.peers, 'peer')}, {size(progress.uploaded)} sent"
    if progress.upload_rate:
        words += f", {size(progress.upload_rate)}/s"
    if dht is not None and not dht.has_joined:
        words += f"; {dht.joining()}"
    elif dht is not None:
        words += f"; announced to {count(dht.announced_to, 'node')}"
    return Status(Phase.SEEDING, words, progress.length or 0, progress.length)


def _name(progress: Progress) -> str:
    return shortened(progress.name) if progress.name else f"{str(progress.info_hash)[:SHOWN_DIGITS]}…"
