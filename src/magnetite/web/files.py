"""The files of a download over HTTP, also while they are being downloaded: what a player reads is fetched first."""

from __future__ import annotations

import logging
import mimetypes
from html import escape
from typing import Final
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from magnetite.background import background
from magnetite.download import Download
from magnetite.endpoint import Scope, scope_of
from magnetite.errors import MagnetiteError
from magnetite.torrent.metainfo import FileEntry, Metainfo
from magnetite.web.ranges import Unsatisfiable, parse_range
from magnetite.web.server import App, ClientGone, Message, Receive, Send

log = logging.getLogger(__name__)

CHUNK: Final = 256 << 10  # bytes held of a file for one client
PATIENCE: Final = 3600.0  # seconds for a client to take some more of a file: a player may be paused for long
MOST_LISTED: Final = 10_000  # files on the page; the others can be asked for all the same
LOOPBACK_NAMES: Final = ("localhost", "127.0.0.1", "::1", "[::1]")


def files_app(download: Download, host: str) -> App:
    """`/` lists the files with links, `/INDEX/NAME` is one of them. To be served with the timeout PATIENCE.

    `host` is where the server listens. On a loopback address only requests that name it so are answered: a page whose
    name is made to stand for this machine (DNS rebinding) sends its own name, and must not read what is here.
    """
    files = Files(download)
    is_private = host == "localhost" or scope_of(host) is Scope.LOOPBACK
    hosts = [*LOOPBACK_NAMES, host, f"[{host}]"] if is_private else ["*"]
    app = Starlette(
        routes=[Route("/", files.index), Route("/{file:int}/{name:path}", files.content)],
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=hosts, www_redirect=False)],
    )
    app.router.redirect_slashes = False
    return app


class Files:
    """The answers for one download."""

    def __init__(self, download: Download) -> None:
        self._download = download

    async def index(self, request: Request) -> Response:
        metainfo = self._readable()
        links = (_link(file, metainfo.files[file]) for file in self._download.readable_files()[:MOST_LISTED])
        title = escape(metainfo.name)
        return HTMLResponse(f"<!DOCTYPE html>\n<title>{title}</title>\n<h1>{title}</h1>\n<ul>\n{''.join(links)}</ul>\n")

    async def content(self, request: Request) -> App:
        metainfo = self._readable()
        file: int = request.path_params["file"]
        if file not in self._download.readable_files() or metainfo.files[file].path[-1] != request.path_params["name"]:
            raise HTTPException(404)
        entry = metainfo.files[file]
        headers = _headers(metainfo, file)
        try:
            chosen = _chosen(request, entry.length, headers["ETag"])
        except Unsatisfiable:
            return Response(status_code=416, headers={"Content-Range": f"bytes */{entry.length}"})
        status, part = (200, range(entry.length)) if chosen is None else (206, chosen)
        if chosen is not None:
            headers["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{entry.length}"
        headers["Content-Length"] = str(len(part))
        if request.method == "HEAD":
            return Response(status_code=status, headers=headers)
        return PartResponse(self._download, file, part, status, headers)

    def _readable(self) -> Metainfo:
        """The torrent, as soon as its files can be read. Raises HTTPException before that."""
        if self._download.metainfo is None:
            raise HTTPException(503, "The metadata is not known yet.", {"Retry-After": "2"})
        if not self._download.progress().is_checked:
            raise HTTPException(503, "What is on disk is being checked.", {"Retry-After": "2"})
        return self._download.metainfo


class PartResponse:
    """An ASGI application: a part of a file, sent as its pieces come. It ends as soon as its client has gone."""

    def __init__(self, download: Download, file: int, part: range, status: int, headers: dict[str, str]) -> None:
        self._download = download
        self._file = file
        self._part = part
        self._status = status
        self._headers = [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        async def leave_with_the_client() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            nursery.cancel_scope.cancel()

        await send({"type": "http.response.start", "status": self._status, "headers": self._headers})
        async with background() as nursery:
            nursery.start_soon(leave_with_the_client)
            try:
                await self._send_part(send)
            except MagnetiteError as error:  # the status is out, so all that is left is to break off
                log.warning("stopped sending a file: %s", error)
                raise ClientGone(str(error)) from error

    async def _send_part(self, send: Send) -> None:
        async with self._download.open(self._file) as reader:
            for at in range(self._part.start, self._part.stop, CHUNK):
                data = await reader.read(at, min(CHUNK, self._part.stop - at))
                await send({"type": "http.response.body", "body": data, "more_body": True})
        await send({"type": "http.response.body"})


def _chosen(request: Request, length: int, etag: str) -> range | None:
    """The part that is asked for; None for the whole file. Raises Unsatisfiable."""
    header = request.headers.get("range")
    if header is None or request.headers.get("if-range", etag) != etag:
        return None
    return parse_range(header, length)


def _headers(metainfo: Metainfo, file: int) -> dict[str, str]:
    name = metainfo.files[file].path[-1]
    plain = "".join(c if c.isascii() and c.isprintable() and c not in '"\\' else "_" for c in name)
    return {
        "Accept-Ranges": "bytes",
        "Content-Disposition": f"inline; filename=\"{plain}\"; filename*=UTF-8''{quote(name, safe='')}",
        "Content-Security-Policy": "sandbox",  # whoever made the torrent made its web pages, too
        "Content-Type": mimetypes.guess_type(name)[0] or "application/octet-stream",
        "ETag": f'"{metainfo.info_hash}-{file}"',
        "X-Content-Type-Options": "nosniff",
    }


def _link(file: int, entry: FileEntry) -> str:
    path = "/".join(entry.path)
    return f'<li><a href="/{file}/{quote(entry.path[-1])}">{escape(path)}</a> ({entry.length:,} bytes)\n'
