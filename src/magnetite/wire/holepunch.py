"""How a third peer brings two together that cannot call each other (BEP 55, ut_holepunch). Pure."""

from __future__ import annotations

from enum import IntEnum
from typing import Final, TypeAlias

from msgspec import Struct

from magnetite.endpoint import Endpoint, decode_endpoint
from magnetite.errors import WireError

UT_HOLEPUNCH: Final = "ut_holepunch"  # in `m` of the extension handshake (BEP 10)
RENDEZVOUS, CONNECT, ERROR = 0, 1, 2  # msg_type
_ADDRESS: Final = {0: 4, 1: 16}  # bytes of an address, by addr_type
_ERROR_CODE: Final = 4  # bytes; libtorrent leaves it out where there is no error


class PunchError(IntEnum):
    """Why a relay brings nobody together."""

    NO_SUCH_PEER = 1
    NOT_CONNECTED = 2
    NO_SUPPORT = 3
    NO_SELF = 4


class Rendezvous(Struct, frozen=True):
    """Initiator to relay: bring me together with the peer at this endpoint."""

    endpoint: Endpoint


class Connect(Struct, frozen=True):
    """Relay to both: dial this endpoint by uTP, now."""

    endpoint: Endpoint


class Failed(Struct, frozen=True):
    """Relay to initiator: not possible; `code` is mostly a PunchError."""

    endpoint: Endpoint
    code: int


Holepunch: TypeAlias = Rendezvous | Connect | Failed


def encode_holepunch(message: Holepunch) -> bytes:
    """The payload of an Extended message with the id that the receiver gave `ut_holepunch`."""
    match message:
        case Rendezvous(endpoint):
            kind, code = RENDEZVOUS, 0
        case Connect(endpoint):
            kind, code = CONNECT, 0
        case Failed(endpoint, code):
            kind = ERROR
    return bytes((kind, endpoint.is_ipv6)) + endpoint.compact() + code.to_bytes(_ERROR_CODE, "big")


def decode_holepunch(payload: bytes) -> Holepunch | None:
    """The message in such a payload, None if its type is unknown. Raises RemoteProtocolError."""
    if len(payload) < 2:
        raise WireError(f"ut_holepunch message of {len(payload)} bytes")
    kind, address_type = payload[:2]
    width = _ADDRESS.get(address_type)
    if width is None:
        raise WireError(f"ut_holepunch message with an address of type {address_type}")
    end = 2 + width + 2
    if len(payload) not in (end, end + _ERROR_CODE):
        raise WireError(f"ut_holepunch message of {len(payload)} bytes")
    endpoint = decode_endpoint(payload[2:end])
    match kind:
        case 0:
            return Rendezvous(endpoint)
        case 1:
            return Connect(endpoint)
        case 2:
            return Failed(endpoint, int.from_bytes(payload[end:], "big"))
    return None
