"""NAT-PMP's datagrams (RFC 6886): ask a gateway for its external address and for mappings. Pure."""

from __future__ import annotations

from socket import AF_INET, inet_ntop  # conversions only: no socket is opened here
from struct import Struct as Layout
from typing import Final, TypeAlias

from msgspec import Struct

from magnetite.errors import RemoteProtocolError
from magnetite.net.portmap.mapping import IpProtocol
from magnetite.net.portmap.refusal import Refusal

VERSION: Final = 0
ADDRESS: Final = 0  # opcode
MAP_OPCODES: Final = {IpProtocol.UDP: 1, IpProtocol.TCP: 2}
REPLY: Final = 128  # added to the opcode
RESULTS: Final = {
    1: "unsupported version",
    2: "not authorised",
    3: "it has no network itself",
    4: "out of resources",
    5: "unsupported opcode",
}  # RFC 6886, 3.5

_MAP_REQUEST = Layout(">BBxxHHI")
_HEAD = Layout(">BBHI")  # version, opcode, result, epoch
_MAPPING = Layout(">HHI")  # internal port, external port, lifetime


class ExternalAddress(Struct, frozen=True):
    epoch: int  # seconds
    ip: str


class Mapped(Struct, frozen=True):
    epoch: int
    protocol: IpProtocol
    internal_port: int
    external_port: int
    lifetime: int  # seconds; 0 says that it is gone


Reply: TypeAlias = ExternalAddress | Mapped | Refusal


def encode_address_request() -> bytes:
    """Ask for the external address (RFC 6886, 3.2): 2 bytes."""
    return bytes((VERSION, ADDRESS))


def encode_map_request(protocol: IpProtocol, internal_port: int, external_port: int, lifetime: int) -> bytes:
    """Ask for a mapping for `lifetime` seconds; with 0, and external port 0, to take it away (RFC 6886, 3.3, 3.4)."""
    return _MAP_REQUEST.pack(VERSION, MAP_OPCODES[protocol], internal_port, external_port, lifetime)


def decode_reply(data: bytes) -> Reply:
    """What a gateway answers. Raises RemoteProtocolError for anything else."""
    if len(data) < _HEAD.size:
        raise RemoteProtocolError(f"NAT-PMP answer of {len(data)} bytes")
    version, opcode, result, epoch = _HEAD.unpack_from(data)
    if version != VERSION or opcode < REPLY:
        raise RemoteProtocolError("no NAT-PMP answer")
    if result:
        return _refusal(epoch, opcode - REPLY, result)
    if opcode == REPLY + ADDRESS and len(data) == _HEAD.size + 4:
        return ExternalAddress(epoch, inet_ntop(AF_INET, data[_HEAD.size :]))
    for protocol, number in MAP_OPCODES.items():
        if opcode == REPLY + number and len(data) == _HEAD.size + _MAPPING.size:
            return Mapped(epoch, protocol, *_MAPPING.unpack_from(data, _HEAD.size))
    raise RemoteProtocolError(f"NAT-PMP answer {opcode} of {len(data)} bytes")


def _refusal(epoch: int, opcode: int, result: int) -> Refusal:
    return Refusal(epoch, opcode, result, RESULTS.get(result, f"NAT-PMP result {result}"))
