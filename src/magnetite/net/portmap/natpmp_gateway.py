"""A router that speaks NAT-PMP (RFC 6886)."""

from __future__ import annotations

import trio

from magnetite.endpoint import Endpoint
from magnetite.net.base import DatagramSocket
from magnetite.net.portmap import natpmp
from magnetite.net.portmap.asking import ask
from magnetite.net.portmap.epoch import EpochWatch
from magnetite.net.portmap.mapping import LIFETIME, PORT, IpProtocol, Lease, PortMapping, refused
from magnetite.net.portmap.natpmp import ExternalAddress, Mapped
from magnetite.net.portmap.refusal import Refusal


class NatPmpGateway:
    """Implements Gateway on a socket that is the caller's."""

    method = PortMapping.NATPMP

    def __init__(self, socket: DatagramSocket, ip: str) -> None:
        self._socket = socket
        self._gateway = Endpoint(ip, PORT)
        self._epochs = EpochWatch()
        self._external: str | None = None

    async def find(self) -> None:
        """Raises NetworkError if there is none."""
        await self.has_restarted()

    async def has_restarted(self) -> bool:
        def read(data: bytes) -> ExternalAddress | Refusal | None:
            reply = natpmp.decode_reply(data)
            if isinstance(reply, Refusal):
                return reply if reply.opcode == natpmp.ADDRESS else None
            return reply if isinstance(reply, ExternalAddress) else None

        request = natpmp.encode_address_request()
        reply: ExternalAddress | Refusal = await ask(self._socket, self._gateway, request, read)
        if isinstance(reply, Refusal):
            raise refused(reply.text)
        self._external = reply.ip
        return self._epochs.note(reply.epoch, trio.current_time())

    async def map(self, protocol: IpProtocol, port: int, suggested: int) -> Lease:
        if self._external is None:
            await self.has_restarted()
        mapped = await self._ask_mapping(protocol, port, suggested, LIFETIME)
        if not (mapped.lifetime and mapped.external_port):
            raise refused("it grants nothing")
        return Lease(protocol, port, mapped.external_port, self._external, mapped.lifetime)

    async def unmap(self, lease: Lease) -> None:
        await self._ask_mapping(lease.protocol, lease.internal_port, 0, 0)

    async def _ask_mapping(self, protocol: IpProtocol, port: int, suggested: int, lifetime: int) -> Mapped:
        def read(data: bytes) -> Mapped | Refusal | None:
            reply = natpmp.decode_reply(data)
            if isinstance(reply, Refusal):
                return reply if reply.opcode == natpmp.MAP_OPCODES[protocol] else None
            if isinstance(reply, Mapped) and (reply.protocol, reply.internal_port) == (protocol, port):
                return reply
            return None

        request = natpmp.encode_map_request(protocol, port, suggested, lifetime)
        reply: Mapped | Refusal = await ask(self._socket, self._gateway, request, read)
        if isinstance(reply, Mapped):
            return reply
        raise refused(reply.text)
