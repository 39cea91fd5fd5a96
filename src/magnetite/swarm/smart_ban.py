"""Who spoilt a piece: its blocks are remembered when its hash is wrong, and compared when it is right. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from magnetite.endpoint import Endpoint
from magnetite.wire.messages import BLOCK_LENGTH

MOST_FAILURES: Final = 16  # wrong pieces remembered, the oldest forgotten first: 2 MiB where pieces are of 16 MiB


@dataclass(frozen=True, slots=True, eq=False)
class _Failure:
    """A piece as it was when its hash was wrong. `suspects` are the addresses that have not cleared themselves."""

    piece: int
    senders: tuple[Endpoint, ...]  # of block 0, 1, 2, ...
    digests: list[bytes]
    suspects: set[str]


class SmartBan:
    """The wrong pieces of one torrent that were not right since. At most MOST_FAILURES are remembered.

    Whoever sent a block of a wrong piece is a suspect. When the piece is right, whose block differs has lied, and the
    others are above suspicion, as far as this piece goes. Peers are known by their address, so that neither a liar's
    leaving nor its coming back under another port or peer id changes anything.

    Only wrong pieces are hashed, and the right ones that replace them: 1 ms a MiB on the event loop, 16 ms for a piece
    of 16 MiB. To bring that about a liar must let us download the rest of such a piece, which takes longer.
    """

    def __init__(self) -> None:
        self._failures: deque[_Failure] = deque(maxlen=MOST_FAILURES)

    def on_failed(self, piece: int, data: bytes | bytearray | memoryview, senders: Sequence[Endpoint]) -> None:
        """The whole piece `data` was wrong; `senders` are those of its blocks, in order."""
        suspects = {sender.ip for sender in senders}
        self._failures.append(_Failure(piece, tuple(senders), _digests(data), suspects))

    def on_verified(self, piece: int, data: bytes | bytearray | memoryview) -> list[Endpoint]:
        """The whole piece `data`, which was wrong before, is right: who lied about it, one endpoint an address."""
        right = _digests(data)
        liars: dict[str, Endpoint] = {}
        for failure in [failure for failure in self._failures if failure.piece == piece]:
            self._failures.remove(failure)
            for sender, digest, expected in zip(failure.senders, failure.digests, right, strict=True):
                if digest != expected:
                    liars.setdefault(sender.ip, sender)
        return list(liars.values())

    def was_wrong(self, piece: int) -> bool:
        """Whether a comparison is due when the piece is right."""
        return any(failure.piece == piece for failure in self._failures)

    def is_suspect(self, ip: str) -> bool:
        return any(ip in failure.suspects for failure in self._failures)

    def acquit(self, ip: str) -> None:
        """It has made a piece alone, and that was right. What it sent before is still compared."""
        for failure in self._failures:
            failure.suspects.discard(ip)


def _digests(data: bytes | bytearray | memoryview) -> list[bytes]:
    whole = memoryview(data)
    return [sha256(whole[at : at + BLOCK_LENGTH]).digest() for at in range(0, len(whole), BLOCK_LENGTH)]
