"""The task that announces our torrents to the local network and listens for others' (BEP 14)."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Iterable
from random import Random
from typing import Final, NoReturn, Protocol, TypeAlias

import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError, RemoteProtocolError
from magnetite.ids import InfoHash
from magnetite.net.base import Datagram
from magnetite.net.interfaces import Interface
from magnetite.net.lsd.announcement import Announcement, decode_announcement, encode_announcement
from magnetite.net.lsd.posts import Post, posts_of
from magnetite.net.lsd.rounds import Rounds
from magnetite.pacer import Pacer

log = logging.getLogger(__name__)

LOOK_EVERY: Final = 2.0  # seconds between two looks at our torrents and interfaces, of half a millisecond
HEARD_RATE: Final = 20.0  # announcements/s that are read; a home has a few in a minute
HEARD_AT_ONCE: Final = 100


class Multicast(Protocol):
    """The operating system's group, or a test's."""

    def send(self, data: bytes) -> bool: ...

    async def receive_batch(self) -> list[Datagram]: ...

    async def aclose(self) -> None: ...


OpenMulticast: TypeAlias = Callable[[Endpoint, str, int], Awaitable[Multicast]]
OnFound: TypeAlias = Callable[[InfoHash, Endpoint], bool]


class LocalDiscovery:
    """`run` is the task. `torrents` are ours, `on_found` is told a peer of one of them and says whether it is news.

    Invariant: there is a socket for each post that the interfaces make, and none else.
    """

    def __init__(
        self,
        port: int,
        rng: Random,
        interfaces: Callable[[], Iterable[Interface]],
        open_multicast: OpenMulticast,
        torrents: Callable[[], Iterable[InfoHash]],
        on_found: OnFound,
    ) -> None:
        self._port = port
        self._cookie = b"%016x" % rng.getrandbits(64)
        self._interfaces = interfaces
        self._open_multicast = open_multicast
        self._torrents = torrents
        self._on_found = on_found
        self._rounds = Rounds()
        self._heard = Pacer(HEARD_RATE, HEARD_AT_ONCE)
        self._sockets: dict[Post, Multicast] = {}
        self._manned: dict[Post, trio.CancelScope] = {}
        self._unavailable: set[Post] = set()

    async def run(self) -> NoReturn:
        async with trio.open_nursery() as nursery:
            while True:
                self._man(nursery)
                await trio.sleep(LOOK_EVERY)
                self._announce(trio.current_time())

    def _man(self, nursery: trio.Nursery) -> None:
        """A task for every post there is now, and for no other."""
        posts = posts_of(self._interfaces())
        for post in [post for post in self._manned if post not in posts]:
            self._manned.pop(post).cancel()
        self._unavailable.intersection_update(posts)
        for post in [post for post in posts if post not in self._manned]:
            self._manned[post] = scope = trio.CancelScope()
            nursery.start_soon(self._stand, post, scope)

    async def _stand(self, post: Post, scope: trio.CancelScope) -> None:
        """Listen at a post until it is given up; where that cannot be it is tried again at the next look."""
        with scope:
            try:
                socket = await self._open_multicast(post.group, post.ip, post.index)
            except NetworkError as error:
                if post not in self._unavailable:
                    log.info("no local peers by %s: %s", post.ip, error)
                self._unavailable.add(post)
                if self._manned.get(post) is scope:
                    del self._manned[post]
                return
            log.info("looking for local peers from %s", post.ip)
            self._sockets[post] = socket
            self._rounds.begin_again()
            try:
                while True:
                    for datagram in await socket.receive_batch():
                        self._hear(datagram, trio.current_time())
            finally:
                del self._sockets[post]
                await socket.aclose()

    def _announce(self, now: float) -> None:
        torrents = self._rounds.next(self._torrents(), now) if self._sockets else ()
        if torrents:
            announcement = Announcement(self._port, torrents, self._cookie)
            for post, socket in self._sockets.items():
                socket.send(encode_announcement(announcement, post.group))

    def _hear(self, datagram: Datagram, now: float) -> None:
        if not self._heard.take(now):
            return
        try:
            said = decode_announcement(datagram.data)
        except RemoteProtocolError as error:
            log.debug("%s by multicast: %s", datagram.source, error)
            return
        if said.cookie == self._cookie:
            return
        ours = set(self._torrents())
        for info_hash in said.info_hashes:
            if info_hash in ours and self._on_found(info_hash, Endpoint(datagram.source.ip, said.port)):
                self._rounds.hasten(info_hash)
