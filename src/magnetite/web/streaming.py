"""An answer that comes line by line, each a JSON object, for as long as somebody reads it."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import trio

from magnetite.background import background
from magnetite.errors import MagnetiteError, Reason
from magnetite.web.server import Message, Receive, Send

WriteLine: TypeAlias = Callable[..., Awaitable[None]]
"""Called with a line's fields by name."""


class LinesResponse:
    """An ASGI application: `produce` writes the lines, and is cancelled when the client goes or `timeout` is over.

    Nobody can tell by the status that it failed half way: then the last line is an `error`.
    """

    def __init__(self, produce: Callable[[WriteLine], Awaitable[None]], timeout: float) -> None:
        self._produce = produce
        self._timeout = timeout

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        headers = [(b"content-type", b"application/x-ndjson")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})

        async def write(**fields: object) -> None:
            line = json.dumps(fields).encode() + b"\n"
            await send({"type": "http.response.body", "body": line, "more_body": True})

        async def leave_with_the_client() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            nursery.cancel_scope.cancel()

        async with background() as nursery:
            nursery.start_soon(leave_with_the_client)
            try:
                with trio.fail_after(self._timeout):
                    await self._produce(write)
            except trio.TooSlowError:
                await write(error=described(Reason.TIMEOUT, f"not finished after {self._timeout:.0f} s"))
            except MagnetiteError as error:
                await write(error=described(error.reason, str(error)))
            await send({"type": "http.response.body"})


def described(reason: Reason, message: str) -> dict[str, str]:
    """What is told of an error: a reason for programs, a message for people."""
    return {"reason": reason.name.lower(), "message": message}
