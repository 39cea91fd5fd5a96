"""A connection attempt: a question there, an answer back, repeated while there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError, Reason
from magnetite.simnet.block import END
from magnetite.simnet.path import Path
from magnetite.simnet.stream import SimStream, connected_pair

if TYPE_CHECKING:
    from magnetite.simnet.fabric import Fabric
    from magnetite.simnet.host import Host

PATIENCE = (1, 2, 4, 8, 16, 32, 64)  # seconds after each question: Linux asks seven times and gives up after 127


class Dial:
    """One attempt of `host` to connect from `local` to `remote`."""

    def __init__(self, fabric: Fabric, host: Host, local: Endpoint, remote: Endpoint) -> None:
        self._fabric = fabric
        self._host = host
        self._local = local
        self._remote = remote
        self._source: Endpoint | None = None  # what the other side sees
        self._stream: SimStream | None = None  # our end; exists from the moment the other host accepts
        self._is_over = False
        self._answered = trio.Event()

    async def answer(self) -> SimStream:
        """Our end of the connection. Raises NetworkError(REFUSED or CONNECT_TIMEOUT)."""
        try:
            await self._ask_until_answered()
        except BaseException:
            self._is_over = True
            if self._stream is not None:
                self._stream.abort()
            raise
        if self._stream is None:
            raise NetworkError(f"{self._remote} refused the connection", Reason.REFUSED)
        return self._stream

    async def _ask_until_answered(self) -> None:
        for patience in PATIENCE:
            self._ask()
            with trio.move_on_after(patience):
                await self._answered.wait()
                return
        raise NetworkError(f"{self._remote} does not answer", Reason.CONNECT_TIMEOUT)

    def _ask(self) -> None:
        found = self._fabric.find_listening(self._remote, self._host)
        if found is None:
            return
        host, port = found
        if self._source is None:
            nat = self._host.nat
            self._source = self._local if nat is None or host.nat is nat else nat.outbound_stream(self._local)
        outgoing = Path(self._fabric, self._host, host, self._source, self._remote)
        incoming = Path(self._fabric, host, self._host, self._remote, self._source)
        seconds = outgoing.travel(END)
        if seconds is not None:
            self._fabric.clock.at(self._fabric.clock.now + seconds, self._on_asked, host, port, outgoing, incoming)

    def _on_asked(self, host: Host, port: int, outgoing: Path, incoming: Path) -> None:
        """The question reached the other host: accept, refuse, or leave it without an answer."""
        if self._is_over or not host.is_reachable:
            return
        listener = host.listener(port)
        if listener is not None and self._stream is None:
            if listener.is_full:
                return
            there = Endpoint(host.ip, port)
            self._stream, other = connected_pair(self._fabric, outgoing, incoming, self._local, there)
            listener.enqueue(other)
        seconds = incoming.travel(END)
        if seconds is not None:
            self._fabric.clock.at(self._fabric.clock.now + seconds, self._answered.set)
