"""A router that speaks PCP (RFC 6887), NAT-PMP's successor."""

from __future__ import annotations

from random import Random

import trio

from magnetite.endpoint import Endpoint
from magnetite.net.base import DatagramSocket
from magnetite.net.portmap import pcp
from magnetite.net.portmap.asking import ask
from magnetite.net.portmap.epoch import EpochWatch
from magnetite.net.portmap.mapping import LIFETIME, PORT, IpProtocol, Lease, PortMapping, refused
from magnetite.net.portmap.pcp import Announced, Mapped
from magnetite.net.portmap.refusal import Refusal


class PcpGateway:
    """Implements Gateway on a socket that is the caller's, bound to the address `own_ip`, as the protocol demands.

    One nonce for all: it shows that a renewal is ours.
    """

    method = PortMapping.PCP

    def __init__(self, socket: DatagramSocket, ip: str, own_ip: str, rng: Random) -> None:
        self._socket = socket
        self._gateway = Endpoint(ip, PORT)
        self._own_ip = own_ip
        self._nonce = rng.randbytes(pcp.NONCE)
        self._epochs = EpochWatch()

    async def find(self) -> None:
        """Raises NetworkError if there is none."""
        await self.has_restarted()

    async def has_restarted(self) -> bool:
        def read(data: bytes) -> Announced | Refusal | None:
            reply = pcp.decode_reply(data)
            if isinstance(reply, Refusal):
                return reply if reply.opcode == pcp.ANNOUNCE else None
            return reply if isinstance(reply, Announced) else None

        reply: Announced | Refusal = await ask(self._socket, self._gateway, pcp.encode_announce(self._own_ip), read)
        if isinstance(reply, Refusal) and reply.result != pcp.UNSUPPORTED_OPCODE:  # else it speaks PCP all the same
            raise refused(reply.text)
        return self._epochs.note(reply.epoch, trio.current_time())

    async def map(self, protocol: IpProtocol, port: int, suggested: int) -> Lease:
        mapped = await self._ask_mapping(protocol, port, suggested, LIFETIME)
        if not (mapped.lifetime and mapped.external_port):
            raise refused("it grants nothing")
        return Lease(protocol, port, mapped.external_port, mapped.ip, mapped.lifetime)

    async def unmap(self, lease: Lease) -> None:
        await self._ask_mapping(lease.protocol, lease.internal_port, lease.external_port, 0)

    async def _ask_mapping(self, protocol: IpProtocol, port: int, suggested: int, lifetime: int) -> Mapped:
        def read(data: bytes) -> Mapped | Refusal | None:
            reply = pcp.decode_reply(data)
            if isinstance(reply, Refusal):
                return reply if reply.opcode == pcp.MAP else None
            asked = (self._nonce, protocol, port)
            if isinstance(reply, Mapped) and (reply.nonce, reply.protocol, reply.internal_port) == asked:
                return reply
            return None

        request = pcp.encode_map_request(self._own_ip, self._nonce, protocol, port, suggested, lifetime)
        reply: Mapped | Refusal = await ask(self._socket, self._gateway, request, read)
        if isinstance(reply, Mapped):
            return reply
        raise refused(reply.text)
