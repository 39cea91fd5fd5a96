"""All uTP connections of one UDP socket. It has one task for all that waits for time; packets are dealt with inline."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from random import Random
from typing import Final, NoReturn, TypeAlias

import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError, Reason, RemoteProtocolError
from magnetite.net.base import Datagram, DatagramSocket
from magnetite.net.udp import UdpSocket
from magnetite.net.utp.connection import Connection, State
from magnetite.net.utp.half_open import HalfOpen
from magnetite.net.utp.inbound import CAPACITY
from magnetite.net.utp.packet import MODULUS, Packet, Type, decode, encode
from magnetite.net.utp.stream import UtpStream

CONNECTIONS: Final = 2000  # in all; callers beyond that are refused
BACKLOG: Final = 128  # connected callers that nobody has accepted yet
SPARE: Final = 100  # stale entries of the timetable that do not matter; a flood of callers would leave them behind
RESETS: Final = 100  # a second, for packets of no connection: a flood is not answered packet by packet

_Key: TypeAlias = "tuple[Endpoint, int]"  # who, and the connection id it sends


class UtpPort:
    """Implements net.base.Listener and Transport on a UDP socket, which stays its owner's.

    Its owner hands every datagram that may be uTP to `receive`, and runs `run` as long as the port is open.
    """

    def __init__(self, socket: DatagramSocket, rng: Random) -> None:
        self.local = socket.local
        self._socket = socket
        self._rng = rng
        self._streams: dict[_Key, UtpStream] = {}
        self._half_open = HalfOpen(rng)
        self._callers: deque[UtpStream] = deque()
        self._accepting = trio.lowlevel.ParkingLot()
        self._due: list[tuple[float, int, UtpStream]] = []
        self._order = count()
        self._sooner = trio.lowlevel.ParkingLot()
        self._is_closed = False
        self._resets_from = -inf  # the second in which they are counted
        self._resets = 0

    def __len__(self) -> int:
        """How many connections there are, those that are opening and closing included."""
        return len(self._streams)

    # -- opening -----------------------------------------------------------------------------------------------------

    async def connect(self, remote: Endpoint) -> UtpStream:
        """Implements net.base.Transport; gives up by itself after 15 seconds."""
        await trio.lowlevel.checkpoint()
        if self._is_closed or remote.is_ipv6 is not self.local.is_ipv6:
            raise NetworkError(f"no uTP from {self.local} to {remote}", Reason.UNREACHABLE)
        now = trio.current_time()
        receive_id = self._free_id(remote)
        stream = self._add(Connection.dial(receive_id, remote.is_ipv6, now), remote)
        connection = stream.connection
        if not self._flush(stream, now):
            connection.abort(now)
        try:
            while connection.state is State.SYN_SENT:
                await stream.opened.park()
        except BaseException:
            connection.abort(trio.current_time())
            self._flush(stream, trio.current_time())
            raise
        if connection.state is State.CLOSED:
            raise NetworkError(f"{remote} does not talk uTP with us", connection.reason)
        return stream

    async def accept(self) -> UtpStream:
        """The next connection. Raises NetworkError once closed."""
        await trio.lowlevel.checkpoint()
        while not self._callers:
            if self._is_closed:
                raise NetworkError(f"the uTP port {self.local} is closed")
            await self._accepting.park()
        return self._callers.popleft()

    async def aclose(self) -> None:
        """Every connection ends at once, and its other side is told."""
        if not self._is_closed:
            self._is_closed = True
            now = trio.current_time()
            for stream in list(self._streams.values()):
                stream.connection.abort(now)
                self._flush(stream, now)
            self._callers.clear()
            self._accepting.unpark_all()
        await trio.lowlevel.cancel_shielded_checkpoint()

    def _free_id(self, remote: Endpoint) -> int:
        while (remote, receive_id := self._rng.randrange(MODULUS)) in self._streams:
            pass
        return receive_id

    def _add(self, connection: Connection, remote: Endpoint) -> UtpStream:
        stream = UtpStream(connection, self.local, remote, self._flush)
        self._streams[remote, connection.receive_id] = stream
        return stream

    # -- datagrams ---------------------------------------------------------------------------------------------------

    def receive(self, datagrams: Iterable[Datagram]) -> None:
        """Take in what has come; each connection then says once what is to be sent for all of it."""
        now = trio.current_time()
        touched: dict[UtpStream, None] = {}
        streams = self._streams
        for data, source in datagrams:
            try:
                packet = decode(data)
            except RemoteProtocolError:
                continue
            stream = streams.get((source, packet.connection_id)) or self._other_stream(packet, source, now)
            if stream is not None:
                stream.connection.receive(packet, now)
                touched[stream] = None
        for stream in touched:
            self._flush(stream, now)

    def _other_stream(self, packet: Packet, source: Endpoint, now: float) -> UtpStream | None:
        """Whose a packet is that does not bear the id its connection is known by."""
        match packet.type:
            case Type.SYN:
                self._on_call(packet, source, now)
            case Type.RESET:  # who knows nothing of a connection can only send our own id back
                for step in (1, -1):
                    stream = self._streams.get((source, (packet.connection_id + step) % MODULUS))
                    if stream is not None and stream.connection.send_id == packet.connection_id:
                        return stream
            case _:
                caller = self._half_open.take(packet, source, now)
                if caller is not None and len(self._callers) < BACKLOG:
                    stream = self._add(Connection.answer(caller, source.is_ipv6, now), source)
                    self._callers.append(stream)
                    self._accepting.unpark()
                    return stream
                self._reset(packet, source, now)
        return None

    def _on_call(self, syn: Packet, source: Endpoint, now: float) -> None:
        if (source, (syn.connection_id + 1) % MODULUS) in self._streams:
            return
        if len(self._streams) >= CONNECTIONS or self._is_closed:
            self._reset(syn, source, now)
        else:
            self._socket.send(self._half_open.answer(syn, source, CAPACITY, now), source)

    def _reset(self, packet: Packet, source: Endpoint, now: float) -> None:
        """Say that there is no such connection, at least not any more."""
        if now >= self._resets_from + 1:
            self._resets_from, self._resets = now, 0
        if self._resets < RESETS:
            self._resets += 1
            stamp = int(now * 1e6)
            last = packet.seq_nr - (packet.type is Type.STATE)  # whose number is that of the packet to come
            answer = encode(Type.RESET, packet.connection_id, stamp, 0, 0, self._rng.randrange(MODULUS), last)
            self._socket.send(answer, source)

    # -- connections -------------------------------------------------------------------------------------------------

    def _flush(self, stream: UtpStream, now: float) -> bool:
        """Send what a connection has to say now; wake who waits for it. False if the network took nothing."""
        connection = stream.connection
        connection.flush(now)
        is_taken = self._send_all(connection, stream.remote)
        if connection.state is State.CLOSED:
            self._drop(stream)
        else:
            due = connection.next_deadline
            if due < stream.due:
                self._schedule(stream, due)
        stream.wake()
        return is_taken

    def _schedule(self, stream: UtpStream, due: float) -> None:
        if len(self._due) > SPARE + 2 * len(self._streams):
            self._due = [entry for entry in self._due if entry[0] == entry[2].due]
            heapify(self._due)
        stream.due = due
        heappush(self._due, (due, next(self._order), stream))
        if self._due[0][2] is stream:
            self._sooner.unpark_all()

    def _send_all(self, connection: Connection, remote: Endpoint) -> bool:
        """What is not taken is lost on the way. Only the operating system's sockets know of batches and fragments."""
        socket, outbox, taken = self._socket, connection.outbox, 0
        if connection.fragmentable:
            send = socket.send_in_fragments if isinstance(socket, UdpSocket) else socket.send
            for data in connection.fragmentable:
                taken += send(data, remote)
            connection.fragmentable.clear()
        if isinstance(socket, UdpSocket) and len(outbox) > 1:
            taken += socket.send_many(outbox, remote)
        else:
            for data in outbox:
                taken += socket.send(data, remote)
        outbox.clear()
        if connection.probes:
            send = socket.send_whole if isinstance(socket, UdpSocket) else socket.send
            for data in connection.probes:
                taken += send(data, remote)
            connection.probes.clear()
        return taken > 0

    def _drop(self, stream: UtpStream) -> None:
        stream.due = inf
        key = stream.remote, stream.connection.receive_id
        if self._streams.get(key) is stream:
            del self._streams[key]

    async def run(self) -> NoReturn:
        """Do for every connection what time alone brings about."""
        while True:
            with trio.move_on_at(self._due[0][0] if self._due else inf):
                await self._sooner.park()
            now = trio.current_time()
            while self._due and self._due[0][0] <= now:
                due, _, stream = heappop(self._due)
                if due == stream.due:  # and not an entry that an earlier one replaced
                    stream.due = inf
                    stream.connection.on_time(now)
                    self._flush(stream, now)
