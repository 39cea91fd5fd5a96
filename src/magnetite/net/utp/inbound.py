"""What has arrived: put in order, kept until it is read, and the room that is left. Pure."""

from __future__ import annotations

from typing import Final

from magnetite.net.utp.packet import LONGEST_MASK, MODULUS

CAPACITY: Final = 1 << 20  # bytes unread or out of order; libutp and libtorrent have the same. 10 MB/s at 100 ms
AHEAD: Final = 8 * LONGEST_MASK  # packets beyond the next one: as many as a selective ack can name


class Inbound:
    """Invariant: `unread` and what is kept out of order are CAPACITY bytes and a packet at most, and AHEAD packets.

    `has_ended` when everything up to the remote's FIN has arrived.
    """

    def __init__(self, ack_nr: int) -> None:
        self.ack_nr = ack_nr
        self.unread = bytearray()
        self.has_ended = False
        self._early: dict[int, bytes | None] = {}  # by sequence number; None is the FIN
        self._early_bytes = 0
        self._last: int | None = None  # the FIN's number

    @property
    def window(self) -> int:
        """Bytes that there is room for."""
        return max(0, CAPACITY - len(self.unread) - self._early_bytes)

    @property
    def has_gap(self) -> bool:
        return bool(self._early)

    def is_late(self, seq_nr: int) -> bool:
        """Whether a packet has been sent again, by all we know: it was acked, or others have overtaken it."""
        behind = (self.ack_nr + 1 - seq_nr) % MODULUS
        return 0 < behind <= AHEAD or (behind == 0 and bool(self._early))

    def add(self, seq_nr: int, payload: bytes | None) -> bool:
        """A packet has come, None for a FIN. False where it was there before, or cannot be kept."""
        if self.has_ended:
            return False
        ahead = (seq_nr - self.ack_nr - 1) % MODULUS
        if not ahead and payload and self._last is None and not self._early and len(self.unread) < CAPACITY:
            self.ack_nr = seq_nr  # nearly every packet
            self.unread += payload
            return True
        if ahead >= AHEAD or (payload and not self.window) or not self._fits_the_end(seq_nr, payload, ahead):
            return False
        if ahead:
            if seq_nr in self._early:
                return False
            self._early[seq_nr] = payload
            self._early_bytes += len(payload or b"")
            return True
        self._append(payload)
        while self._early and (following := (self.ack_nr + 1) % MODULUS) in self._early:
            payload = self._early.pop(following)
            self._early_bytes -= len(payload or b"")
            self._append(payload)
        return True

    def _fits_the_end(self, seq_nr: int, payload: bytes | None, ahead: int) -> bool:
        """Nothing comes behind a FIN, and there is one FIN (BEP 29, ST_FIN: eof_pkt)."""
        if payload is None:
            if self._last is None and all((early - seq_nr) % MODULUS >= AHEAD for early in self._early):
                self._last = seq_nr
            return self._last == seq_nr
        return self._last is None or ahead < (self._last - self.ack_nr - 1) % MODULUS

    def _append(self, payload: bytes | None) -> None:
        self.ack_nr = (self.ack_nr + 1) % MODULUS
        if payload is None:
            self.has_ended = True
            self._early.clear()
            self._early_bytes = 0
        else:
            self.unread += payload

    def read_into(self, buffer: memoryview) -> int:
        """Move the front of what is unread to the front of `buffer`."""
        length = min(len(buffer), len(self.unread))
        with memoryview(self.unread) as unread:
            buffer[:length] = unread[:length]
        del self.unread[:length]
        return length

    @property
    def sack(self) -> int:
        """Bit n for packet ack_nr + 2 + n, which is there; 0 where nothing is missing."""
        sack = 0
        for seq_nr in self._early:
            sack |= 1 << (seq_nr - self.ack_nr - 2) % MODULUS
        return sack
