"""Clients and scripted peers on a virtual network, for tests of whole swarms."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from hashlib import sha1
from random import Random
from typing import Any, TypeVar

import trio

from magnetite.client import Client
from magnetite.endpoint import Endpoint
from magnetite.events import Event
from magnetite.ids import InfoHash, PeerId
from magnetite.net.base import ByteStream
from magnetite.opening import open_client
from magnetite.simnet import Fabric, Host, Link
from magnetite.storage.base import OpenStorage
from magnetite.storage.memory import MemoryStorage
from magnetite.torrent.create import encode_info
from magnetite.torrent.metainfo import Metainfo, decode_info
from magnetite.wire.extensions import HANDSHAKE_ID, ExtensionHandshake
from magnetite.wire.handshake import Handshake
from magnetite.wire.messages import Extended, Message, encode
from magnetite.wire.peer_wire import PeerWire

PORT = 6881
M = TypeVar("M")


def content(length: int, seed: int = 1) -> bytes:
    return Random(seed).randbytes(length)


def torrent_of(data: bytes, piece_length: int = 1 << 15, name: str = "sample.bin") -> Metainfo:
    hashes = b"".join(sha1(data[at : at + piece_length]).digest() for at in range(0, len(data), piece_length))
    return decode_info(encode_info([((name,), len(data))], piece_length, hashes))


async def stored(metainfo: Metainfo, data: bytes) -> MemoryStorage:
    """A storage that has everything."""
    storage = MemoryStorage(metainfo)
    for piece in range(metainfo.piece_count):
        at = piece * metainfo.piece_length
        assert await storage.commit([(piece, data[at : at + metainfo.piece_length])]) == [True]
    return storage


async def bytes_of(storage: MemoryStorage, metainfo: Metainfo) -> bytes:
    """Everything in a complete storage."""
    last = metainfo.length - (metainfo.piece_count - 1) * metainfo.piece_length
    lengths = [metainfo.piece_length] * (metainfo.piece_count - 1) + [last]
    return b"".join([bytes(await storage.read(piece, 0, length)) for piece, length in enumerate(lengths)])


def using(storage: MemoryStorage) -> OpenStorage:
    """What `Client.add` takes to use this storage."""

    @asynccontextmanager
    async def opened(metainfo: Metainfo, wanted: frozenset[int]) -> AsyncIterator[MemoryStorage]:
        yield storage

    return opened


def client_at(
    fabric: Fabric | Host,
    ip: str,
    *,
    link: Link | None = None,
    observe: Callable[[Event], None] | None = None,
    **options: Any,
) -> AbstractAsyncContextManager[Client]:
    """A client on a new host of the fabric, or on the host given; without the DHT unless told otherwise."""
    host = fabric.host(ip, link) if isinstance(fabric, Fabric) else fabric
    options.setdefault("dht", False)
    return open_client(port=PORT, bind=ip, network=host, rng=Random(ip), observe=observe, **options)


async def until(condition: Callable[[], bool]) -> None:
    """Returns once the condition holds; for what makes no event of its own."""
    while not condition():  # noqa: ASYNC110
        await trio.sleep(0.001)


class Puppet:
    """The other end of one connection: says what a test tells it to say."""

    def __init__(self, stream: ByteStream) -> None:
        self.stream = stream
        self.wire = PeerWire()
        self.heard: list[Message] = []
        self.ended = False

    async def greet(self, info_hash: InfoHash, *, fast: bool = True, extensions: bool = True) -> None:
        await self.stream.send_all(Handshake(info_hash, PeerId(b"-PU0001-puppetpuppet"), extensions, fast).encode())

    async def introduce(self, **fields: Any) -> None:
        await self.say(Extended(HANDSHAKE_ID, ExtensionHandshake(m={"ut_metadata": 3}, **fields).encode()))

    async def say(self, *messages: Message) -> None:
        await self.stream.send_all(*(encode(message) for message in messages))

    async def listen(self) -> list[Message]:
        """The messages of one read, also added to `heard`; `ended` is set where there are no more."""
        count = await self.stream.receive_into(self.wire.buffer())
        self.ended = count == 0
        messages = self.wire.received(count) if count else []
        self.heard += messages
        return messages

    async def next(self, kind: type[M]) -> M:
        """The next message of a kind; what comes before it is only noted in `heard`."""
        while True:
            for message in self._unread():
                if isinstance(message, kind):
                    return message
            await self.listen()
            assert not self.ended, f"closed before a {kind.__name__}"

    def _unread(self) -> Iterator[Message]:
        while self._read < len(self.heard):
            self._read += 1
            yield self.heard[self._read - 1]

    _read = 0


async def dial(host: Host, ip: str, info_hash: InfoHash, **options: Any) -> Puppet:
    """A puppet that calls the client at `ip` and greets it."""
    puppet = Puppet(await host.connect(Endpoint(ip, PORT)))
    await puppet.greet(info_hash, **options)
    return puppet
