"""PCP's datagrams (RFC 6887), as far as mapping our own port needs them: MAP and ANNOUNCE. Pure."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address
from struct import Struct as Layout
from typing import Final, TypeAlias

from msgspec import Struct

from magnetite.errors import RemoteProtocolError
from magnetite.net.portmap.mapping import IpProtocol
from magnetite.net.portmap.refusal import Refusal

VERSION: Final = 2
ANNOUNCE, MAP = 0, 1  # opcodes
UNSUPPORTED_OPCODE: Final = 4  # a result
REPLY: Final = 128  # the R bit, beside the opcode
LONGEST: Final = 1100  # bytes of a message (RFC 6887, 7)
NONCE: Final = 12  # bytes: who knows it may change the mapping (RFC 6887, 11.1)
PROTOCOLS: Final = {IpProtocol.TCP: 6, IpProtocol.UDP: 17}  # IANA's numbers
RESULTS: Final = {
    1: "unsupported version",
    2: "not authorised",
    3: "malformed request",
    4: "unsupported opcode",
    5: "unsupported option",
    6: "malformed option",
    7: "it has no network itself",
    8: "out of resources",
    9: "unsupported protocol",
    10: "too many mappings of ours",
    11: "it cannot provide that port",
    12: "our address is another one, there is a further router between us",
    13: "too many remote peers",
}  # RFC 6887, 7.4

_REQUEST = Layout(">BBxxI16s")  # version, opcode, lifetime, our address
_HEAD = Layout(">BBxBII12x")  # version, R and opcode, result, lifetime, epoch
_MAP = Layout(">12sB3xHH16s")  # nonce, protocol, internal port, external port, external address
NO_ADDRESS: Final = bytes(10) + b"\xff\xff" + bytes(4)  # any of IPv4 (RFC 6887, 5)


class Announced(Struct, frozen=True):
    """The gateway is there."""

    epoch: int  # seconds


class Mapped(Struct, frozen=True):
    epoch: int
    nonce: bytes
    protocol: IpProtocol
    internal_port: int
    external_port: int
    ip: str  # external
    lifetime: int  # seconds; 0 says that it is gone


Reply: TypeAlias = Announced | Mapped | Refusal


def encode_announce(own_ip: str) -> bytes:
    """Ask whether the gateway is there, and how long it has been (RFC 6887, 14.1); `own_ip` as it sees us."""
    return _REQUEST.pack(VERSION, ANNOUNCE, 0, _packed(own_ip))


def encode_map_request(
    own_ip: str, nonce: bytes, protocol: IpProtocol, internal_port: int, external_port: int, lifetime: int
) -> bytes:
    """Ask for a mapping for `lifetime` seconds, or with 0 to take it away (RFC 6887, 11.1); `nonce` is 12 bytes."""
    head = _REQUEST.pack(VERSION, MAP, lifetime, _packed(own_ip))
    return head + _MAP.pack(nonce, PROTOCOLS[protocol], internal_port, external_port, NO_ADDRESS)


def decode_reply(data: bytes) -> Reply:
    """What a gateway answers; options behind it are not looked at. Raises RemoteProtocolError for anything else.

    A gateway that speaks another version, NAT-PMP for one, says so in its own (RFC 6887, 9 and appendix A): a Refusal.
    """
    if len(data) >= 8 and data[0] != VERSION and data[1] & REPLY and 1 in data[2:4]:
        return _refusal(int.from_bytes(data[4:8], "big"), data[1] & ~REPLY, 1)
    if not _HEAD.size <= len(data) <= LONGEST or len(data) % 4:
        raise RemoteProtocolError(f"PCP answer of {len(data)} bytes")
    version, opcode, result, lifetime, epoch = _HEAD.unpack_from(data)
    if version != VERSION or not opcode & REPLY:
        raise RemoteProtocolError("no PCP answer")
    opcode -= REPLY
    if result:
        return _refusal(epoch, opcode, result)
    if opcode == ANNOUNCE:
        return Announced(epoch)
    if opcode != MAP or len(data) < _HEAD.size + _MAP.size:
        raise RemoteProtocolError(f"PCP answer {opcode} of {len(data)} bytes")
    nonce, protocol, internal, external, ip = _MAP.unpack_from(data, _HEAD.size)
    for known, number in PROTOCOLS.items():
        if protocol == number:
            return Mapped(epoch, nonce, known, internal, external, _textual(ip), lifetime)
    raise RemoteProtocolError(f"PCP mapping of protocol {protocol}")


def _packed(ip: str) -> bytes:
    """16 bytes, an IPv4 address mapped into IPv6 (RFC 6887, 5)."""
    address = ip_address(ip)
    return address.packed if isinstance(address, IPv6Address) else NO_ADDRESS[:12] + address.packed


def _textual(packed: bytes) -> str:
    address = IPv6Address(packed)
    return str(address.ipv4_mapped or address)


def _refusal(epoch: int, opcode: int, result: int) -> Refusal:
    return Refusal(epoch, opcode, result, RESULTS.get(result, f"PCP result {result}"))
