"""One connection's life once hands are shaken: read and written until it ends.

The loops here only wait; what the bytes mean is the Peer's. This is the one place that catches a peer's faults.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import inf
from typing import TypeAlias

import trio

from magnetite.errors import NetworkError, Reason, RemoteProtocolError, StorageError, WireError
from magnetite.net.base import Buffer, ByteStream
from magnetite.sleeper import Sleeper
from magnetite.swarm.commit_queue import CommitQueue
from magnetite.swarm.disk import Lost
from magnetite.swarm.exchange import Exchange
from magnetite.swarm.greeting import Connection
from magnetite.swarm.outbox import batch_length, contiguous
from magnetite.swarm.peer import Peer
from magnetite.swarm.throttle import Throttle
from magnetite.wire.messages import BlockRequest, Message, Reject, block_header

FAULTS = (RemoteProtocolError, NetworkError, StorageError)  # that end a connection

ReadBlock: TypeAlias = Callable[[int, int, int], Awaitable[Buffer]]  # piece, begin, length


async def converse(
    peer: Peer, connection: Connection, exchange: Exchange, commits: CommitQueue, read_block: ReadBlock
) -> None:
    """Read and write until either side ends it; `peer.closing` says why. The stream is closed afterwards."""

    try:
        async with trio.open_nursery() as nursery:
            peer.hang_up = nursery.cancel_scope.cancel
            if peer.closing:  # before there was anything to hang up
                return
            nursery.start_soon(_write_forever, peer, connection, exchange, read_block)
            # Not in a task of its own: with fifty connections a torrent they take memory.
            await _read_forever(peer, connection, exchange, commits)
    finally:
        await connection.stream.aclose()


async def _read_forever(peer: Peer, connection: Connection, exchange: Exchange, commits: CommitQueue) -> None:
    try:
        peer.listening_since = inf
        await _take_in(peer, connection.early, exchange, commits)
        while True:
            throttle = exchange.throttles.down
            peer.listening_since = trio.current_time()
            buffer = connection.wire.buffer()
            count = await connection.stream.receive_into(buffer if throttle is None else buffer[: throttle.turn])
            if not count:
                raise NetworkError(reason=Reason.CLOSED_BY_PEER)
            peer.listening_since = inf
            await _take_in(peer, connection.wire.received(count), exchange, commits)
            if throttle is not None:
                await trio.sleep_until(throttle.charge(count, trio.current_time()))
    except FAULTS as error:
        peer.close(error.reason, str(error))


async def _write_forever(peer: Peer, connection: Connection, exchange: Exchange, read_block: ReadBlock) -> None:
    turn = -inf  # when blocks may be sent again, where that is limited; messages go at once
    writer = Sleeper()
    peer.outbox.wake = writer.wake
    try:
        while True:
            throttle = exchange.throttles.up
            messages, requests = peer.outbox.take_messages(), _take_blocks(peer, throttle, turn)
            if messages or requests:
                length = await _send(peer, connection.stream, messages, requests, read_block)
                if length and throttle is not None:
                    turn = throttle.charge(length, trio.current_time())
            elif peer.outbox.queued_blocks:
                with trio.move_on_at(turn):
                    await writer.sleep()
            else:  # nearly always: a deadline takes longer than the wait
                await writer.sleep()
    except FAULTS as error:
        peer.close(error.reason, str(error))


async def _send(
    peer: Peer, stream: ByteStream, messages: list[bytes], requests: list[BlockRequest], read_block: ReadBlock
) -> int:
    """Send messages, and blocks that were asked for; the bytes of these. Nothing of them is kept while others wait."""
    blocks, length = await _load(requests, read_block, peer) if requests else ([], 0)
    peer.sending_since = peer.sent_at = trio.current_time()
    await stream.send_all(*messages, *blocks)
    peer.sending_since = inf
    if length:
        peer.uploaded.add(length, trio.current_time())
    return length


async def _take_in(peer: Peer, messages: list[Message], exchange: Exchange, commits: CommitQueue) -> None:
    """Let the peer act on what it said; wait where the disk is behind."""
    peer.receive(messages, exchange, trio.current_time())
    if peer.outbox.is_flooded:
        raise WireError("asks for more than it takes", Reason.TOO_MANY_REQUESTS)
    if commits.is_full:
        await commits.room()


async def _load(requests: list[BlockRequest], read_block: ReadBlock, peer: Peer) -> tuple[list[Buffer], int]:
    """Headers and data of blocks, in order, and the bytes of data; blocks that lie side by side are read at once.

    What is there no more, since somebody has changed the files, is rejected: it is no fault of this connection.
    """
    buffers: list[Buffer] = []
    total = 0
    for run in contiguous(requests):
        begin, length = run[0].begin, sum(request.length for request in run)
        try:
            data = memoryview(await read_block(run[0].piece, begin, length))
        except Lost:
            _reject(peer, run)
            continue
        total += length
        for request in run:
            at = request.begin - begin
            buffers += block_header(*request), data[at : at + request.length]
    return buffers, total


def _reject(peer: Peer, requests: list[BlockRequest]) -> None:
    if peer.wire.fast:
        peer.outbox.put(*(Reject(request) for request in requests))
    else:
        peer.choke()  # which without BEP 6 is the only word for it


def _take_blocks(peer: Peer, throttle: Throttle | None, turn: float) -> list[BlockRequest]:
    if not peer.outbox.queued_blocks:
        return []
    now = trio.current_time()
    if throttle is None:
        return peer.outbox.take_blocks(batch_length(peer.uploaded.rate(now)))
    return peer.outbox.take_blocks(throttle.turn) if now >= turn else []
