"""An HTTP/1.1 server for ASGI applications: h11 reads and writes, trio waits, and every wait has an end.

One request a connection: who controls a node or scrapes it asks now and then. What a client can take up is bounded by
a number of connections, by the size of a request, and by the time it has to send one and to take an answer.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from contextlib import suppress
from functools import partial
from http import HTTPStatus
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

import h11
import trio

log = logging.getLogger(__name__)

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Message, Receive, Send], Awaitable[None]]
"""An ASGI 3 application. Its types are those of the specification: dictionaries."""

MAX_CONNECTIONS: Final = 64  # at once; whoever comes after them waits in the system's queue
MAX_HEAD: Final = 16 << 10  # bytes of request line and headers
MAX_BODY: Final = 64 << 10  # bytes; the largest of ours, an item of 1,000 bytes in hexadecimal, is 3 kB
REQUEST_TIMEOUT: Final = 10.0  # seconds for a whole request to come in
SEND_TIMEOUT: Final = 10.0  # seconds for a client to take some of its answer
LINGER: Final = 1.0  # seconds for a client to read why it was refused
READ_SIZE: Final = 16 << 10


class ClientGone(OSError):
    """Raised by `send`, as ASGI has it: an application need not know, and nobody is left to be answered."""


async def serve(
    app: App,
    listeners: Sequence[trio.SocketListener],
    send_timeout: float = SEND_TIMEOUT,
    task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED,
) -> None:
    """Serve until cancelled; then every connection is closed at once, whatever its client is doing.

    A client may take `send_timeout` seconds until it takes some more of its answer.
    """
    places = trio.CapacityLimiter(MAX_CONNECTIONS)
    async with trio.open_nursery() as nursery:
        for listener in listeners:
            nursery.start_soon(_accept_forever, app, listener, send_timeout, places, nursery)
        task_status.started()


async def _accept_forever(
    app: App,
    listener: trio.SocketListener,
    send_timeout: float,
    places: trio.CapacityLimiter,
    nursery: trio.Nursery,
) -> None:
    while True:
        token = object()
        await places.acquire_on_behalf_of(token)
        try:
            stream = await listener.accept()
        except OSError as error:  # out of file descriptors: it gets better when others go
            places.release_on_behalf_of(token)
            log.warning("cannot accept a connection: %s", error)
            await trio.sleep(1)
            continue
        nursery.start_soon(_serve_and_leave, app, stream, send_timeout, partial(places.release_on_behalf_of, token))


async def _serve_and_leave(
    app: App, stream: trio.abc.HalfCloseableStream, send_timeout: float, leave: Callable[[], None]
) -> None:
    try:
        await serve_connection(app, stream, send_timeout)
    finally:
        leave()


async def serve_connection(app: App, stream: trio.abc.HalfCloseableStream, send_timeout: float = SEND_TIMEOUT) -> None:
    """Read one request, let `app` answer it, and close. What a client does wrong ends its connection, nothing else."""
    connection = Connection(stream, send_timeout)
    try:
        await _converse(app, connection)
    except (h11.RemoteProtocolError, trio.TooSlowError, trio.BrokenResourceError, ClientGone) as error:
        log.debug("a client of the HTTP server was dropped: %s", error or type(error).__name__)
    finally:
        await trio.aclose_forcefully(stream)  # the graceful end would wait for a client that takes nothing


async def _converse(app: App, connection: Connection) -> None:
    try:
        with trio.fail_after(REQUEST_TIMEOUT):
            request, body = await connection.read_request()
    except h11.RemoteProtocolError as error:
        await connection.refuse(error.error_status_hint)
        return
    if request is None:
        return
    try:
        await app(_scope_of(request), partial(connection.receive, [body]), connection.send)
    except ClientGone:
        raise
    except Exception:  # a bug in `app` is no reason for the node to end, and must not go unseen
        log.exception("no answer to %s %s", request.method.decode(), request.target.decode())
        if not connection.has_begun:
            await connection.refuse(500)


class Connection:
    """One request and its answer."""

    def __init__(self, stream: trio.abc.HalfCloseableStream, send_timeout: float) -> None:
        self.has_begun = False  # to answer
        self._is_head = False
        self._send_timeout = send_timeout
        self._stream = stream
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD)

    async def read_request(self) -> tuple[h11.Request | None, bytes]:
        """The request and its body; None if the client went. Raises h11.RemoteProtocolError, also for one too large."""
        request: h11.Request | None = None
        body = bytearray()
        while True:
            match await self._next_event():
                case h11.Request() as request:
                    self._is_head = request.method == b"HEAD"
                    if self._http.they_are_waiting_for_100_continue:
                        await self._write(h11.InformationalResponse(status_code=100, headers=[]))
                case h11.Data(data=data):
                    body += data
                    if len(body) > MAX_BODY:
                        raise h11.RemoteProtocolError("the body is too large", error_status_hint=413)
                case h11.EndOfMessage():
                    return request, bytes(body)
                case _:
                    return None, b""

    async def receive(self, unread: list[bytes]) -> Message:
        """ASGI's `receive`: the body, and after it that the client has gone."""
        if unread:
            return {"type": "http.request", "body": unread.pop(), "more_body": False}
        with suppress(trio.BrokenResourceError):
            while await self._stream.receive_some(READ_SIZE):
                pass  # there is one request a connection, and what comes after it is nothing to us
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        """ASGI's `send`. Raises ClientGone, also where the client takes nothing for too long."""
        if message["type"] == "http.response.start":
            headers = [*message.get("headers", ()), (b"connection", b"close")]
            self.has_begun = True
            await self._write(_response(message["status"], headers))
            return
        if (data := message.get("body", b"")) and not self._is_head:
            await self._write(h11.Data(data=data))
        if not message.get("more_body", False):
            await self._write(h11.EndOfMessage())

    async def refuse(self, status: int) -> None:
        """Answer with nothing but a status. What is still on its way to us is read, or our end would overtake it."""
        await self._write(_response(status, [(b"connection", b"close"), (b"content-length", b"0")]))
        await self._write(h11.EndOfMessage())
        with trio.move_on_after(LINGER):
            await self._stream.send_eof()
            await self.receive([])

    async def _next_event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(bytes(await self._stream.receive_some(READ_SIZE)))
        return event

    async def _write(self, event: h11.Event) -> None:
        data = self._http.send(event)
        view = memoryview(data or b"")
        try:
            while view:  # in parts, so that slowly is not the same as never
                with trio.fail_after(self._send_timeout):
                    await self._stream.send_all(bytes(view[:READ_SIZE]))
                view = view[READ_SIZE:]
        except (trio.BrokenResourceError, trio.TooSlowError) as error:
            raise ClientGone("it takes no answer") from error


def _response(status: int, headers: list[tuple[bytes, bytes]]) -> h11.Response:
    return h11.Response(status_code=status, headers=headers, reason=HTTPStatus(status).phrase.encode())


def _scope_of(request: h11.Request) -> Message:
    path, _, query = request.target.partition(b"?")
    return {
        "type": "http",
        # 2.3: an application learns from `receive` that the client has gone, also while it has nothing to send.
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": request.http_version.decode(),
        "method": request.method.decode(),
        "scheme": "http",
        "path": unquote(path.decode("ascii")),
        "raw_path": path,
        "query_string": query,
        "root_path": "",
        "headers": list(request.headers),
        "client": None,
        "server": None,
    }
