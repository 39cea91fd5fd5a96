"""Where others dial us: each caller says which torrent it wants, and is handed to that swarm or turned away."""

from __future__ import annotations

import logging
from collections.abc import Mapping

import trio

from magnetite.errors import MagnetiteError, NetworkError, Reason, RemoteProtocolError
from magnetite.events import CallerTurnedAway, Emit, Source
from magnetite.ids import InfoHash
from magnetite.net.base import ByteStream, Listener
from magnetite.swarm.doorkeeper import Doorkeeper
from magnetite.swarm.greeting import Security, welcome
from magnetite.swarm.refusals import Refusals
from magnetite.swarm.swarm import Swarm
from magnetite.ways import Carrier
from magnetite.wire.handshake import Handshake

log = logging.getLogger(__name__)


class Reception:
    """For all torrents of a client; `swarms` are those there are at the moment."""

    def __init__(self, swarms: Mapping[InfoHash, Swarm], security: Security, emit: Emit) -> None:
        self._swarms = swarms
        self._security = security
        self._emit = emit
        self._doorkeeper = Doorkeeper()
        self._refusals = Refusals()

    async def accept_forever(self, listener: Listener, carrier: Carrier = Carrier.TCP) -> None:
        async with trio.open_nursery() as nursery:
            while True:
                stream = await listener.accept()
                if self._doorkeeper.admit(stream.remote.ip):
                    nursery.start_soon(self._serve, stream, carrier)
                else:
                    self._note(stream, NetworkError("too many callers", Reason.TOO_MANY_PEERS))
                    await stream.aclose()

    async def _serve(self, stream: ByteStream, carrier: Carrier) -> None:
        try:
            connection = await welcome(stream, carrier, self._swarms, self._answer, self._security)
        except (NetworkError, RemoteProtocolError) as error:
            self._note(stream, error)
            return
        finally:
            self._doorkeeper.release(stream.remote.ip)
        swarm = self._swarms.get(connection.handshake.info_hash)
        if swarm is None:  # it ended while its caller shook hands
            await stream.aclose()
            return
        await swarm.members.serve(connection, Source.INCOMING)

    def _answer(self, info_hash: InfoHash) -> Handshake | None:
        swarm = self._swarms.get(info_hash)
        return swarm.members.handshake if swarm else None

    def _note(self, stream: ByteStream, error: MagnetiteError) -> None:
        now = trio.current_time()
        callers = self._refusals.note(error.reason, now)
        if callers:
            log.info(
                "turned %s away: %s; others for that since the last such line: %d", stream.remote, error, callers - 1
            )
            self._emit(CallerTurnedAway(now, stream.remote, error.reason, str(error), callers))
