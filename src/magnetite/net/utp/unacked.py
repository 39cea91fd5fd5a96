"""What was sent and is not acked yet: what an ack covers, and what must have been lost. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final

import msgspec

from magnetite.net.base import Buffer
from magnetite.net.utp.packet import MODULUS, Type

LATER: Final = 3  # packets that arrived behind one until that is taken for lost (BEP 29, packet loss)
PATIENCE: Final = 1.25  # round trips until a packet that was sent again may be taken for lost again
MOST: Final = 4096  # packets; far below half of the sequence numbers, so that there is never a doubt which is meant


class Sent(msgspec.Struct):
    """`tries` counts sendings; `is_lost` until it is sent again."""

    seq_nr: int
    type: Type
    payload: Buffer
    sent_at: float
    tries: int = 1
    is_lost: bool = False
    is_probe: bool = False


class Acks(msgspec.Struct, gc=False):
    """What an ack told: `newest` is the packet of those acked that was sent last, if it was sent only once."""

    packets: int = 0
    bytes: int = 0
    newest: Sent | None = None
    largest: int = 0  # bytes of payload of those sent only once


class Unacked:
    """Sequence numbers here do not wrap: the field of a header is the number modulo 2^16.

    Invariants: all up to `acked` are acked, `next` is the first that was never used, `flight` counts the bytes of
    packets that are neither acked nor lost, and packets are kept in the order of their numbers.
    """

    def __init__(self, next_seq_nr: int) -> None:
        self.next = next_seq_nr
        self.acked = next_seq_nr - 1
        self.flight = 0
        self._packets: dict[int, Sent] = {}
        self._lost: deque[Sent] = deque()

    def __len__(self) -> int:
        return len(self._packets)

    def __iter__(self) -> Iterator[Sent]:
        return iter(self._packets.values())

    @property
    def oldest(self) -> Sent | None:
        return next(iter(self._packets.values()), None)

    @property
    def is_full(self) -> bool:
        return self.next - self.acked > MOST

    def add(self, type_: Type, payload: Buffer, now: float) -> Sent:
        sent = self._packets[self.next] = Sent(self.next, type_, payload, now)
        self.next += 1
        self.flight += len(payload)
        return sent

    def is_plausible(self, ack_nr: int) -> bool:
        """Whether it acks what was sent, now or a while ago; a stranger who writes to our port would have to guess."""
        return (ack_nr - self.acked + MOST) % MODULUS <= MOST + self.next - 1 - self.acked

    def acknowledge(self, ack_nr: int, sack: int) -> Acks:
        """Take in the fields of a header that `is_plausible`."""
        acks = Acks()
        count = (ack_nr - self.acked) % MODULUS
        if count < self.next - self.acked:
            for seq_nr in range(self.acked + 1, self.acked + 1 + count):
                self._settle(seq_nr, acks)
            self.acked += count
        elif sack:
            sack = 0  # an old packet: what it told was told since
        if sack:
            for seq_nr in self._named(sack):
                self._settle(seq_nr, acks)
        return acks

    def _named(self, sack: int) -> Iterator[int]:
        """The packets that a selective ack names; bits of packets never sent are ignored."""
        first = self.acked + 2
        sack &= (1 << max(0, self.next - first)) - 1
        while sack:
            lowest = sack & -sack
            yield first + lowest.bit_length() - 1
            sack ^= lowest

    def _settle(self, seq_nr: int, acks: Acks) -> None:
        sent = self._packets.pop(seq_nr, None)
        if sent is None:
            return
        length = len(sent.payload)
        if not sent.is_lost:
            self.flight -= length
        acks.packets += 1
        acks.bytes += length
        if sent.tries == 1:
            acks.newest = sent
            if length > acks.largest:
                acks.largest = length

    def find_lost(self, sack: int, round_trip: float, now: float) -> list[Sent]:
        """Those behind which LATER packets have arrived, by the selective ack just taken in; they are sent again."""
        later = sack & ((1 << max(0, self.next - self.acked - 2)) - 1)
        if later.bit_count() < LATER:
            return []
        for _ in range(LATER - 1):
            later ^= 1 << (later.bit_length() - 1)
        horizon = self.acked + 1 + later.bit_length()
        found = []
        for sent in self._packets.values():
            if sent.seq_nr >= horizon:
                break
            if not sent.is_lost and (sent.tries == 1 or now - sent.sent_at > PATIENCE * round_trip):
                found.append(sent)
        for sent in found:
            self._lose(sent)
        return found

    def lose_oldest(self, round_trip: float, now: float) -> list[Sent]:
        """The oldest is missing at the other side, as three acks of the same number say."""
        sent = self.oldest
        if sent is None or sent.is_lost or (sent.tries > 1 and now - sent.sent_at <= PATIENCE * round_trip):
            return []
        self._lose(sent)
        return [sent]

    def lose_all(self) -> None:
        """No ack came in time: nothing is on its way any more."""
        self._lost.clear()
        for sent in self._packets.values():
            sent.is_lost = True
            self._lost.append(sent)
        self.flight = 0

    def _lose(self, sent: Sent) -> None:
        sent.is_lost = True
        self.flight -= len(sent.payload)
        self._lost.append(sent)

    def next_lost(self) -> Sent | None:
        """What is to be sent again first; what was acked meanwhile is not."""
        while self._lost:
            sent = self._lost[0]
            if sent.is_lost and sent.seq_nr in self._packets:
                return sent
            self._lost.popleft()
        return None

    def on_resent(self, sent: Sent, now: float) -> None:
        """`sent` is what `next_lost` gave."""
        self._lost.popleft()
        sent.is_lost = False
        sent.tries += 1
        sent.sent_at = now
        self.flight += len(sent.payload)
