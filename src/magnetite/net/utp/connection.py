"""One uTP connection: packets, bytes and time in, datagrams out. Pure.

    dialled:  SYN_SENT ------(STATE)-----> CONNECTED --(close)--> CLOSING --(FIN acked, and theirs come)--> CLOSED
    called:   by whom has shown that it hears us --> CONNECTED (see HalfOpen)
    any but CLOSED: RESET, or nothing heard for too long --> CLOSED

Decisions fall when they are called for: `receive` only takes a packet in, and `flush` then says what is to be sent for
all that came at once, which is why a burst of packets is acked once.
"""

from __future__ import annotations

from enum import Enum, auto
from math import inf
from typing import Final

from magnetite.errors import NetworkError, Reason
from magnetite.net.base import Buffer
from magnetite.net.utp.delay import DelayHistory
from magnetite.net.utp.half_open import Caller
from magnetite.net.utp.inbound import CAPACITY, Inbound
from magnetite.net.utp.ledbat import Ledbat
from magnetite.net.utp.packet import HEADER, MODULUS, Packet, Type, encode
from magnetite.net.utp.path_mtu import PathMtu
from magnetite.net.utp.round_trip import RoundTrip
from magnetite.net.utp.unacked import Sent, Unacked

UNSENT: Final = 256 << 10  # bytes accepted beyond the window; a writer is woken when half of it has gone
ACK_DELAY: Final = 0.02  # seconds a lone packet waits for its ack: long enough for an answer to carry it, and no longer
ACK_EVERY: Final = 2  # packets, at most (RFC 5681), unless they come in one burst
KEEP_ALIVE: Final = 29.0  # seconds without sending; some routers forget a UDP mapping after 30 (libutp)
SYN_TRIES: Final = 5  # 1 + 2 + 4 + 4 + 4 seconds
TRIES: Final = 8  # sendings of a packet: 23 seconds at least; libutp has 5 in 15 seconds, libtorrent 3
LINGER: Final = 30.0  # seconds after closing, until what is not acked is given up
FIN_WAIT: Final = 3.0  # seconds for the remote's FIN, once ours is acked
DUPLICATES: Final = 3  # acks of the same number, until the next packet is taken for lost (BEP 29, packet loss)
UNKNOWN: Final = 0x7FFFFFFF  # a difference that uTorrent sends where it knows none


class State(Enum):
    SYN_SENT = auto()
    CONNECTED = auto()
    CLOSING = auto()  # our side is closed: what was accepted goes out, and a FIN behind it
    CLOSED = auto()


class Connection:
    """Made by `dial` or `answer`. After any call `flush`, and send what it puts into `outbox`.

    Before `outbox` come `fragmentable`, which routers may fragment, and behind it `probes`, which nobody may. `reason`
    says why it is CLOSED.
    """

    def __init__(self, state: State, receive_id: int, send_id: int, seq_nr: int, is_ipv6: bool, now: float) -> None:
        self.state = state
        self.receive_id = receive_id
        self.send_id = send_id
        self.reason = Reason.CONNECTION_LOST
        self.outbox: list[bytes] = []
        self.probes: list[bytes] = []
        self.fragmentable: list[bytes] = []
        self.unacked = Unacked(seq_nr)
        self.inbound = Inbound(0)
        self.round_trip = RoundTrip()
        self.delay = DelayHistory()
        self.mtu = PathMtu(is_ipv6, now)
        self.ledbat = Ledbat(self.mtu.size - HEADER.size)
        self._unsent = bytearray()
        self._window = 0  # the remote's
        self._advertised = CAPACITY
        self._reply = 0  # microseconds modulo 2^32 between the remote's clock and ours, when its last packet came
        self._heard_at = now
        self._to_ack = 0  # packets that came since our last ack
        self._must_ack = False
        self._must_repeat = False  # the ack
        self._is_full = False  # whether it was the window that held us back when we sent last
        self._duplicates = 0
        self._recovery = seq_nr  # losses of packets before it have been answered by a smaller window
        self._small_unacked = seq_nr - 1  # the last packet we sent that was not full
        self._timeouts = 0  # in a row
        self._fin: Sent | None = None
        self._timeout_at = inf
        self._ack_at = inf
        self._give_up_at = inf
        self._sent_at = now

    @classmethod
    def dial(cls, receive_id: int, is_ipv6: bool, now: float) -> Connection:
        """Our SYN is to be flushed; its sequence number is 1, and answers come to `receive_id` (BEP 29, ST_SYN)."""
        connection = cls(State.SYN_SENT, receive_id, (receive_id + 1) % MODULUS, 1, is_ipv6, now)
        connection.unacked.add(Type.SYN, b"", now)
        connection._transmit(Type.SYN, 1, b"", now)
        connection._timeout_at = now + connection.round_trip.timeout
        return connection

    @classmethod
    def answer(cls, caller: Caller, is_ipv6: bool, now: float) -> Connection:
        """The other end of a SYN whose sender has seen our answer."""
        receive_id = (caller.connection_id + 1) % MODULUS
        connection = cls(State.CONNECTED, receive_id, caller.connection_id, caller.seq_nr, is_ipv6, now)
        connection.inbound = Inbound(caller.syn_nr)
        return connection

    # -- what the application sees -----------------------------------------------------------------------------------

    @property
    def is_readable(self) -> bool:
        """Whether `read_into` has something to say."""
        return bool(self.inbound.unread) or self.inbound.has_ended or self.state is State.CLOSED

    @property
    def is_writable(self) -> bool:
        """Whether `write` is worth a call."""
        return len(self._unsent) <= UNSENT // 2 or self.state is not State.CONNECTED

    def read_into(self, buffer: memoryview) -> int | None:
        """How many bytes were there, 0 at the end; None if there is nothing yet. Raises NetworkError."""
        if self.inbound.unread:
            return self.inbound.read_into(buffer)
        if self.inbound.has_ended:
            return 0
        if self.state is State.CLOSED:
            raise NetworkError(reason=self.reason)
        return None

    def write(self, data: memoryview) -> int:
        """How many bytes from the front were accepted, perhaps none. Raises NetworkError."""
        if self.state is not State.CONNECTED:
            raise NetworkError(reason=self.reason)
        part = data[: UNSENT - len(self._unsent)]
        self._unsent += part
        return len(part)

    def close(self, now: float) -> None:
        """Nothing is read or written any more; what was written still goes out, and then a FIN."""
        match self.state:
            case State.CONNECTED:
                self.state = State.CLOSING
                self._give_up_at = now + LINGER
                self.inbound.unread.clear()
            case State.SYN_SENT:
                self._end(Reason.CONNECTION_LOST)

    def abort(self, now: float) -> None:
        """Close at once, and tell the remote."""
        if self.state not in (State.CLOSED, State.SYN_SENT):
            self._transmit(Type.RESET, self.unacked.next, b"", now)
        self._end(Reason.CONNECTION_LOST)

    # -- packets -----------------------------------------------------------------------------------------------------

    def receive(self, packet: Packet, now: float) -> None:
        """Take in a packet of this connection, whatever it says."""
        if packet.type is Type.RESET:
            # libutp acks the packet that it knows no connection for, and a STATE of ours bears our next number.
            if self.unacked.is_plausible(packet.ack_nr) or packet.ack_nr == self.unacked.next % MODULUS:
                self._end(Reason.REFUSED if self.state is State.SYN_SENT else Reason.CONNECTION_LOST)
            return
        match self.state:
            case State.CLOSED:
                return
            case State.SYN_SENT:
                if packet.type not in (Type.STATE, Type.DATA) or packet.ack_nr != self.unacked.acked + 1:
                    return
                # A STATE bears the number that the first data will have; BEP 29's diagram is drawn otherwise.
                self.inbound = Inbound((packet.seq_nr - 1) % MODULUS)
                self.state = State.CONNECTED
                self._must_ack = True  # so that the other side knows it, and us, before there is data
        if packet.type is Type.SYN:
            return  # an old one, for it has been answered
        if not self.unacked.is_plausible(packet.ack_nr):
            return
        self._note(packet, now)
        if self.unacked:
            self._take_acks(packet, now)
        if packet.type is Type.DATA:
            self._take_data(packet.seq_nr, packet.payload)
        elif packet.type is Type.FIN:
            self._take_data(packet.seq_nr, None)

    def _note(self, packet: Packet, now: float) -> None:
        self._reply = int(now * 1e6) - packet.timestamp
        self._heard_at = now
        if self._window == 0 and packet.window and self.unacked:
            self.unacked.lose_all()  # what went into a shut window was thrown away
        self._window = packet.window

    def _take_data(self, seq_nr: int, payload: bytes | None) -> None:
        is_late = self.inbound.is_late(seq_nr)
        is_new = self.inbound.add(seq_nr, payload)
        self._to_ack += 1
        if not is_new or payload is None or self.inbound.has_gap:
            self._must_ack = True  # the other side waits for it
        if is_late:
            self._must_ack = self._must_repeat = True
        if is_new and self.state is State.CLOSING:
            self.inbound.unread.clear()  # nobody reads any more
            if payload is not None and self._is_fin_acked:
                self._end(Reason.CONNECTION_LOST)

    def _take_acks(self, packet: Packet, now: float) -> None:
        unacked = self.unacked
        is_repeated = packet.type is Type.STATE and packet.ack_nr == unacked.acked % MODULUS and not packet.sack
        acks = unacked.acknowledge(packet.ack_nr, packet.sack)
        if acks.newest is not None:
            self.round_trip.add(now - acks.newest.sent_at)
        if acks.packets:
            self._on_progress(acks.bytes, acks.largest, packet.difference, now)
        lost = []
        if packet.sack and packet.ack_nr == unacked.acked % MODULUS:
            lost = unacked.find_lost(packet.sack, self.round_trip.smoothed, now)
        elif is_repeated:
            self._duplicates += 1
            if self._duplicates == DUPLICATES:
                lost = unacked.lose_oldest(self.round_trip.smoothed, now)
        for sent in lost:
            self._on_loss(sent)

    def _on_progress(self, acked: int, largest: int, difference: int, now: float) -> None:
        self._duplicates = 0
        self._timeouts = 0
        self.round_trip.come_back()
        self._timeout_at = now + self.round_trip.timeout if self.unacked else inf
        if largest + HEADER.size > self.mtu.size:
            self.mtu.on_arrived(largest + HEADER.size)
            self.ledbat.packet = self.mtu.size - HEADER.size
        if acked and difference and difference != UNKNOWN:
            self.delay.add(difference, now)
            self.ledbat.on_ack(acked, self._is_full, self.delay.queueing, self.round_trip.smoothed, now)
        if self._is_fin_acked:
            self._give_up_at = min(self._give_up_at, now + FIN_WAIT)

    @property
    def _is_fin_acked(self) -> bool:
        return self._fin is not None and self._fin.seq_nr <= self.unacked.acked

    def _on_loss(self, sent: Sent) -> None:
        if sent.is_probe:  # too large, most likely; no sign of a full line
            sent.is_probe = False
            self.mtu.on_probe_lost()
        elif sent.seq_nr >= self._recovery:
            self._recovery = self.unacked.next
            self.ledbat.on_loss()

    def _end(self, reason: Reason) -> None:
        if self.state is not State.CLOSED:
            self.state = State.CLOSED
            self.reason = reason
            self.unacked = Unacked(self.unacked.next)
            self._unsent.clear()
            self._must_ack = False
            self._to_ack = 0

    # -- time --------------------------------------------------------------------------------------------------------

    @property
    def next_deadline(self) -> float:
        """When `on_time` has something to do; inf once it is CLOSED."""
        if self.state is State.CLOSED:
            return inf
        keep_alive_at = self._sent_at + KEEP_ALIVE if self._is_established else inf
        return min(self._timeout_at, self._ack_at, self._give_up_at, keep_alive_at)

    @property
    def _is_established(self) -> bool:
        return self.state in (State.CONNECTED, State.CLOSING)

    def on_time(self, now: float) -> None:
        """Do what is due."""
        if now >= self._give_up_at:
            self.abort(now)
            return
        if now >= self._ack_at:
            self._must_ack = True
        if now >= self._timeout_at:
            self._on_timeout(now)
        if now >= self._sent_at + KEEP_ALIVE and self._is_established:
            self._must_ack = True

    def _on_timeout(self, now: float) -> None:
        oldest = self.unacked.oldest
        if oldest is not None and oldest.is_probe:  # and no sign that more is amiss
            for sent in self.unacked.lose_oldest(self.round_trip.smoothed, now):
                self._on_loss(sent)
            self._timeout_at = now + self.round_trip.timeout
            return
        self._timeouts += 1
        self.round_trip.back_off()
        self._timeout_at = now + self.round_trip.timeout
        if oldest is None:  # the remote's window was shut all the time
            self._probe_window(now)
            return
        if oldest.tries >= (SYN_TRIES if oldest.type is Type.SYN else TRIES) and self._heard_at < oldest.sent_at:
            self._end(Reason.CONNECT_TIMEOUT if self.state is State.SYN_SENT else Reason.CONNECTION_LOST)
            return
        self.mtu.on_timeouts(self._timeouts)
        for sent in self.unacked:
            sent.is_probe = False
        self.unacked.lose_all()
        self.ledbat.packet = self.mtu.size - HEADER.size
        self.ledbat.on_timeout()
        self._recovery = self.unacked.next
        self._resend(now)

    # -- sending -----------------------------------------------------------------------------------------------------

    def flush(self, now: float) -> None:
        """Put into `outbox` what may be sent now."""
        if self.state is State.CLOSED:
            return
        if self._is_established:
            self._fill_window(now)
            self._is_full = self.unacked.flight + self.ledbat.packet > self.ledbat.window
        if self._must_ack or self._to_ack >= ACK_EVERY or self.has_window_news:
            self._transmit(Type.STATE, self.unacked.next, b"", now)
            if self._must_repeat:  # it was sent again; libtorrent gives the connection up after three times
                self._must_repeat = False
                self.outbox.append(self.outbox[-1])
        elif self._to_ack and self._ack_at == inf:
            self._ack_at = now + ACK_DELAY
        if self._is_fin_acked and self.inbound.has_ended:
            self._end(Reason.CONNECTION_LOST)

    @property
    def has_window_news(self) -> bool:
        """Whether the other side stands still, or soon will, for a window that is wide again."""
        if self._advertised >= CAPACITY // 2:
            return False
        return self.state is State.CONNECTED and self.inbound.window >= self._advertised + CAPACITY // 4

    def _fill_window(self, now: float) -> None:
        unacked = self.unacked
        limit = min(int(self.ledbat.window), self._window)
        while (lost := unacked.next_lost()) is not None:
            if unacked.flight + len(lost.payload) > limit and lost is not unacked.oldest:
                return
            self._resend(now)
        while self._unsent and not unacked.is_full:
            length, is_probe = self._next_length(now)
            if unacked.flight + length > limit and (unacked.flight or self._window == 0):
                break  # but one packet may be under way however small the window is (BEP 29, overview)
            if length < self.mtu.size - HEADER.size:
                if not self._may_send_small():
                    break
                self._small_unacked = unacked.next
            payload = bytes(memoryview(self._unsent)[:length])
            del self._unsent[:length]
            if is_probe:
                self._send(Type.DATA, payload, now, into=self.probes).is_probe = True
                self.mtu.on_probe_sent()
                return  # it is sent last of all that is flushed, so nothing may overtake it
            self._send(Type.DATA, payload, now)
        if self.state is State.CLOSING and not self._unsent and self._fin is None:
            self._fin = self._send(Type.FIN, b"", now)
        if self._unsent and self._timeout_at == inf:  # for the window
            self._timeout_at = now + self.round_trip.timeout

    def _next_length(self, now: float) -> tuple[int, bool]:
        """Payload of the next packet, and whether it is a probe of the path."""
        size = self.mtu.probe(now)
        if size is not None and len(self._unsent) >= size - HEADER.size:
            return size - HEADER.size, True
        return min(self.mtu.size - HEADER.size, len(self._unsent)), False

    def _may_send_small(self) -> bool:
        """Nagle's rule as Minshall has it: one small packet at a time, so that crumbs gather and a last one goes."""
        return self._small_unacked <= self.unacked.acked or self.state is State.CLOSING

    def _probe_window(self, now: float) -> None:
        """One packet into a window that is shut: the ack tells whether it still is, if the news was lost."""
        if self._unsent:
            length = min(self.mtu.size - HEADER.size, len(self._unsent))
            payload = bytes(memoryview(self._unsent)[:length])
            del self._unsent[:length]
            self._send(Type.DATA, payload, now)
        else:
            self._timeout_at = inf

    def _send(self, type_: Type, payload: bytes, now: float, into: list[bytes] | None = None) -> Sent:
        sent = self.unacked.add(type_, payload, now)
        self._transmit(type_, sent.seq_nr, payload, now, into)
        if self._timeout_at == inf:
            self._timeout_at = now + self.round_trip.timeout
        return sent

    def _resend(self, now: float) -> None:
        sent = self.unacked.next_lost()
        if sent is not None:
            self.unacked.on_resent(sent, now)
            is_large = len(sent.payload) + HEADER.size > self.mtu.size
            self._transmit(sent.type, sent.seq_nr, sent.payload, now, self.fragmentable if is_large else None)

    def _transmit(self, type_: Type, seq_nr: int, payload: Buffer, now: float, into: list[bytes] | None = None) -> None:
        """A datagram with the newest ack, and what the remote wants to know of its delay."""
        inbound = self.inbound
        self._advertised = inbound.window
        data = encode(
            type_,
            self.receive_id if type_ is Type.SYN else self.send_id,
            int(now * 1e6),
            self._reply,
            self._advertised,
            seq_nr,
            inbound.ack_nr,
            inbound.sack if inbound.has_gap and type_ is Type.STATE else 0,
            payload,
        )
        (self.outbox if into is None else into).append(data)
        self._sent_at = now
        self._must_ack = False
        self._to_ack = 0
        self._ack_at = inf
