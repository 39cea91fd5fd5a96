"""How much a peer may say that leads to nothing. Pure."""

from __future__ import annotations

from typing import Final

from magnetite.errors import Reason, WireError

BURST: Final = 10_000  # messages at once; an honest peer stays below with the cancels and late blocks of an endgame
RATE: Final = 100.0  # messages/s for long
BYTES_EACH: Final = 256  # of an extended message that we do not know: its payload counts too


class Tolerance:
    """A bucket of BURST messages, refilled at RATE.

    What is useful is not counted: new pieces, blocks we asked for, requests that we serve. A message of five bytes
    takes us a microsecond or two, so that otherwise one peer on a fast line could keep us busy.
    """

    __slots__ = ("_counted_at", "_left")

    def __init__(self, now: float) -> None:
        self._left = float(BURST)
        self._counted_at = now

    def spend(self, count: int, now: float) -> None:
        """`count` messages led to nothing. Raises WireError when that is too much."""
        refilled = self._left + (now - self._counted_at) * RATE
        self._counted_at = now
        self._left = min(refilled, float(BURST)) - count
        if self._left < 0:
            raise WireError("says what leads to nothing", Reason.TOO_MANY_MESSAGES)
