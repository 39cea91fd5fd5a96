"""KRPC messages from bytes: regular expressions for what nearly all look like, bencoding for the rest. Pure.

They take a microsecond or two where bencoding takes 10 to 40, and accept only what bencoding would: the tests demand
that both ways give the same message. Keys may stand in any order and unknown ones are passed over, as other clients
need it.
"""

from __future__ import annotations

import re
from typing import Final, TypeVar

from magnetite import bencoding
from magnetite.bencoding import Value
from magnetite.dht.bloom import FILTER_LENGTH, BloomFilter, Scrape
from magnetite.dht.contact import Contact, Family, K, decode_contacts
from magnetite.dht.items import (
    KEY_LENGTH,
    MAX_SALT,
    MAX_SEQ,
    MAX_VALUE,
    SIGNATURE_LENGTH,
    ImmutableItem,
    Item,
    MutableItem,
    is_bencoded,
)
from magnetite.dht.messages import (
    ANY,
    AnnouncePeer,
    ErrorCode,
    ErrorMessage,
    FindNode,
    GetItem,
    GetPeers,
    IncomingQuery,
    Message,
    Ping,
    PutItem,
    Query,
    RefusedQuery,
    Response,
    SampleInfohashes,
    Want,
)
from magnetite.dht.samples import MAX_INTERVAL, Samples
from magnetite.dht.triage import is_query
from magnetite.endpoint import Endpoint, decode_endpoint
from magnetite.errors import BencodeError, KrpcError, RemoteProtocolError
from magnetite.ids import ID_LENGTH, InfoHash, NodeId

MAX_DATAGRAM: Final = 4096  # bytes; npm's bittorrent-dht sends answers of 4 kB
MAX_TRANSACTION: Final = 32  # bytes of a transaction id we echo; clients use 2 to 8
MAX_TOKEN: Final = 64  # bytes; clients use 4 to 20
MAX_ERROR_TEXT: Final = 200  # bytes of a stranger's text that may reach a log

_WANT = rb"(?:4:wantl((?:2:n[46]){1,2})e)?"
_COMMON_QUERY = re.compile(
    rb"d1:ad2:id20:(.{20})"
    rb"(?:9:info_hash20:(.{20})((?:6:noseedi1e)?(?:6:scrapei1e)?)" + _WANT + rb"e1:q9:get_peers"
    rb"|6:target20:(.{20})" + _WANT + rb"e1:q9:find_node"
    rb"|e1:q4:ping)"
    rb"(?:2:roi([01])e)?1:t(?:2:(..)|4:(....)|8:(.{8})|1:(.))(?:1:v4:....)?1:y1:qe",
    re.DOTALL,
)

_T = TypeVar("_T", bytes, int, list[Value], dict[bytes, Value])


_NODES = b"|".join([b"%d:.{%d}" % (26 * count, 26 * count) for count in range(K, -1, -1)])  # a young node knows few
_COMMON_RESPONSE = re.compile(
    rb"d(?:2:ip6:(.{6}))?1:rd2:id20:(.{20})(?:5:nodes(" + _NODES + rb"))?(?:1:pi\d{1,5}e)?"
    rb"(?:5:token(?:4:(....)|8:(.{8})|20:(.{20})))?(?:6:valuesl((?:6:.{6}){1,100})e)?"
    rb"e1:t4:(....)(?:1:v4:....)?1:y1:re",
    re.DOTALL,
)


def decode(datagram: bytes) -> Message:
    """The message in a datagram. Raises KrpcError for anything that is none."""
    if (query := _COMMON_QUERY.fullmatch(datagram)) is not None:
        return _common_query(query)
    if (response := _COMMON_RESPONSE.fullmatch(datagram)) is not None:
        return _common_response(response)
    return decode_any(datagram)


def decode_any(datagram: bytes) -> Message:
    """As `decode`, without the short way."""
    if datagram[:1] != b"d" or datagram[-1:] != b"e" or len(datagram) > MAX_DATAGRAM:
        raise KrpcError("not a dictionary")
    message, spans = _decode_dict(datagram, bencoding.QUERY if is_query(datagram) else bencoding.DATAGRAM)
    transaction = _need(message, b"t", bytes)
    if len(transaction) > MAX_TRANSACTION:
        raise KrpcError(f"a transaction id of {len(transaction)} bytes")
    match message.get(b"y"):
        case b"q":
            return _query(transaction, message, datagram[slice(*spans.get(b"a", (0, 0)))])
        case b"r":
            return _response(transaction, message, datagram[slice(*spans.get(b"r", (0, 0)))])
        case b"e":
            return _error(transaction, message)
    raise KrpcError("neither a query nor a response nor an error")


def _common_query(match: re.Match[bytes]) -> IncomingQuery:
    sender, info_hash, flags, want, target, find_want, ro, two, four, eight, one = match.groups()
    query: Query
    if info_hash is not None:
        if flags:
            query = GetPeers(
                InfoHash.from_bytes(info_hash, "big"), _WANTS[want], b"noseed" in flags, b"scrape" in flags
            )
        else:
            query = GetPeers(InfoHash.from_bytes(info_hash, "big"), _WANTS[want])
    elif target is not None:
        query = FindNode(NodeId.from_bytes(target, "big"), _WANTS[find_want])
    else:
        query = Ping()
    return IncomingQuery(two or four or eight or one, NodeId.from_bytes(sender, "big"), query, ro == b"1")


def _common_response(match: re.Match[bytes]) -> Response:
    ip, sender, nodes, four, eight, twenty, values, transaction = match.groups()
    return Response(
        transaction,
        NodeId.from_bytes(sender, "big"),
        decode_contacts(nodes[nodes.index(b":") + 1 :], Family.IPV4) if nodes else (),
        (),
        tuple([decode_endpoint(values[at + 2 : at + 8]) for at in range(0, len(values), 8)]) if values else (),
        four or eight or twenty or b"",
        decode_endpoint(ip) if ip else None,
    )


_WANTS: dict[bytes | None, Want] = {
    None: ANY,
    b"2:n4": frozenset({Family.IPV4}),
    b"2:n6": frozenset({Family.IPV6}),
    b"2:n42:n4": frozenset({Family.IPV4}),
    b"2:n62:n6": frozenset({Family.IPV6}),
    b"2:n42:n6": frozenset(Family),
    b"2:n62:n4": frozenset(Family),
}


class _Refusal(KrpcError):
    """A query's argument is wrong in a way that has an error code of its own."""

    def __init__(self, code: ErrorCode, text: str) -> None:
        super().__init__(text)
        self.code = code


def _query(transaction: bytes, message: dict[bytes, Value], raw: bytes) -> IncomingQuery | RefusedQuery:
    """`raw` are the bytes of the arguments."""
    method = _need(message, b"q", bytes)
    arguments = _need(message, b"a", dict)
    sender = NodeId(_id(arguments, b"id"))
    try:
        query = _arguments(method, arguments, raw)
    except _Refusal as refusal:
        return RefusedQuery(transaction, refusal.code, str(refusal))
    except KrpcError as error:
        return RefusedQuery(transaction, ErrorCode.PROTOCOL, str(error))
    if query is None:
        return RefusedQuery(transaction, ErrorCode.UNKNOWN_METHOD, "Method Unknown")
    return IncomingQuery(transaction, sender, query, message.get(b"ro") == 1)


def _arguments(method: bytes, arguments: dict[bytes, Value], raw: bytes) -> Query | None:
    match method:
        case b"ping":
            return Ping()
        case b"find_node":
            return FindNode(NodeId(_id(arguments, b"target")), _want(arguments))
        case b"get_peers":
            info_hash = InfoHash(_id(arguments, b"info_hash"))
            return GetPeers(info_hash, _want(arguments), arguments.get(b"noseed") == 1, arguments.get(b"scrape") == 1)
        case b"announce_peer":
            return _announce(arguments)
        case b"get":
            return GetItem(NodeId(_id(arguments, b"target")), _number(arguments, b"seq"), _want(arguments))
        case b"put":
            return PutItem(_item_to_put(arguments, raw), _write_token(arguments), _number(arguments, b"cas"))
        case b"sample_infohashes":
            return SampleInfohashes(NodeId(_id(arguments, b"target")), _want(arguments))
    return None


def _announce(arguments: dict[bytes, Value]) -> AnnouncePeer:
    implied_port = arguments.get(b"implied_port", 0) != 0
    port = arguments.get(b"port", 0) if implied_port else _need(arguments, b"port", int)
    if not isinstance(port, int) or not 0 <= port < 1 << 16:
        raise KrpcError("port out of range")
    if port == 0 and not implied_port:
        raise KrpcError("nobody listens on port 0")
    info_hash = InfoHash(_id(arguments, b"info_hash"))
    return AnnouncePeer(info_hash, port, _write_token(arguments), implied_port, arguments.get(b"seed") == 1)


def _write_token(arguments: dict[bytes, Value]) -> bytes:
    token = _need(arguments, b"token", bytes)
    if len(token) > MAX_TOKEN:
        raise KrpcError("token too long")
    return token


def _number(arguments: dict[bytes, Value], key: bytes) -> int | None:
    """A sequence number that may be left out."""
    return _need(arguments, key, int) if key in arguments else None


def _item_to_put(arguments: dict[bytes, Value], raw: bytes) -> Item:
    """What a `put` wants stored (BEP 44, Errors)."""
    if b"v" not in arguments:
        raise KrpcError("v is missing")
    value = _raw_value(raw)
    if len(value) > MAX_VALUE:
        raise _Refusal(ErrorCode.VALUE_TOO_BIG, f"v is longer than {MAX_VALUE} bytes")
    if not is_bencoded(value):  # "MUST reject the request and SHOULD return an error message with code 203"
        raise KrpcError("v is no canonical bencoding")
    if b"k" not in arguments:
        return ImmutableItem(value)
    key, signature = _need(arguments, b"k", bytes), _need(arguments, b"sig", bytes)
    if len(key) != KEY_LENGTH or len(signature) != SIGNATURE_LENGTH:
        raise KrpcError("k or sig of the wrong length")
    seq = _need(arguments, b"seq", int)
    if not 0 <= seq <= MAX_SEQ:
        raise KrpcError("seq out of range")
    salt = _need(arguments, b"salt", bytes) if b"salt" in arguments else b""
    if len(salt) > MAX_SALT:
        raise _Refusal(ErrorCode.SALT_TOO_BIG, f"salt is longer than {MAX_SALT} bytes")
    return MutableItem(value, key, seq, signature, salt)


def _raw_value(raw: bytes) -> bytes:
    """The bytes of `v` in a dictionary: what is hashed and signed is what was received, never a re-encoding."""
    _, spans = _decode_dict(raw)
    return raw[slice(*spans[b"v"])]


def _want(arguments: dict[bytes, Value]) -> Want:
    """Strings we do not know "must be silently ignored on reception" (BEP 32)."""
    want = arguments.get(b"want")
    return frozenset(family for family in Family if family.value in want) if isinstance(want, list) else ANY


def _response(transaction: bytes, message: dict[bytes, Value], raw: bytes) -> Response:
    """`raw` are the bytes of `r`. The fields of extensions are extras: a wrong one does not spoil the nodes."""
    returned = _need(message, b"r", dict)
    token = returned.get(b"token", b"")
    if not isinstance(token, bytes) or len(token) > MAX_TOKEN:
        raise KrpcError("token too long, or none")
    return Response(
        transaction,
        NodeId(_id(returned, b"id")),
        _contacts(returned, b"nodes", Family.IPV4),
        _contacts(returned, b"nodes6", Family.IPV6),
        _values(returned),
        token,
        _our_endpoint(message),
        _scrape(returned),
        _item(returned, raw) if b"v" in returned else None,
        _seq(returned),
        _samples(returned),
    )


def _contacts(returned: dict[bytes, Value], key: bytes, family: Family) -> tuple[Contact, ...]:
    data = returned.get(key, b"")
    if not isinstance(data, bytes):
        raise KrpcError(f"{key.decode()} is no string")
    try:
        return decode_contacts(data, family)
    except RemoteProtocolError as error:
        raise KrpcError(str(error)) from None


def _values(returned: dict[bytes, Value]) -> tuple[Endpoint, ...]:
    """Peers; lists that mix both families "must" be read (BEP 32)."""
    values = returned.get(b"values", [])
    if not isinstance(values, list):
        raise KrpcError("values is no list")
    try:
        return tuple([decode_endpoint(value) for value in values if isinstance(value, bytes)])
    except RemoteProtocolError as error:
        raise KrpcError(str(error)) from None


def _our_endpoint(message: dict[bytes, Value]) -> Endpoint | None:
    """`ip` is a courtesy (BEP 42): a wrong one does not spoil the answer."""
    told = message.get(b"ip")
    if not isinstance(told, bytes) or len(told) not in (6, 18):
        return None
    return decode_endpoint(told)


def _scrape(returned: dict[bytes, Value]) -> Scrape | None:
    match returned.get(b"BFsd"), returned.get(b"BFpe"):
        case [bytes(seeds), bytes(peers)] if len(seeds) == len(peers) == FILTER_LENGTH:
            return Scrape(BloomFilter(seeds), BloomFilter(peers))
    return None


def _item(returned: dict[bytes, Value], raw: bytes) -> Item | None:
    value = _raw_value(raw)
    if len(value) > MAX_VALUE or not is_bencoded(value):
        return None
    match returned.get(b"k"), returned.get(b"sig"), _seq(returned):
        case [None, _, _]:
            return ImmutableItem(value)
        case [bytes(key), bytes(signature), int(seq)] if len(key) == KEY_LENGTH and len(signature) == SIGNATURE_LENGTH:
            return MutableItem(value, key, seq, signature)
    return None


def _seq(returned: dict[bytes, Value]) -> int | None:
    seq = returned.get(b"seq")
    return seq if isinstance(seq, int) and 0 <= seq <= MAX_SEQ else None


def _samples(returned: dict[bytes, Value]) -> Samples | None:
    """Nodes that know BEP 51 "should always include the samples field"; what else is wrong is put right."""
    samples, num, interval = returned.get(b"samples"), returned.get(b"num"), returned.get(b"interval")
    if not isinstance(samples, bytes) or len(samples) % ID_LENGTH:
        return None
    info_hashes = tuple(InfoHash.decode(samples[at : at + ID_LENGTH]) for at in range(0, len(samples), ID_LENGTH))
    return Samples(
        info_hashes,
        max(num, len(info_hashes)) if isinstance(num, int) else len(info_hashes),
        min(max(interval, 0), MAX_INTERVAL) if isinstance(interval, int) else 0,
    )


def _error(transaction: bytes, message: dict[bytes, Value]) -> ErrorMessage:
    match message.get(b"e"):
        case [int(code), bytes(text), *_]:
            return ErrorMessage(transaction, code, text[:MAX_ERROR_TEXT].decode("utf-8", "replace"))
    raise KrpcError("an error without code and text")


def _decode_dict(
    data: bytes, limits: bencoding.Limits = bencoding.DATAGRAM
) -> tuple[dict[bytes, Value], dict[bytes, bencoding.Span]]:
    try:
        return bencoding.decode_dict(data, limits)
    except BencodeError as error:
        raise KrpcError(str(error)) from None


def _need(dictionary: dict[bytes, Value], key: bytes, kind: type[_T]) -> _T:
    value = dictionary.get(key)
    if not isinstance(value, kind):
        raise KrpcError(f"{key.decode()} is missing or of the wrong type")
    return value


def _id(dictionary: dict[bytes, Value], key: bytes) -> int:
    value = dictionary.get(key)
    if not isinstance(value, bytes) or len(value) != ID_LENGTH:
        raise KrpcError(f"{key.decode()} is no id of 20 bytes")
    return int.from_bytes(value, "big")
