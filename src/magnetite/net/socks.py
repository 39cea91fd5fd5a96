"""SOCKS 5 as bytes: what is said to a proxy and what it answers (RFC 1928, and RFC 1929 for passwords). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from socket import AF_INET, AF_INET6, inet_ntop
from typing import Final, TypeAlias
from urllib.parse import unquote, urlsplit

from magnetite.endpoint import Endpoint
from magnetite.errors import LocalProtocolError, NetworkError, Reason

VERSION: Final = 5
PASSWORD_VERSION: Final = 1  # of RFC 1929
DEFAULT_PORT: Final = 1080
LONGEST_NAME: Final = 255  # bytes of a host name, user or password: the length is one byte

Destination: TypeAlias = Endpoint | tuple[str, int]
"""Where to: an endpoint, or a host name, which the proxy looks up, and a port."""


class Method(IntEnum):
    """How we say who we are (RFC 1928, 3)."""

    NONE = 0
    PASSWORD = 2


class Command(IntEnum):
    CONNECT = 1
    UDP_ASSOCIATE = 3


class AddressType(IntEnum):
    IPV4 = 1
    NAME = 3
    IPV6 = 4


WIDTHS: Final[dict[int, int]] = {AddressType.IPV4: 4, AddressType.IPV6: 16}  # bytes
FAMILIES: Final = {AddressType.IPV4: AF_INET, AddressType.IPV6: AF_INET6}
ASSOCIATION: Final = Endpoint("0.0.0.0", 0)  # of UDP: we do not know where from the proxy will see our datagrams

REFUSALS: Final = {
    1: (Reason.PROXY_FAILED, "it failed"),
    2: (Reason.PROXY_FAILED, "its rules forbid it"),
    3: (Reason.UNREACHABLE, "network unreachable"),
    4: (Reason.UNREACHABLE, "host unreachable"),
    5: (Reason.REFUSED, "connection refused"),
    6: (Reason.CONNECT_TIMEOUT, "no answer in time"),
    7: (Reason.PROXY_FAILED, "it does not know how to"),
    8: (Reason.PROXY_FAILED, "it does not know this kind of address"),
}
"""What the reply codes mean (RFC 1928, 6); any other is as the first."""


class ProxyRefusal(NetworkError):
    """The proxy was reached, and does not do what it was asked for."""


@dataclass(frozen=True, slots=True)
class Proxy:
    """A SOCKS 5 server, and who we are to it. The password is not shown."""

    host: str
    port: int
    user: str | None = None
    password: str = ""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"socks5://{host}:{self.port}"

    __repr__ = __str__


def parse_proxy(text: str) -> Proxy:
    """The proxy of `socks5://[user:password@]host[:port]`. Raises LocalProtocolError.

    `socks5h` means the same: names are always looked up by the proxy.
    """
    form = "write a proxy as socks5://[user:password@]host:port"
    try:
        parts = urlsplit(text.strip())
        host, port = parts.hostname, parts.port
    except ValueError:
        raise LocalProtocolError(f"{form}; there is a mistake in it") from None  # not the text: it may hold a password
    if parts.scheme.lower() not in ("socks5", "socks5h"):
        raise LocalProtocolError(f"{form}; {parts.scheme or 'without that'!r} is not known")
    if not host or port == 0 or parts.path.strip("/") or parts.query or parts.fragment:
        raise LocalProtocolError(form)
    user = unquote(parts.username) if parts.username is not None else None
    password = unquote(parts.password or "")
    if any(len(each.encode()) > LONGEST_NAME for each in (user or "", password)):
        raise LocalProtocolError(f"{form}; user and password have at most {LONGEST_NAME} bytes")
    if user == "":
        raise LocalProtocolError(f"{form}; there is no user before the password")
    return Proxy(host, DEFAULT_PORT if port is None else port, user, password)


class Negotiation:
    """What is said on one connection to a proxy, until it is a way to the destination.

    Send `first`; then, as long as there is no `bound`, read exactly `needed` bytes, hand them to `received`, and send
    what that gives. At most 262 bytes of an answer are ever read.
    """

    def __init__(self, proxy: Proxy, command: Command, destination: Destination) -> None:
        self.bound: Endpoint | None = None  # where the proxy listens or sends from, as it says
        self.needed = 2
        self.first = bytes((VERSION, len(_methods(proxy)), *_methods(proxy)))
        self._proxy = proxy
        self._request = bytes((VERSION, command, 0)) + encode_destination(destination)
        self._step = self._on_method
        self._reply = b""

    def received(self, data: bytes) -> bytes:
        """What to send now, perhaps nothing. Raises NetworkError where the proxy refuses, or is none."""
        assert len(data) == self.needed
        return self._step(data)

    def _on_method(self, data: bytes) -> bytes:
        if data[0] != VERSION:
            raise self._failure("it is no SOCKS 5 proxy")
        if data[1] == Method.NONE:
            return self._ask()
        if data[1] != Method.PASSWORD or Method.PASSWORD not in _methods(self._proxy):
            wanted = "wants a user and a password" if self._proxy.user is None else "takes no user and password of ours"
            raise self._failure(f"it {wanted}")
        self._step = self._on_password
        return bytes((PASSWORD_VERSION,)) + _short(self._proxy.user or "") + _short(self._proxy.password)

    def _on_password(self, data: bytes) -> bytes:
        if data[1] != 0:
            raise self._failure("it does not take the user and the password")
        return self._ask()

    def _ask(self) -> bytes:
        self._step = self._on_reply
        self.needed = 5  # up to the first byte of the address, which may be its length
        return self._request

    def _on_reply(self, data: bytes) -> bytes:
        if data[0] != VERSION:
            raise self._failure("it is no SOCKS 5 proxy")
        if data[1] != 0:
            reason, words = REFUSALS.get(data[1], REFUSALS[1])
            raise ProxyRefusal(self._said(words), reason)
        length = data[4] + 1 if data[3] == AddressType.NAME else WIDTHS.get(data[3], 0)
        if not length:
            raise self._failure("it is no SOCKS 5 proxy")
        self._reply = data[3:]
        self._step = self._on_rest
        self.needed = length - 1 + 2
        return b""

    def _on_rest(self, data: bytes) -> bytes:
        destination, _ = decode_destination(self._reply + data)
        self.bound = destination if isinstance(destination, Endpoint) else Endpoint("0.0.0.0", destination[1])
        return b""

    def _failure(self, words: str) -> NetworkError:
        return NetworkError(self._said(words), Reason.PROXY_FAILED)

    def _said(self, words: str) -> str:
        return f"the proxy {self._proxy}: {words}"


def encode_destination(destination: Destination) -> bytes:
    """Type, address and port. Raises NetworkError(NAME_NOT_FOUND) for a name that cannot be written."""
    host, port = destination
    if not isinstance(destination, Endpoint):
        try:
            name = host.encode("idna") if not host.isascii() else host.encode()
        except UnicodeError:
            name = b""
        if not 0 < len(name) <= LONGEST_NAME:
            raise NetworkError(f"{host!r} cannot be a name", Reason.NAME_NOT_FOUND)
        return bytes((AddressType.NAME, len(name))) + name + port.to_bytes(2, "big")
    kind = AddressType.IPV6 if destination.is_ipv6 else AddressType.IPV4
    return bytes((kind,)) + destination.compact()


def decode_destination(data: bytes) -> tuple[Destination, int]:
    """What `encode_destination` wrote at the front of `data`, and where it ends. Raises NetworkError."""
    kind = _type(data[0]) if data else None
    if kind is AddressType.NAME and len(data) >= 2:
        start, end = 2, 2 + data[1]
    else:
        start, end = 1, 1 + WIDTHS.get(data[0], len(data)) if data else 1
    if len(data) < end + 2 or kind is None:
        raise NetworkError("an address of SOCKS that is none", Reason.PROXY_FAILED)
    port = int.from_bytes(data[end : end + 2], "big")
    if kind is AddressType.NAME:
        return (data[start:end].decode("ascii", "replace"), port), end + 2
    return Endpoint(inet_ntop(FAMILIES[kind], data[start:end]), port), end + 2


# -- datagrams (RFC 1928, 7) -------------------------------------------------------------------------------------------


def datagram_header(destination: Destination) -> bytes:
    """What stands before the data of a datagram that the proxy is to send on."""
    return b"\0\0\0" + encode_destination(destination)


def decode_datagram(data: bytes) -> tuple[Endpoint, bytes] | None:
    """Where a datagram came from, and its data; None for what is none, is in fragments, or comes from a name."""
    if data[:3] != b"\0\0\0":
        return None
    if len(data) >= 10 and data[3] == AddressType.IPV4:
        return Endpoint(inet_ntop(AF_INET, data[4:8]), data[8] << 8 | data[9]), data[10:]
    try:
        source, end = decode_destination(data[3:])
    except NetworkError:
        return None
    return (source, data[3 + end :]) if isinstance(source, Endpoint) else None


def _methods(proxy: Proxy) -> tuple[Method, ...]:
    return (Method.NONE,) if proxy.user is None else (Method.NONE, Method.PASSWORD)


def _type(number: int) -> AddressType | None:
    return AddressType(number) if number in (1, 3, 4) else None


def _short(text: str) -> bytes:
    return bytes((len(text.encode()),)) + text.encode()
