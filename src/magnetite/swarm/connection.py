"""One connection's life: dialled or accepted, shaken hands within a deadline, then read and written until it ends.

The loops here only wait; what the bytes mean is the Peer's. This is the one place that catches a peer's faults.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from math import inf
from typing import TypeAlias

import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError, Reason, RemoteProtocolError, StorageError, WireError
from magnetite.ids import InfoHash
from magnetite.net.base import Buffer, ByteStream, Network
from magnetite.swarm.commit_queue import CommitQueue
from magnetite.swarm.exchange import Exchange
from magnetite.swarm.outbox import batch_length, contiguous
from magnetite.swarm.peer import Peer
from magnetite.swarm.throttle import Throttle
from magnetite.wire.handshake import Handshake
from magnetite.wire.messages import BlockRequest, KeepAlive, Message, block_header, encode
from magnetite.wire.peer_wire import PeerWire

CONNECT_TIMEOUT = 10.0  # seconds for the stream, and again for the whole handshake, however its bytes drip
KEEP_ALIVE_EVERY = 110.0  # seconds without sending (BEP 3: "generally two minutes")
KEEP_ALIVE = encode(KeepAlive())

ReadBlock: TypeAlias = Callable[[int, int, int], Awaitable[Buffer]]  # piece, begin, length


@dataclass(frozen=True, slots=True)
class Connection:
    """A stream on which both handshakes are done, and the messages that came right behind the remote's."""

    stream: ByteStream
    wire: PeerWire
    handshake: Handshake  # the remote's
    early: list[Message]


async def dial(network: Network, remote: Endpoint, ours: Handshake, local_ip: str | None) -> Connection:
    """Connect to a peer and shake hands. Raises NetworkError or WireError; no stream is left behind then."""
    with _within(CONNECT_TIMEOUT, Reason.CONNECT_TIMEOUT):
        stream = await network.connect(remote, local_ip)
    async with AsyncExitStack() as stack:
        stack.push_async_callback(stream.aclose)
        wire = PeerWire()
        with _within(CONNECT_TIMEOUT, Reason.HANDSHAKE_TIMEOUT):
            await stream.send_all(ours.encode())
            early, theirs = await _receive_handshake(stream, wire)
        if theirs.info_hash != ours.info_hash:
            raise WireError(reason=Reason.WRONG_INFO_HASH)
        stack.pop_all()
    return Connection(stream, wire, theirs, early)


async def welcome(stream: ByteStream, answer: Callable[[InfoHash], Handshake | None]) -> Connection:
    """Shake hands with somebody who dialled us. `answer` gives our side for the torrent it names, if we have it.

    Raises NetworkError or WireError; the stream is closed then.
    """
    async with AsyncExitStack() as stack:
        stack.push_async_callback(stream.aclose)
        wire = PeerWire()
        with _within(CONNECT_TIMEOUT, Reason.HANDSHAKE_TIMEOUT):
            while wire.info_hash is None:  # the peer id may come only after our answer (BEP 3)
                early = wire.received(await _receive(stream, wire))
            ours = answer(wire.info_hash)
            if ours is None:
                raise WireError(reason=Reason.WRONG_INFO_HASH)
            await stream.send_all(ours.encode())
            if wire.handshake is None:
                early, _ = await _receive_handshake(stream, wire)
        assert wire.handshake is not None
        stack.pop_all()
    return Connection(stream, wire, wire.handshake, early)


async def converse(
    peer: Peer, connection: Connection, exchange: Exchange, commits: CommitQueue, read_block: ReadBlock
) -> None:
    """Read and write until either side ends it; `peer.closing` says why. The stream is closed afterwards."""

    async def read_loop() -> None:
        peer.listening_since = inf
        await _take_in(peer, connection.early, exchange, commits)
        while True:
            throttle = exchange.throttles.down
            peer.listening_since = trio.current_time()
            count = await _receive(connection.stream, connection.wire, None if throttle is None else throttle.turn)
            peer.listening_since = inf
            await _take_in(peer, connection.wire.received(count), exchange, commits)
            if throttle is not None:
                await trio.sleep_until(throttle.charge(count, trio.current_time()))

    async def write_loop() -> None:
        turn = -inf  # when blocks may be sent again, where that is limited; messages go at once
        while True:
            throttle = exchange.throttles.up
            messages, requests = peer.outbox.take_messages(), _take_blocks(peer, throttle, turn)
            buffers: list[Buffer] = [*messages, *await _load(requests, read_block)]
            if not buffers:
                if await _something_to_send(peer, turn if peer.outbox.queued_blocks else inf):
                    continue
                buffers = [KEEP_ALIVE]
            peer.sending_since = trio.current_time()
            await connection.stream.send_all(*buffers)
            peer.sending_since = inf
            if requests:
                length, now = sum(request.length for request in requests), trio.current_time()
                peer.uploaded.add(length, now)
                if throttle is not None:
                    turn = throttle.charge(length, now)

    async def guard(loop: Callable[[], Awaitable[None]]) -> None:
        try:
            await loop()
        except (RemoteProtocolError, NetworkError, StorageError) as error:
            peer.close(error.reason, str(error))

    try:
        async with trio.open_nursery() as nursery:
            peer.hang_up = nursery.cancel_scope.cancel
            if peer.closing:  # before there was anything to hang up
                return
            nursery.start_soon(guard, read_loop)
            nursery.start_soon(guard, write_loop)
    finally:
        await connection.stream.aclose()


async def _take_in(peer: Peer, messages: list[Message], exchange: Exchange, commits: CommitQueue) -> None:
    """Let the peer act on what it said; wait where the disk is behind."""
    peer.receive(messages, exchange, trio.current_time())
    if peer.outbox.is_flooded:
        raise WireError("asks for more than it takes", Reason.TOO_MANY_REQUESTS)
    await commits.room()


async def _load(requests: list[BlockRequest], read_block: ReadBlock) -> list[Buffer]:
    """Headers and data of blocks, in order; blocks that lie side by side are read at once."""
    buffers: list[Buffer] = []
    for run in contiguous(requests):
        begin = run[0].begin
        data = memoryview(await read_block(run[0].piece, begin, sum(request.length for request in run)))
        for request in run:
            at = request.begin - begin
            buffers += block_header(*request), data[at : at + request.length]
    return buffers


def _take_blocks(peer: Peer, throttle: Throttle | None, turn: float) -> list[BlockRequest]:
    if not peer.outbox.queued_blocks:
        return []
    now = trio.current_time()
    if throttle is None:
        return peer.outbox.take_blocks(batch_length(peer.uploaded.rate(now)))
    return peer.outbox.take_blocks(throttle.turn) if now >= turn else []


async def _something_to_send(peer: Peer, turn: float) -> bool:
    """True as soon as the outbox is filled, or when `turn` comes; False when it is time for a keep-alive."""
    filled = trio.Event()
    peer.outbox.wake = filled.set
    with trio.move_on_at(min(turn, trio.current_time() + KEEP_ALIVE_EVERY)):
        await filled.wait()
    return filled.is_set() or trio.current_time() >= turn


async def _receive_handshake(stream: ByteStream, wire: PeerWire) -> tuple[list[Message], Handshake]:
    early: list[Message] = []
    while wire.handshake is None:
        early = wire.received(await _receive(stream, wire))
    return early, wire.handshake


async def _receive(stream: ByteStream, wire: PeerWire, most: int | None = None) -> int:
    """How many bytes came, `most` of them if that is given. Raises NetworkError at the end."""
    count = await stream.receive_into(wire.buffer() if most is None else wire.buffer()[:most])
    if count == 0:
        raise NetworkError(reason=Reason.CLOSED_BY_PEER)
    return count


@contextmanager
def _within(timeout: float, reason: Reason) -> Iterator[None]:
    """A deadline that ends in NetworkError."""
    with trio.move_on_after(timeout) as scope:
        yield
    if scope.cancelled_caught:
        raise NetworkError(reason=reason)
