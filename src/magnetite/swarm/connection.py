"""One connection's life once hands are shaken: read and written until it ends.

The loops here only wait; what the bytes mean is the Peer's. This is the one place that catches a peer's faults.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from math import inf
from typing import TypeAlias

import trio

from magnetite.errors import NetworkError, Reason, RemoteProtocolError, StorageError, WireError
from magnetite.net.base import Buffer
from magnetite.swarm.commit_queue import CommitQueue
from magnetite.swarm.disk import Lost
from magnetite.swarm.exchange import Exchange
from magnetite.swarm.greeting import Connection
from magnetite.swarm.outbox import batch_length, contiguous
from magnetite.swarm.peer import Peer
from magnetite.swarm.throttle import Throttle
from magnetite.wire.messages import BlockRequest, Message, Reject, block_header
from magnetite.wire.peer_wire import new_landing

LANDING = trio.lowlevel.RunVar[memoryview]("landing")

ReadBlock: TypeAlias = Callable[[int, int, int], Awaitable[Buffer]]  # piece, begin, length


async def converse(
    peer: Peer, connection: Connection, exchange: Exchange, commits: CommitQueue, read_block: ReadBlock
) -> None:
    """Read and write until either side ends it; `peer.closing` says why. The stream is closed afterwards."""

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
            nursery.start_soon(guard, partial(_write_forever, peer, connection, exchange, read_block))
            # Not in a task of its own: with fifty connections a torrent they take memory.
            await guard(partial(_read_forever, peer, connection, exchange, commits))
    finally:
        await connection.stream.aclose()


async def _read_forever(peer: Peer, connection: Connection, exchange: Exchange, commits: CommitQueue) -> None:
    peer.listening_since = inf
    await _take_in(peer, connection.early, exchange, commits)
    connection.wire.land_in(_landing())
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


async def _write_forever(peer: Peer, connection: Connection, exchange: Exchange, read_block: ReadBlock) -> None:
    turn = -inf  # when blocks may be sent again, where that is limited; messages go at once
    while True:
        throttle = exchange.throttles.up
        messages, requests = peer.outbox.take_messages(), _take_blocks(peer, throttle, turn)
        if not messages and not requests:
            await _something_to_send(peer, turn if peer.outbox.queued_blocks else inf)
            continue
        blocks, length = await _load(requests, read_block, peer) if requests else ([], 0)
        peer.sending_since = peer.sent_at = trio.current_time()
        await connection.stream.send_all(*messages, *blocks)
        peer.sending_since = inf
        if length:
            now = trio.current_time()
            peer.uploaded.add(length, now)
            if throttle is not None:
                turn = throttle.charge(length, now)


def _landing() -> memoryview:
    """One for all connections of a run: no task waits between a read and the end of what follows from it."""
    try:
        return LANDING.get()
    except LookupError:
        LANDING.set(new_landing())
        return LANDING.get()


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


async def _something_to_send(peer: Peer, turn: float) -> None:
    """Returns as soon as the outbox is filled, or when `turn` comes."""
    filled = trio.Event()
    peer.outbox.wake = filled.set
    if turn == inf:  # nearly always: a deadline takes longer than the wait
        await filled.wait()
    else:
        with trio.move_on_at(turn):
            await filled.wait()
