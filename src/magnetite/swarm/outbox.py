"""What is still to be sent to one peer: messages first, then the blocks it asked for. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from magnetite.wire.messages import BlockRequest, Message, encode

MOST_MESSAGE_BYTES = 1 << 20  # waiting for a peer that does not read; our metadata replies are 16 KiB each
LEAST_BATCH, MOST_BATCH = 64 << 10, 1 << 20  # bytes of blocks read and sent together:
BATCH_TIME = 0.1  # seconds of the peer's rate, for a batch stays in memory until the peer has taken it


def _asleep() -> None:
    """Nobody waits for this outbox yet."""


class Outbox:
    """Two queues with one reader: encoded messages in order, and block requests that a choke or cancel takes back.

    `wake` is called whenever something is put in; the connection's write loop sets it.
    """

    __slots__ = ("_message_bytes", "_messages", "_uploads", "wake")

    def __init__(self) -> None:
        self.wake: Callable[[], None] = _asleep
        self._messages: list[bytes] = []
        self._message_bytes = 0
        self._uploads: dict[BlockRequest, None] = {}

    @property
    def is_flooded(self) -> bool:
        """The peer makes us answer faster than it reads the answers."""
        return self._message_bytes > MOST_MESSAGE_BYTES

    @property
    def queued_blocks(self) -> int:
        return len(self._uploads)

    def put(self, *messages: Message) -> None:
        for message in messages:
            self.put_bytes(encode(message))

    def put_bytes(self, data: bytes) -> None:
        self._messages.append(data)
        self._message_bytes += len(data)
        self.wake()

    def put_block(self, request: BlockRequest) -> None:
        self._uploads[request] = None
        self.wake()

    def cancel(self, request: BlockRequest) -> bool:
        """Whether the block was still waiting."""
        return self._uploads.pop(request, request) is None

    def drop_blocks(self) -> list[BlockRequest]:
        """Take back every block that is still waiting."""
        dropped = list(self._uploads)
        self._uploads.clear()
        return dropped

    def hold(self, data: bytes) -> None:
        """As `put_bytes`, but for messages that may wait for others to go with, or until `release`."""
        self._messages.append(data)
        self._message_bytes += len(data)

    def take_back(self, data: bytes) -> bool:
        """A message that need not be sent after all; whether it was still waiting."""
        if data not in self._messages:
            return False
        self._messages.remove(data)
        self._message_bytes -= len(data)
        return True

    def release(self) -> None:
        """What is held goes now."""
        if self._messages:
            self.wake()

    def take_messages(self) -> list[bytes]:
        messages, self._messages, self._message_bytes = self._messages, [], 0
        return messages

    def take_blocks(self, most: int) -> list[BlockRequest]:
        """The next requests to serve, `most` bytes of them or a single longer one."""
        taken: list[BlockRequest] = []
        left = most
        for request in self._uploads:
            left -= request.length
            if left < 0 and taken:
                break
            taken.append(request)
        for request in taken:
            del self._uploads[request]
        return taken


def batch_length(rate: float) -> int:
    """How many bytes to read and send together to a peer that takes `rate` bytes/s."""
    return max(LEAST_BATCH, min(int(BATCH_TIME * rate), MOST_BATCH))


def contiguous(requests: list[BlockRequest]) -> Iterator[list[BlockRequest]]:
    """Requests in order, cut where one does not begin where the one before it ended."""
    run: list[BlockRequest] = []
    for request in requests:
        if run and (request.piece != run[-1].piece or request.begin != run[-1].begin + run[-1].length):
            yield run
            run = []
        run.append(request)
    if run:
        yield run
