"""Files over HTTP while they are downloaded: a swarm on the virtual network, and clients on streams in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser

import pytest
import trio
from trio.testing import lockstep_stream_pair, memory_stream_pair

from magnetite.download import Download
from magnetite.simnet import Fabric, Link
from magnetite.storage.memory import MemoryStorage
from magnetite.torrent.metainfo import Metainfo
from magnetite.web.files import CHUNK, PATIENCE, files_app
from magnetite.web.server import SEND_TIMEOUT, App, serve_connection
from tests.swarm.swarms import PORT, client_at, stored, using
from tests.torrent.samples import multi

MiB = 1 << 20
METAINFO, DATA = multi({"film.mp4": 8 * MiB, ".pad/1": 7, "a <b>.txt": 1000, "é.html": 500, "empty": 0}, 64 << 10)
FILM, TEXT, PAGE = DATA[: 8 * MiB], DATA[8 * MiB + 7 : 8 * MiB + 1007], DATA[8 * MiB + 1007 :]


@dataclass
class Answer:
    status: int
    headers: Message
    body: bytes


class World:
    def __init__(self, download: Download, host: str = "127.0.0.1") -> None:
        self.download = download
        self.app: App = files_app(download, host)

    async def ask(self, path: str, *headers: str, method: str = "GET", host: str = "127.0.0.1:8080") -> Answer:
        client, server = memory_stream_pair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve_connection, self.app, server, PATIENCE)
            await client.send_all(request(path, *headers, method=method, host=host))
            said = b"".join([part async for part in client])
        head, _, body = said.partition(b"\r\n\r\n")
        status, _, rest = head.partition(b"\r\n")
        return Answer(int(status.split()[1]), BytesParser().parsebytes(rest), body)

    @property
    def due(self) -> list[int]:
        book = self.download._swarm.exchange.book
        assert book is not None
        return list(book.deadlines)


def request(path: str, *headers: str, method: str = "GET", host: str = "127.0.0.1:8080") -> bytes:
    return "\r\n".join([f"{method} {path} HTTP/1.1", f"Host: {host}", *headers, "", ""]).encode()


@asynccontextmanager
async def world(
    fabric: Fabric, rate: int | None = MiB, torrent: Metainfo | str = METAINFO, host: str = "127.0.0.1"
) -> AsyncIterator[World]:
    """A download of which nothing is there, from a seed that sends at `rate`; None for no seed."""
    async with AsyncExitStack() as stack:
        if rate is not None:
            link = Link(up=rate, down=100 * MiB)
            seed = await stack.enter_async_context(client_at(fabric, "10.0.0.2", link=link))
            await (await seed.add(METAINFO, storage=using(await stored(METAINFO, DATA)))).completed()
        leech = await stack.enter_async_context(client_at(fabric, "10.0.0.1"))
        storage = MemoryStorage(METAINFO)
        download = await leech.add(torrent, storage=using(storage), peers=[("10.0.0.2", PORT)])
        await trio.sleep(1e-6)
        yield World(download, host)


async def test_the_page_links_to_every_file_of_the_torrent(fabric: Fabric) -> None:
    async with world(fabric) as here:
        answer = await here.ask("/")
    assert answer.status == 200
    page = answer.body.decode()
    assert "folder/a &lt;b&gt;.txt" in page
    assert [line.split('"')[1] for line in page.splitlines() if "href" in line] == [
        "/0/film.mp4",
        "/2/a%20%3Cb%3E.txt",
        "/3/%C3%A9.html",
        "/4/empty",
    ]


async def test_a_file_comes_whole_and_says_what_it_is(fabric: Fabric) -> None:
    async with world(fabric) as here:
        film = await here.ask("/0/film.mp4")
        page = await here.ask("/3/%C3%A9.html")
        assert (film.status, film.body) == (200, FILM)
        assert film.headers["Content-Type"] == "video/mp4"
        assert film.headers["Content-Length"] == str(8 * MiB)
        assert film.headers["Accept-Ranges"] == "bytes"
        assert film.headers["ETag"] == f'"{METAINFO.info_hash}-0"'
        assert (page.status, page.body) == (200, PAGE)
        assert page.headers["Content-Disposition"] == "inline; filename=\"_.html\"; filename*=UTF-8''%C3%A9.html"
        assert page.headers["Content-Security-Policy"] == "sandbox", "it is not ours, and must not run as if it were"
        assert (await here.ask("/4/empty")).body == b""
        assert (await here.ask("/2/a%20%3Cb%3E.txt")).body == TEXT


async def test_the_end_comes_before_the_rest_is_there(fabric: Fabric) -> None:
    async with world(fabric) as here:
        with trio.fail_after(2):
            answer = await here.ask("/0/film.mp4", "Range: bytes=-1000")
        assert (answer.status, answer.body) == (206, FILM[-1000:])
        assert answer.headers["Content-Range"] == f"bytes {8 * MiB - 1000}-{8 * MiB - 1}/{8 * MiB}"
        assert not here.download.progress().is_complete


async def test_the_head_alone_is_told_at_once(fabric: Fabric) -> None:
    async with world(fabric, rate=None) as here:
        whole = await here.ask("/0/film.mp4", method="HEAD")
        part = await here.ask("/0/film.mp4", "Range: bytes=5-9", method="HEAD")
        assert (whole.status, whole.body, whole.headers["Content-Length"]) == (200, b"", str(8 * MiB))
        assert (part.status, part.body, part.headers["Content-Length"]) == (206, b"", "5")
        assert (await here.ask("/", method="HEAD")).body == b""


async def test_a_part_is_sent_only_of_the_file_that_is_meant(fabric: Fabric) -> None:
    etag = f'"{METAINFO.info_hash}-2"'
    path = "/2/a%20%3Cb%3E.txt"
    async with world(fabric) as here:
        assert (await here.ask(path, "Range: bytes=1-2", f"If-Range: {etag}")).body == TEXT[1:3]
        assert (await here.ask(path, "Range: bytes=1-2", 'If-Range: "another"')).body == TEXT
        assert (await here.ask(path, "Range: bytes=1-2,4-5")).body == TEXT, "several at once need not be given"
        beyond = await here.ask(path, "Range: bytes=1000-")
        assert (beyond.status, beyond.headers["Content-Range"]) == (416, "bytes */1000")


@pytest.mark.parametrize(
    "path", ["/1/1", "/0/other.mp4", "/5/x", "/99999999999999999999/x", "/x", "/0", "/0/film.mp4/"]
)
async def test_what_is_not_there_is_not_found(fabric: Fabric, path: str) -> None:
    async with world(fabric) as here:
        assert (await here.ask(path)).status == 404


async def test_nothing_can_be_changed(fabric: Fabric) -> None:
    async with world(fabric) as here:
        assert (await here.ask("/0/film.mp4", method="DELETE")).status == 405


async def test_before_the_metadata_is_known_a_client_is_told_to_come_again(fabric: Fabric) -> None:
    async with world(fabric, rate=None, torrent=str(METAINFO.info_hash)) as here:
        for path in ("/", "/0/film.mp4"):
            answer = await here.ask(path)
            assert (answer.status, answer.headers["Retry-After"]) == (503, "2")


@pytest.mark.parametrize(
    ("bound", "named", "expected"),
    [
        ("127.0.0.1", "127.0.0.1:8080", 200),
        ("127.0.0.1", "localhost", 200),
        ("127.0.0.1", "evil.example:8080", 400),
        ("127.0.0.1", "127.0.0.1.evil.example", 400),
        ("::1", "[::1]:8080", 200),
        ("::1", "evil.example", 400),
        ("localhost", "evil.example", 400),
        ("127.0.0.2", "127.0.0.2:8080", 200),
        ("0.0.0.0", "my-machine.local:8080", 200),
    ],
)
async def test_on_this_machine_alone_only_who_names_it_is_answered(
    fabric: Fabric, bound: str, named: str, expected: int
) -> None:
    async with world(fabric, host=bound) as here:
        assert (await here.ask("/", host=named)).status == expected


async def test_who_goes_needs_nothing_any_more(fabric: Fabric) -> None:
    async with world(fabric, rate=None) as here:
        client, server = memory_stream_pair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve_connection, here.app, server, PATIENCE)
            await client.send_all(request("/0/film.mp4", "Range: bytes=4000000-"))
            await trio.sleep(1)
            assert here.due[0] == 4_000_000 // METAINFO.piece_length
            await client.aclose()
            await trio.sleep(0.1)
            assert here.due == []


async def test_a_player_may_be_paused_and_only_so_much_is_read_for_it_meanwhile(fabric: Fabric) -> None:
    async with world(fabric, rate=100 * MiB) as here:
        await here.download.completed()
        sent: list[int] = []

        async def counting(scope, receive, send) -> None:
            async def count(message) -> None:
                sent.append(len(message.get("body", b"")))
                await send(message)

            await here.app(scope, receive, count)

        client, server = lockstep_stream_pair()
        async with trio.open_nursery() as nursery:
            nursery.start_soon(serve_connection, counting, server, PATIENCE)
            await client.send_all(request("/0/film.mp4"))
            await trio.sleep(10 * SEND_TIMEOUT)
            assert sum(sent) <= CHUNK
            said = b"".join([part async for part in client])
        assert said.endswith(FILM[-1000:])


async def test_a_download_that_ends_breaks_off_what_is_being_sent(fabric: Fabric) -> None:
    async with world(fabric, rate=None) as here, trio.open_nursery() as nursery:

        async def ask() -> None:
            answer = await here.ask("/0/film.mp4")
            assert (answer.status, answer.body) == (200, b"")

        nursery.start_soon(ask)
        await trio.sleep(1)
        await here.download.remove()
