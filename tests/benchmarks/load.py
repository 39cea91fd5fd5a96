"""A crowd of DHT nodes on one socket, to load a node with: any address of 127/8 can be the source of a datagram.

Linux lets the sender choose the source address with each datagram (IP_PKTINFO), and tells the receiver to which of its
addresses one came. So a thousand nodes cost one socket, and limits by address see a thousand addresses.
"""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from hashlib import sha1
from time import perf_counter
from typing import Final

IP_PKTINFO: Final = 8  # the socket module has no name for it before Python 3.14
TIMEOUT: Final = 1.0  # seconds; on one machine what has not come by then is lost
READ_ONLY: Final = b"2:roi1e"
_PREFIX = b"d1:ad2:id20:"


@dataclass(slots=True)
class Tally:
    """What became of the queries of one phase."""

    sent: int = 0
    answered: int = 0
    refused: int = 0  # answered with an error
    lost: int = 0
    seconds: float = 0.0
    longest: int = 0  # bytes of an answer
    amplification: float = 0.0  # the largest ratio of an answer to its query

    @property
    def share(self) -> float:
        return self.answered / max(1, self.sent)

    @property
    def rate(self) -> float:
        return self.answered / self.seconds


@dataclass(frozen=True, slots=True)
class Shot:
    """A query: from which source, its method and its arguments after `id`, and who is told the answer."""

    source: int
    method: bytes
    arguments: bytes = b""
    on_answer: Callable[[bytes], None] | None = None
    tally: int = 0  # which of the phase's tallies counts it


class Crowd:
    """Sources 0, 1, 2, ...: each an address in 127/8 and a node id. They answer what the node under test asks them.

    `ipv4(source)` spreads them over many /24, so that no rule about neighbours applies.
    """

    def __init__(self) -> None:
        self._to = ("127.0.0.1", 0)
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.setsockopt(socket.IPPROTO_IP, IP_PKTINFO, 1)
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
            self._socket.setsockopt(socket.SOL_SOCKET, option, 4 << 20)
        self._socket.bind(("0.0.0.0", 0))
        self._socket.setblocking(False)
        self.port = int(self._socket.getsockname()[1])
        self._poll = select.poll()
        self._poll.register(self._socket, select.POLLIN)
        self._number = 0
        self._pending: dict[bytes, tuple[float, int, Shot]] = {}
        self._routes: dict[bytes, list[tuple[int, int, bytes]]] = {}
        self._ids: dict[bytes, bytes] = {}  # of the members, who are those that are named in answers
        self._members: list[tuple[int, bytes]] = []  # id, and compact node info

    def __enter__(self) -> Crowd:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def aim(self, port: int) -> None:
        """Whom all queries go to, from now on."""
        self._to = ("127.0.0.1", port)

    def settle_around(self, centre: int) -> None:
        """Give the first sources ids that fill all buckets of the table of a node whose id is `centre`."""
        for bits, capacity in enumerate((128, 64, 32, 16, *[8] * 10)):
            for _ in range(capacity * 3 // 2):
                address = ipv4(len(self._members))
                salt = int.from_bytes(node_id(address), "big") >> (bits + 1)
                number = (centre ^ (1 << (159 - bits))) >> (159 - bits) << (159 - bits) | salt
                self._ids[address] = number.to_bytes(20, "big")
                self._members.append((number, self._ids[address] + address + struct.pack(">H", self.port)))

    def introduce(self) -> None:
        """Every member asks the node something, so that it knows of them all."""
        shots = [Shot(source, b"4:ping") for source in range(len(self._members))]
        self.offer(shots, rate=200, seconds=len(shots) / 200 + 1, read_only=False)

    def identify(self) -> int:
        """The id of the node under test. Waits for it to answer."""
        found: list[bytes] = []
        for _ in range(50):
            shot = Shot(0, b"4:ping", b"", found.append)
            self.saturate([shot], window=1, seconds=0.2)
            if found:
                at = found[0].find(b"2:id20:") + 7
                return int.from_bytes(found[0][at : at + 20], "big")
        raise TimeoutError("the node does not answer")

    def saturate(self, shots: Iterable[Shot], *, window: int = 64, seconds: float) -> Tally:
        """Keep `window` queries unanswered, for so many seconds."""
        return self._run(iter(shots), seconds, window=window)[0]

    def offer(
        self, shots: Iterable[Shot], *, rate: float, seconds: float, read_only: bool = True, tallies: int = 1
    ) -> list[Tally]:
        """Send at `rate` queries/s, whatever comes back."""
        return self._run(iter(shots), seconds, rate=rate, read_only=read_only, tallies=tallies)

    def idle(self, seconds: float) -> None:
        """Only answer."""
        end = perf_counter() + seconds
        while (left := end - perf_counter()) > 0:
            self._poll.poll(left * 1000)
            self._drain()

    # -- within -------------------------------------------------------------------------------------------------------

    def _run(
        self,
        shots: Iterator[Shot],
        seconds: float,
        *,
        window: int = 0,
        rate: float = 0.0,
        read_only: bool = True,
        tallies: int = 1,
    ) -> list[Tally]:
        counts = [Tally() for _ in range(tallies)]
        self._pending.clear()
        start = now = perf_counter()
        end, due, sent = start + seconds, True, 0
        while now < end or (self._pending and now < end + TIMEOUT):
            room = (int((now - start) * rate) - sent) if rate else window - len(self._pending)
            while due and now < end and room > 0:
                shot = next(shots, None)
                if shot is None:
                    due = False
                elif self._ask(shot, counts, read_only):
                    sent, room = sent + 1, room - 1
                else:
                    break
            if not due and not self._pending and not rate:
                break
            answers = self._drain()
            now = perf_counter()
            for answer in answers:
                self._take_in(answer, counts)
            if not answers:
                self._poll.poll(1 if rate else 10)
                now = perf_counter()
                self._expire(counts, now)
        self._expire(counts, now + TIMEOUT)
        for tally in counts:
            tally.seconds = min(now, end) - start
        return counts

    def _ask(self, shot: Shot, counts: list[Tally], read_only: bool) -> bool:
        self._number += 1
        transaction = b"%08x" % self._number
        address = ipv4(shot.source)
        data = b"%b%b%be1:q%b%b1:t8:%b1:y1:qe" % (
            _PREFIX,
            self._ids.get(address) or node_id(address),
            shot.arguments,
            shot.method,
            READ_ONLY if read_only else b"",
            transaction,
        )
        if not self._send(address, data, self._to):
            return False
        self._pending[transaction] = perf_counter(), len(data), shot
        counts[shot.tally].sent += 1
        return True

    def _take_in(self, answer: bytes, counts: list[Tally]) -> None:
        at = answer.rfind(b"1:t8:")
        _, length, shot = self._pending.pop(answer[at + 5 : at + 13], (0.0, 1, None))
        if shot is None:
            return
        tally = counts[shot.tally]
        tally.longest = max(tally.longest, len(answer))
        tally.amplification = max(tally.amplification, len(answer) / length)
        if answer.endswith(b"1:y1:ee"):
            tally.refused += 1
            return
        tally.answered += 1
        if shot.on_answer is not None:
            shot.on_answer(answer)

    def _expire(self, counts: list[Tally], now: float) -> None:
        """They were sent in the order in which they stand."""
        while self._pending:
            transaction, (sent, _, shot) = next(iter(self._pending.items()))
            if now < sent + TIMEOUT:
                return
            del self._pending[transaction]
            counts[shot.tally].lost += 1

    def _drain(self) -> list[bytes]:
        """The answers that are there now; queries of the node under test are answered on the way."""
        answers: list[bytes] = []
        for _ in range(256):
            try:
                data, route, _, source = self._socket.recvmsg(4096, 64)
            except BlockingIOError:
                break
            except ConnectionRefusedError:
                continue
            if b"1:y1:q" in data[-32:]:
                self._answer(data, route[0][2][8:12], source)
            else:
                answers.append(data)
        return answers

    def _answer(self, query: bytes, own: bytes, source: tuple[str, int]) -> None:
        at = query.rfind(b"1:t")
        colon = query.find(b":", at + 3)
        transaction = query[at : colon + 1 + int(query[at + 3 : colon])]
        nodes, start = b"", query.find(b"20:", query.find(b"e1:q") - 24)
        if b"1:q4:ping" not in query and self._members:
            target = int.from_bytes(query[start + 3 : start + 23], "big")
            nearest = sorted(self._members, key=lambda member: member[0] ^ target)[:8]
            nodes = b"5:nodes%d:%b" % (26 * len(nearest), b"".join([info for _, info in nearest]))
        own_id = self._ids.get(own) or node_id(own)
        self._send(own, b"d1:rd2:id20:%b%b5:token4:opene%b1:y1:re" % (own_id, nodes, transaction), source)

    def _send(self, source: bytes, data: bytes, to: tuple[str, int]) -> bool:
        route = self._routes.get(source)
        if route is None:
            route = self._routes[source] = [(socket.IPPROTO_IP, IP_PKTINFO, struct.pack("=i4s4s", 0, source, b""))]
        try:
            self._socket.sendmsg([data], route, 0, to)
        except BlockingIOError:
            return False
        except ConnectionRefusedError:
            pass  # an earlier datagram found nobody
        return True


def token_of(answer: bytes) -> bytes:
    """The write token in an answer, bencoded; empty if there is none."""
    at = answer.find(b"5:token")
    if at < 0:
        return b""
    colon = answer.find(b":", at + 7)
    return answer[at + 7 : colon + 1 + int(answer[at + 7 : colon])]


def ipv4(source: int) -> bytes:
    """127.64.0.1 and on, the next source in the next /24."""
    return struct.pack(">I", 0x7F400001 + (source % 0x3000 << 8) + source // 0x3000)


def node_id(address: bytes) -> bytes:
    return sha1(address).digest()
