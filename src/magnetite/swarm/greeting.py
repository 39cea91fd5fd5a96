"""Shaking hands on a new stream, dialled or accepted, plainly or encrypted, within a deadline."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from random import Random
from typing import Final

import trio

from magnetite.errors import NetworkError, Reason, WireError
from magnetite.ids import InfoHash
from magnetite.net.base import ByteStream
from magnetite.net.encrypted import EncryptedStream
from magnetite.swarm.landing import landing
from magnetite.ways import Carrier, Cipher, Way
from magnetite.wire.handshake import PROTOCOL, Handshake
from magnetite.wire.messages import Message
from magnetite.wire.mse.agreement import Agreement
from magnetite.wire.mse.initiator import Initiator
from magnetite.wire.mse.policy import Encryption
from magnetite.wire.mse.receiver import Receiver
from magnetite.wire.peer_wire import PeerWire

HANDSHAKE_TIMEOUT: Final = 10.0  # seconds for all of it, encryption included, however its bytes drip
READ: Final = 4 << 10  # bytes, until the protocol is known


@dataclass(frozen=True, slots=True)
class Security:
    """How we encrypt, and where keys and paddings come from."""

    policy: Encryption
    rng: Random


@dataclass(frozen=True, slots=True)
class Connection:
    """A stream on which both handshakes are done, and the messages that came right behind the remote's."""

    stream: ByteStream
    wire: PeerWire
    handshake: Handshake  # the remote's
    early: list[Message]
    carrier: Carrier
    cipher: Cipher


async def greet(stream: ByteStream, ours: Handshake, way: Way, security: Security) -> Connection:
    """Shake hands with somebody we dialled. Raises NetworkError or WireError; the stream is closed then."""
    async with _unless_it_fails(stream):
        wire = _new_wire()
        early: list[Message] = []
        cipher = Cipher.PLAIN
        with within(HANDSHAKE_TIMEOUT, Reason.HANDSHAKE_TIMEOUT):
            if way.encrypted:
                agreement = await _initiate(stream, ours, security)
                stream, cipher = _inside(stream, agreement)
                early = _feed(wire, agreement.early)
            else:
                await stream.send_all(ours.encode())
            while wire.handshake is None:
                early = wire.received(await receive(stream, wire))
        if wire.handshake.info_hash != ours.info_hash:
            raise WireError(reason=Reason.WRONG_INFO_HASH)
        return Connection(stream, wire, wire.handshake, early, way.carrier, cipher)


async def welcome(
    stream: ByteStream,
    carrier: Carrier,
    torrents: Iterable[InfoHash],
    answer: Callable[[InfoHash], Handshake | None],
    security: Security,
) -> Connection:
    """Shake hands with somebody who dialled us about one of our `torrents`; `answer` gives our side for it.

    Raises NetworkError or WireError; the stream is closed then.
    """
    async with _unless_it_fails(stream):
        cipher = Cipher.PLAIN
        with within(HANDSHAKE_TIMEOUT, Reason.HANDSHAKE_TIMEOUT):
            head, meant = await _first_bytes(stream), None
            if _must_be_encrypted(head, security.policy):
                agreement = await _await_agreement(stream, head, Receiver(torrents, security.policy, security.rng))
                stream, cipher = _inside(stream, agreement)
                head, meant = agreement.early, agreement.info_hash
            wire = _new_wire()
            early = _feed(wire, head)
            while wire.info_hash is None:  # the peer id may come only after our answer (BEP 3)
                early = wire.received(await receive(stream, wire))
            ours = answer(wire.info_hash)
            if ours is None or meant not in (None, wire.info_hash):
                raise WireError(reason=Reason.WRONG_INFO_HASH)
            await stream.send_all(ours.encode())
            while wire.handshake is None:
                early = wire.received(await receive(stream, wire))
        return Connection(stream, wire, wire.handshake, early, carrier, cipher)


async def receive(stream: ByteStream, wire: PeerWire) -> int:
    """How many bytes came. Raises NetworkError at the end."""
    count = await stream.receive_into(wire.buffer())
    if count == 0:
        raise NetworkError(reason=Reason.CLOSED_BY_PEER)
    return count


@contextmanager
def within(timeout: float, reason: Reason) -> Iterator[None]:
    """A deadline that ends in NetworkError."""
    with trio.move_on_after(timeout) as scope:
        yield
    if scope.cancelled_caught:
        raise NetworkError(reason=reason)


@asynccontextmanager
async def _unless_it_fails(stream: ByteStream) -> AsyncIterator[None]:
    """The stream is closed if the block raises."""
    try:
        yield
    except BaseException:
        await stream.aclose()
        raise


async def _first_bytes(stream: ByteStream) -> bytes:
    """As many as tell a BitTorrent handshake from anything else."""
    head = b""
    while len(head) < len(PROTOCOL) and PROTOCOL.startswith(head):
        head += await _read(stream)
    return head


def _must_be_encrypted(head: bytes, policy: Encryption) -> bool:
    """Whether what begins so can only be an encrypted handshake. Raises WireError where we are not to have it."""
    is_plain = head.startswith(PROTOCOL)
    if is_plain and not policy.is_plain_allowed:
        raise WireError(reason=Reason.NOT_ENCRYPTED)
    return not is_plain and bool(policy.accepted)


async def _initiate(stream: ByteStream, ours: Handshake, security: Security) -> Agreement:
    initiator = Initiator(ours.info_hash, ours.encode(), security.policy.offered, security.rng)
    await stream.send_all(initiator.opening)
    return await _await_agreement(stream, b"", initiator)


async def _await_agreement(stream: ByteStream, data: bytes, side: Initiator | Receiver) -> Agreement:
    while True:
        if answer := side.received(data):
            await stream.send_all(answer)
        if side.agreement is not None:
            return side.agreement
        data = await _read(stream)


def _inside(stream: ByteStream, agreement: Agreement) -> tuple[ByteStream, Cipher]:
    """The stream to go on with; the one there was, where all that follows is plain."""
    if agreement.receiving is None or agreement.sending is None:
        return stream, Cipher.HANDSHAKE
    return EncryptedStream(stream, agreement.receiving, agreement.sending), Cipher.RC4


def _new_wire() -> PeerWire:
    """One that takes no memory of its own to receive in: of a crowd that comes at once, all shake hands at once."""
    wire = PeerWire()
    wire.land_in(landing())
    return wire


def _feed(wire: PeerWire, data: bytes) -> list[Message]:
    """What was received before the wire was there; less than its buffer holds."""
    wire.buffer()[: len(data)] = data
    return wire.received(len(data))


async def _read(stream: ByteStream) -> bytes:
    """What there is, up to READ. Raises NetworkError at the end."""
    count = await stream.receive_into(landing()[:READ])
    if count == 0:
        raise NetworkError(reason=Reason.CLOSED_BY_PEER)
    return bytes(landing()[:count])
