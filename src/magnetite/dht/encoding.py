"""KRPC messages to bytes, by concatenation: six times as fast as building a dictionary and encoding it. Pure.

The keys stand in sorted order, as bencoding demands; the tests compare with `bencoding.encode`.
"""

from __future__ import annotations

from collections.abc import Sequence

from magnetite import bencoding
from magnetite.dht.contact import Family
from magnetite.dht.messages import CLIENT_VERSION, AnnouncePeer, FindNode, GetPeers, Ping, Query, Want
from magnetite.ids import NodeId

_VERSION = b"1:v%d:%b" % (len(CLIENT_VERSION), CLIENT_VERSION)
_QUERY_END = _VERSION + b"1:y1:qe"
_RESPONSE_END = _VERSION + b"1:y1:re"


def encode_query(transaction: bytes, sender: NodeId, query: Query, read_only: bool = False) -> bytes:
    """A query as a datagram."""
    return b"d1:ad2:id20:%b%be1:q%b%b1:t%d:%b%b" % (
        bytes(sender),
        *_arguments(query),
        b"2:roi1e" if read_only else b"",
        len(transaction),
        transaction,
        _QUERY_END,
    )


def _arguments(query: Query) -> tuple[bytes, bytes]:
    """The arguments after `id`, and the method's name with its length."""
    match query:
        case GetPeers(info_hash, want):
            return b"9:info_hash20:%b%b" % (bytes(info_hash), _want(want)), b"9:get_peers"
        case FindNode(target, want):
            return b"6:target20:%b%b" % (bytes(target), _want(want)), b"9:find_node"
        case Ping():
            return b"", b"4:ping"
        case AnnouncePeer(info_hash, port, token, implied_port):
            arguments = b"12:implied_porti%de9:info_hash20:%b4:porti%de5:token%d:%b" % (
                implied_port,
                bytes(info_hash),
                port,
                len(token),
                token,
            )
            return arguments, b"13:announce_peer"


def _want(want: Want) -> bytes:
    if not want:
        return b""
    return b"4:wantl%be" % b"".join(b"2:" + family.value for family in Family if family in want)


def encode_response(
    transaction: bytes,
    sender: NodeId,
    our_view: bytes,
    *,
    nodes: bytes | None = None,
    nodes6: bytes | None = None,
    token: bytes = b"",
    values: Sequence[bytes] = (),
) -> bytes:
    """An answer as a datagram.

    `our_view` is the asker's compact endpoint, as BEP 42 wants it told; `nodes` and `nodes6` are compact node info,
    `values` compact endpoints.
    """
    parts = [b"d2:ip%d:%b1:rd2:id20:%b" % (len(our_view), our_view, bytes(sender))]
    if nodes is not None:
        parts.append(b"5:nodes%d:%b" % (len(nodes), nodes))
    if nodes6 is not None:
        parts.append(b"6:nodes6%d:%b" % (len(nodes6), nodes6))
    if token:
        parts.append(b"5:token%d:%b" % (len(token), token))
    if values:
        parts.append(b"6:valuesl%be" % b"".join([b"%d:%b" % (len(value), value) for value in values]))
    parts.append(b"e1:t%d:%b%b" % (len(transaction), transaction, _RESPONSE_END))
    return b"".join(parts)


def encode_error(transaction: bytes, code: int, text: str, our_view: bytes) -> bytes:
    """A refusal as a datagram (BEP 5, Errors)."""
    return bencoding.encode(
        {b"e": [int(code), text], b"ip": our_view, b"t": transaction, b"v": CLIENT_VERSION, b"y": b"e"}
    )
