"""Dialling an address by whatever way leads there: TCP or uTP, with a plain or an encrypted handshake."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final, TypeAlias

from magnetite.endpoint import Endpoint
from magnetite.errors import MagnetiteError, NetworkError, Reason, RemoteProtocolError
from magnetite.net.base import ByteStream, Network, Transport
from magnetite.swarm.approach import Approach, may_be_the_way
from magnetite.swarm.greeting import Connection, Security, greet, within
from magnetite.swarm.race import race
from magnetite.ways import Carrier, Way
from magnetite.wire.handshake import Handshake

# Seconds. Who is not reached by uTP mostly says nothing at all, so waiting long for it would make dials to all those
# that TCP refuses as slow; two repetitions of the first packet fit in.
CONNECT_TIMEOUT: Final = {Carrier.TCP: 10.0, Carrier.UTP: 4.0}

OnWayFailed: TypeAlias = Callable[[Way, MagnetiteError], None]


@dataclass(frozen=True, slots=True)
class Dialler:
    """How one client calls others. Without `utp` TCP is the only carrier."""

    network: Network
    utp: Transport | None
    security: Security

    async def dial(self, remote: Endpoint, ours: Handshake, known: Way | None, on_failed: OnWayFailed) -> Connection:
        """Connect to a peer and shake hands, beginning with the way that is `known` to have worked.

        `on_failed` is told of each way that failed where there is more than one. Raises NetworkError or WireError: what
        the first carrier that reached the peer ended in, or else the first of all; no stream is left behind then.
        """
        carriers = (Carrier.TCP,) if self.utp is None else (Carrier.TCP, Carrier.UTP)
        approach = Approach(self.security.policy, carriers, known)
        return await _Dial(self, remote, ours, approach, on_failed if approach.has_choice else _ignore).connection()

    async def punch(self, remote: Endpoint, ours: Handshake) -> Connection:
        """As `dial`, by uTP alone: the remote dials us at the same moment (BEP 55)."""
        approach = Approach(self.security.policy, (Carrier.UTP,), None)
        return await _Dial(self, remote, ours, approach, _ignore).connection()

    async def call(self, carrier: Carrier, remote: Endpoint) -> ByteStream:
        """Raises NetworkError."""
        with within(CONNECT_TIMEOUT[carrier], Reason.CONNECT_TIMEOUT):
            if carrier is Carrier.UTP and self.utp is not None:
                return await self.utp.connect(remote)
            return await self.network.connect(remote)


@dataclass(frozen=True, slots=True)
class _Dial:
    """One dial of one address."""

    dialler: Dialler
    remote: Endpoint
    ours: Handshake
    approach: Approach
    note: OnWayFailed

    async def connection(self) -> Connection:
        failure: NetworkError | RemoteProtocolError | None = None
        while self.approach.carriers:
            try:
                carrier, stream = await self._race()
            except NetworkError as error:  # none of them arrives
                failure = failure or error
                break
            self.approach.rule_out(carrier)
            try:
                return await self._greet(carrier, stream)
            except (NetworkError, RemoteProtocolError) as error:
                failure = failure or error
                if not may_be_the_way(error.reason):
                    break
        assert failure is not None
        raise failure

    async def _race(self) -> tuple[Carrier, ByteStream]:
        """The carrier that arrives first; those that have failed by then are ruled out."""
        carriers = self.approach.carriers
        index, stream = await race([partial(self._attempt, each) for each in carriers], self.approach.stagger)
        return carriers[index], stream

    async def _attempt(self, carrier: Carrier) -> ByteStream:
        try:
            return await self.dialler.call(carrier, self.remote)
        except NetworkError as error:
            self.approach.rule_out(carrier)
            self.note(Way(carrier, self.approach.forms[0]), error)
            raise

    async def _greet(self, carrier: Carrier, stream: ByteStream) -> Connection:
        """Shake hands by this carrier, in one form and then, by another call, in the other."""
        for encrypted in self.approach.forms:
            way = Way(carrier, encrypted)
            try:
                if encrypted is not self.approach.forms[0]:
                    stream = await self.dialler.call(carrier, self.remote)
                return await greet(stream, self.ours, way, self.dialler.security)
            except (NetworkError, RemoteProtocolError) as error:
                self.note(way, error)
                failure = error
                if not may_be_the_way(error.reason):
                    break
        raise failure


def _ignore(way: Way, error: MagnetiteError) -> None:
    """There was but one way, and its failure is the dial's."""
