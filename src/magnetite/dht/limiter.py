"""How often others may make us answer. Pure: token buckets on a clock that is handed in."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

MAX_SOURCES: Final = 10_000  # addresses remembered; who was pushed out starts with a full bucket
SOURCE_RATE: Final = 10.0  # answers/s to one address: many nodes may share one behind a carrier's NAT
SOURCE_BURST: Final = 50
ANSWER_RATE: Final = 2_000.0  # answers/s to all
ANSWER_BURST: Final = 4_000


class AnswerLimiter:
    """Says which queries deserve an answer: a bucket for each address, and one for all together."""

    def __init__(
        self,
        source_rate: float = SOURCE_RATE,
        source_burst: float = SOURCE_BURST,
        rate: float = ANSWER_RATE,
        burst: float = ANSWER_BURST,
    ) -> None:
        self._rate, self._burst = rate, burst
        self._source_rate, self._source_burst = source_rate, source_burst
        self._all = _Bucket(burst)
        self._sources: OrderedDict[Hashable, _Bucket] = OrderedDict()

    def allows(self, source: Hashable, now: float) -> bool:
        """Whether a query from `source` (see `Endpoint.owner`) is answered; if so, it is counted."""
        bucket = self._sources.get(source)
        if bucket is None:
            if len(self._sources) >= MAX_SOURCES:
                self._sources.popitem(last=False)
            bucket = self._sources[source] = _Bucket(self._source_burst, now)
        else:
            self._sources.move_to_end(source)
        return bucket.take(self._source_rate, self._source_burst, now) and self._all.take(self._rate, self._burst, now)


class _Bucket:
    """Tokens that grow with time, up to a burst."""

    __slots__ = ("_tokens", "_updated")

    def __init__(self, tokens: float, now: float = 0.0) -> None:
        self._tokens = tokens
        self._updated = now

    def take(self, rate: float, burst: float, now: float) -> bool:
        tokens = min(self._tokens + (now - self._updated) * rate, burst)
        self._updated = now
        if tokens < 1:
            self._tokens = tokens
            return False
        self._tokens = tokens - 1
        return True
