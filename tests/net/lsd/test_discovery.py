"""Local discovery among hosts of one link, which a test plays: what one says to the group all hear."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError, Reason
from magnetite.ids import InfoHash
from magnetite.net.base import Datagram
from magnetite.net.interfaces import Interface
from magnetite.net.lsd.announcement import Announcement, decode_announcement, encode_announcement
from magnetite.net.lsd.discovery import HEARD_AT_ONCE, LOOK_EVERY, LocalDiscovery
from magnetite.net.lsd.rounds import EVERY, GAP

A, B = InfoHash(1), InfoHash(2)


class Wire:
    """A link; `said` is what was sent on it."""

    def __init__(self) -> None:
        self.sockets: list[Socket] = []
        self.said: list[Datagram] = []

    async def open(self, group: Endpoint, ip: str, index: int) -> Socket:
        await trio.lowlevel.checkpoint()
        self.sockets.append(Socket(self, group, ip))
        return self.sockets[-1]

    def say(self, data: bytes, source: Endpoint, group: Endpoint) -> None:
        self.said.append(Datagram(data, source))
        for socket in self.sockets:
            if socket.group == group:
                socket.heard.append(self.said[-1])
                socket.readers.unpark_all()


class Socket:
    def __init__(self, wire: Wire, group: Endpoint, ip: str) -> None:
        self.wire, self.group, self.ip = wire, group, ip
        self.heard: deque[Datagram] = deque()
        self.readers = trio.lowlevel.ParkingLot()

    def send(self, data: bytes) -> bool:
        self.wire.say(data, Endpoint(self.ip, 40000), self.group)
        return True

    async def receive_batch(self) -> list[Datagram]:
        await trio.lowlevel.checkpoint()
        while not self.heard:
            await self.readers.park()
        batch = list(self.heard)
        self.heard.clear()
        return batch

    async def aclose(self) -> None:
        self.wire.sockets.remove(self)
        await trio.lowlevel.cancel_shielded_checkpoint()


class Neighbour:
    """A client in the local network, with some torrents."""

    def __init__(self, wire: Wire, ip: str, *torrents: InfoHash) -> None:
        self.interfaces = [Interface("eth0", 2, (ip,))]
        self.torrents = list(torrents)
        self.found: list[tuple[InfoHash, Endpoint]] = []
        self.open = wire.open
        self.discovery = LocalDiscovery(
            6881, Random(ip), lambda: self.interfaces, self._open, lambda: self.torrents, self.on_found
        )

    async def _open(self, group: Endpoint, ip: str, index: int) -> Socket:
        return await self.open(group, ip, index)

    def on_found(self, info_hash: InfoHash, endpoint: Endpoint) -> bool:
        is_news = (info_hash, endpoint) not in self.found
        if is_news:
            self.found.append((info_hash, endpoint))
        return is_news


@asynccontextmanager
async def running(*neighbours: Neighbour) -> AsyncIterator[trio.Nursery]:
    async with trio.open_nursery() as nursery:
        for each in neighbours:
            nursery.start_soon(each.discovery.run)
        yield nursery
        nursery.cancel_scope.cancel()


async def test_two_that_share_a_torrent_find_each_other() -> None:
    wire = Wire()
    ours, theirs = Neighbour(wire, "192.168.7.2", A, B), Neighbour(wire, "192.168.7.3", B)
    async with running(ours, theirs):
        await trio.sleep(2 * LOOK_EVERY)
        assert ours.found == [(B, Endpoint("192.168.7.3", 6881))]
        assert theirs.found == [(B, Endpoint("192.168.7.2", 6881))]
    assert not wire.sockets


async def test_who_comes_later_is_answered_within_a_minute() -> None:
    wire = Wire()
    ours, theirs = Neighbour(wire, "192.168.7.2", A), Neighbour(wire, "192.168.7.3", A)
    async with running(ours) as nursery:
        await trio.sleep(10)
        nursery.start_soon(theirs.discovery.run)
        await trio.sleep(LOOK_EVERY + 1)
        assert ours.found
        await trio.sleep(GAP)
        assert theirs.found
        said = len(wire.said)
        await trio.sleep(EVERY - 2 * GAP)
        assert len(wire.said) == said, "who is known is no news"


async def test_our_own_voice_and_rubbish_and_other_torrents_are_passed_over() -> None:
    wire = Wire()
    ours = Neighbour(wire, "192.168.7.2", A)
    async with running(ours):
        await trio.sleep(LOOK_EVERY + 1)
        group = wire.sockets[0].group
        wire.say(b"rubbish", Endpoint("192.168.7.9", 1), group)
        wire.say(encode_announcement(Announcement(1, (B,)), group), Endpoint("192.168.7.9", 1), group)
        await trio.sleep(1)
        assert not ours.found
        wire.say(encode_announcement(Announcement(1, (A,)), group), Endpoint("192.168.7.9", 1), group)
        await trio.sleep(1)
        assert ours.found == [(A, Endpoint("192.168.7.9", 1))]


async def test_a_flood_is_not_even_read() -> None:
    wire = Wire()
    ours = Neighbour(wire, "192.168.7.2", A)
    async with running(ours):
        await trio.sleep(1)
        group = wire.sockets[0].group
        for port in range(1, 1000):
            wire.say(encode_announcement(Announcement(port, (A,)), group), Endpoint("192.168.7.9", 1), group)
        await trio.sleep(0.5)
        assert len(ours.found) <= HEARD_AT_ONCE + 1


async def test_a_changed_address_is_followed_and_what_is_there_now_is_told_of_everything() -> None:
    wire = Wire()
    ours = Neighbour(wire, "192.168.7.2", A)
    async with running(ours):
        await trio.sleep(100)
        ours.interfaces = []
        await trio.sleep(LOOK_EVERY + 1)
        assert not wire.sockets
        ours.interfaces = [Interface("wlan0", 7, ("192.168.9.2", "fd00::7"))]
        await trio.sleep(2 * LOOK_EVERY + 1)
        assert sorted(socket.ip for socket in wire.sockets) == ["192.168.9.2", "fd00::7"]
        assert sorted(datagram.source.ip for datagram in wire.said) == ["192.168.7.2", "192.168.9.2", "fd00::7"]
        assert decode_announcement(wire.said[-1].data).info_hashes == (A,)


async def test_an_interface_that_cannot_be_joined_is_tried_again() -> None:
    wire = Wire()
    ours = Neighbour(wire, "192.168.7.2", A)
    tries = 0

    async def refuse(group: Endpoint, ip: str, index: int) -> Socket:
        nonlocal tries
        tries += 1
        await trio.lowlevel.checkpoint()
        raise NetworkError("cannot join", Reason.ADDRESS_UNAVAILABLE)

    ours.open = refuse
    async with running(ours):
        await trio.sleep(5 * LOOK_EVERY)
        assert 4 <= tries <= 6
        ours.open = wire.open
        await trio.sleep(2 * LOOK_EVERY)
        assert len(wire.said) == 1
