"""How many blocks to keep requested from one peer. Pure."""

from __future__ import annotations

QUEUE_TIME = 3.0  # seconds of the peer's rate kept on request
SHALLOWEST, DEEPEST = 4, 500  # blocks; 500 is what most clients accept (libtorrent's default reqq)
FIRST_DEPTH = 16
TOGETHER = 2048  # blocks on request from all peers, in shares,
LEAST_SHARE = 96  # of so many blocks at least: two thirds of it are on their way to us at 10 MB/s and 100 ms
REFILL = 2  # parts of the depth, of which one must be free before more is asked for
MEASURE_EVERY = 1.0  # seconds
GROWTH = 1.1  # a rate must grow by this much a second to stay in slow start


def share_of(peers: int) -> int:
    """The deepest pipeline, in blocks, of each of so many peers: what they owe us takes memory."""
    return max(LEAST_SHARE, min(DEEPEST, TOGETHER // max(1, peers)))


class Pipeline:
    """The depth of one peer's request queue, in blocks.

    It begins like TCP: every block that arrives adds one until a second brings no more than the second before it;
    from then on the depth is QUEUE_TIME of the measured rate. Never more than the peer's own `reqq` (BEP 10).
    """

    __slots__ = ("_blocks", "_measured_at", "_rate", "_reqq", "_slow_start", "depth", "is_snubbed")

    def __init__(self, now: float) -> None:
        self.depth = FIRST_DEPTH
        self._reqq = DEEPEST
        self.is_snubbed = False
        self._slow_start = True
        self._measured_at = now
        self._blocks = 0
        self._rate = 0.0  # blocks per second

    def room(self, owed: int, share: int) -> int:
        """How many more blocks to ask for, of a peer that owes so many: half of the depth at least, or none.

        Requests are sent in bulk that way, which peers serve in bulk: eight of them spend a third less on it than if
        they were asked a quarter at a time. Half of the pipe is full meanwhile. The depth is never more than `share`.
        """
        depth = min(self.depth, share)
        room = depth - owed
        return room if REFILL * room >= depth else 0

    def limit(self, reqq: int) -> None:
        """The peer said how many requests it will queue."""
        self._reqq = max(1, reqq)
        self.depth = min(self.depth, self._reqq)

    def on_blocks(self, count: int, now: float) -> None:
        self._blocks += count
        self.is_snubbed = False
        if self._slow_start:
            self._set(self.depth + count)
        elapsed = now - self._measured_at
        if elapsed >= MEASURE_EVERY:
            rate = self._blocks / elapsed
            if rate < self._rate * GROWTH:
                self._slow_start = False
            self._rate = rate if self._slow_start else 0.7 * self._rate + 0.3 * rate
            self._measured_at, self._blocks = now, 0
            if not self._slow_start:
                self._set(int(QUEUE_TIME * self._rate))

    def on_snub(self) -> None:
        """The peer has let requests time out: ask one block at a time until it delivers again."""
        self.depth = 1
        self.is_snubbed = True
        self._slow_start = False
        self._rate = 0.0

    def _set(self, depth: int) -> None:
        self.depth = min(max(depth, SHALLOWEST), DEEPEST, self._reqq)
