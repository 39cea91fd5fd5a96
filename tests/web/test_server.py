from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
import trio
from trio.testing import lockstep_stream_pair, memory_stream_pair

from magnetite.errors import NetworkError, StorageError
from magnetite.web.listeners import unix_listener
from magnetite.web.server import (
    MAX_BODY,
    MAX_CONNECTIONS,
    MAX_HEAD,
    REQUEST_TIMEOUT,
    SEND_TIMEOUT,
    App,
    Message,
    Receive,
    Send,
    serve,
    serve_connection,
)

GET = b"GET /a%20b?c=d HTTP/1.1\r\nHost: node\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: node\r\nContent-Length: 5\r\n\r\nhello"


async def echo(scope: Message, receive: Receive, send: Send) -> None:
    """Says what it was asked."""
    body = (await receive())["body"]
    text = f"{scope['method']} {scope['path']} {scope['query_string'].decode()} {body.decode()}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(text))]})
    await send({"type": "http.response.body", "body": text})


async def talk(app: App, *sent: bytes) -> bytes:
    """All that a server says to a client that sends these pieces."""
    client, server = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_connection, app, server)
        for piece in sent:
            await client.send_all(piece)
            await trio.sleep(0.001)
        said = b""
        while piece := await client.receive_some():
            said += piece
    return said


def status(answer: bytes) -> int:
    return int(answer.split()[1])


async def test_a_request_is_answered_and_its_connection_closed() -> None:
    answer = await talk(echo, GET)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"connection: close\r\n" in answer.lower()
    assert answer.endswith(b"\r\n\r\nGET /a b c=d ")


async def test_a_request_may_come_in_any_pieces() -> None:
    assert (await talk(echo, *(bytes([byte]) for byte in POST))).endswith(b"POST /  hello")


async def test_who_asks_before_sending_a_body_is_told_to_go_on() -> None:
    head, _, body = POST.partition(b"\r\n\r\n")
    assert (await talk(echo, head + b"\r\nExpect: 100-continue\r\n\r\n", body)).startswith(b"HTTP/1.1 100 ")


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (b"nonsense\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"x" * MAX_HEAD + b"\r\n", 431),
        (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999\r\n\r\n" + b"x" * (MAX_BODY + 1), 413),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nffffff\r\n" + b"x" * (MAX_BODY + 1), 413),
    ],
)
async def test_a_request_that_is_wrong_or_too_large_is_refused(request_: bytes, expected: int) -> None:
    assert status(await talk(echo, request_)) == expected


async def test_a_request_that_does_not_come_ends_its_connection() -> None:
    client, server = memory_stream_pair()
    began = trio.current_time()
    await client.send_all(GET[:10])
    await serve_connection(echo, server)
    assert trio.current_time() - began == REQUEST_TIMEOUT


@pytest.mark.parametrize("sent", [b"", GET[:10], POST[:-1]])
async def test_a_client_that_goes_early_is_no_error(sent: bytes) -> None:
    client, server = memory_stream_pair()
    if sent:
        await client.send_all(sent)
    await client.aclose()
    await serve_connection(echo, server)


async def test_a_client_that_does_not_read_is_dropped() -> None:
    client, server = lockstep_stream_pair()
    began = trio.current_time()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_connection, echo, server)
        await client.send_all(GET)
    assert trio.current_time() - began == SEND_TIMEOUT


async def test_a_client_that_does_not_read_keeps_nobody_from_leaving() -> None:
    client, server = lockstep_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_connection, echo, server)
        await client.send_all(GET)
        await trio.sleep(1)
        nursery.cancel_scope.cancel()
        cancelled = trio.current_time()
    assert trio.current_time() == cancelled


async def test_an_application_is_told_when_its_client_has_gone() -> None:
    told: list[str] = []

    async def wait(scope: Message, receive: Receive, send: Send) -> None:
        told.extend([(await receive())["type"], (await receive())["type"]])

    client, server = memory_stream_pair()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(serve_connection, wait, server)
        await client.send_all(POST + b"and more that nobody asked for")
        await trio.sleep(1)
        assert told == []
        await client.aclose()
    assert told == ["http.request", "http.disconnect"]


async def test_a_bug_in_an_application_is_logged_and_answered(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(scope: Message, receive: Receive, send: Send) -> None:
        raise ZeroDivisionError

    assert status(await talk(fail, GET)) == 500
    assert caplog.records[0].levelno == logging.ERROR


@asynccontextmanager
async def served(app: App, path: Path):
    async with unix_listener(path) as listener, trio.open_nursery() as nursery:
        await nursery.start(serve, app, [listener])
        transport = httpx.AsyncHTTPTransport(uds=str(path))
        async with httpx.AsyncClient(transport=transport, base_url="http://node") as client:
            yield client
        nursery.cancel_scope.cancel()


@pytest.mark.real_clock
async def test_clients_in_earnest_are_served_through_a_socket_of_their_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "folder" / "s"
    async with served(echo, path) as client:
        assert path.stat().st_mode & 0o777 == 0o600
        assert (await client.post("/x", content=b"hello")).text == "POST /x  hello"
        assert (await client.post("/x", content=b"x" * 10 * MAX_BODY)).status_code == 413
    assert not path.exists()


@pytest.mark.real_clock
async def test_more_clients_than_there_are_places_wait_for_theirs(tmp_path: Path) -> None:
    async with served(echo, tmp_path / "s") as client:
        idle = [await trio.open_unix_socket(tmp_path / "s") for _ in range(MAX_CONNECTIONS)]
        with trio.move_on_after(0.2) as scope:
            await client.get("/")
        assert scope.cancelled_caught
        for stream in idle:
            await stream.aclose()
        assert (await client.get("/")).status_code == 200


@pytest.mark.real_clock
async def test_the_socket_of_a_dead_program_is_replaced_that_of_a_living_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "s"
    with trio.socket.socket(trio.socket.AF_UNIX) as dead:
        await dead.bind(str(path))
    async with unix_listener(path):
        with pytest.raises(NetworkError, match="another program"):
            await enter(unix_listener(path))
        assert path.exists()
    path.write_text("a file")
    with pytest.raises(StorageError, match="something else"):
        await enter(unix_listener(path))
    assert path.read_text() == "a file"


@pytest.mark.real_clock
async def test_a_path_too_long_for_a_socket_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(NetworkError, match="--control"):
        await enter(unix_listener(tmp_path / ("x" * 110)))


async def enter(context) -> None:
    async with context:
        pass
