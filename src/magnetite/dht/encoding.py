"""KRPC messages to bytes, by concatenation: six times as fast as building a dictionary and encoding it. Pure.

The keys stand in sorted order, as bencoding demands; the tests compare with `bencoding.encode`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from magnetite import bencoding
from magnetite.dht.bloom import Scrape
from magnetite.dht.contact import Family
from magnetite.dht.items import Item, MutableItem
from magnetite.dht.messages import (
    CLIENT_VERSION,
    AnnouncePeer,
    FindNode,
    GetItem,
    GetPeers,
    Ping,
    PutItem,
    Query,
    SampleInfohashes,
    Want,
)
from magnetite.dht.samples import Samples
from magnetite.ids import NodeId

_VERSION = b"1:v%d:%b" % (len(CLIENT_VERSION), CLIENT_VERSION)
_QUERY_END = _VERSION + b"1:y1:qe"
ERROR_START = b"d1:e"
RESPONSE_END = _VERSION + b"1:y1:re"
_PADDING: Final = b"7:padding68:" + bytes(68)
"""Makes a `get` 176 bytes long. A node that keeps its answers below eight times the query, as ours do, could not answer
with an item of more than some 500 bytes otherwise. Unknown arguments are passed over by all."""


def encode_query(transaction: bytes, sender: NodeId, query: Query, read_only: bool = False) -> bytes:
    """A query as a datagram."""
    return b"d1:ad%b2:id20:%b%be1:q%b%b1:t%d:%b%b" % (
        b"3:casi%de" % query.cas if isinstance(query, PutItem) and query.cas is not None else b"",
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
        case GetPeers(info_hash, want, no_seed, scrape):
            flags = (b"6:noseedi1e" if no_seed else b"") + (b"6:scrapei1e" if scrape else b"")
            return b"9:info_hash20:%b%b%b" % (bytes(info_hash), flags, _want(want)), b"9:get_peers"
        case FindNode(target, want):
            return b"6:target20:%b%b" % (bytes(target), _want(want)), b"9:find_node"
        case Ping():
            return b"", b"4:ping"
        case AnnouncePeer(info_hash, port, token, implied_port, is_seed):
            arguments = b"12:implied_porti%de9:info_hash20:%b4:porti%de%b5:token%d:%b" % (
                implied_port,
                bytes(info_hash),
                port,
                b"4:seedi1e" if is_seed else b"",
                len(token),
                token,
            )
            return arguments, b"13:announce_peer"
        case GetItem(target, seq, want):
            after = b"" if seq is None else b"3:seqi%de" % seq
            return b"%b%b6:target20:%b%b" % (_PADDING, after, bytes(target), _want(want)), b"3:get"
        case PutItem(item, token):
            return _item_to_put(item, token), b"3:put"
        case SampleInfohashes(target, want):
            return b"6:target20:%b%b" % (bytes(target), _want(want)), b"17:sample_infohashes"


def _item_to_put(item: Item, token: bytes) -> bytes:
    token_and_value = b"5:token%d:%b1:v%b" % (len(token), token, item.value)
    if not isinstance(item, MutableItem):
        return token_and_value
    salt = b"4:salt%d:%b" % (len(item.salt), item.salt) if item.salt else b""
    return b"1:k32:%b%b3:seqi%de3:sig64:%b%b" % (item.key, salt, item.seq, item.signature, token_and_value)


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
    scrape: Scrape | None = None,
    item: Item | None = None,
    seq: int | None = None,
    samples: Samples | None = None,
) -> bytes:
    """An answer as a datagram.

    `our_view` is the asker's compact endpoint, as BEP 42 wants it told; `nodes` and `nodes6` are compact node info,
    `values` compact endpoints. `seq` goes with a mutable `item`, or stands for one that is not sent.
    """
    parts = [b"d2:ip%d:%b1:rd" % (len(our_view), our_view)]
    if scrape is not None:
        parts.append(b"4:BFpe256:%b4:BFsd256:%b" % (bytes(scrape.peers), bytes(scrape.seeds)))
    parts.append(b"2:id20:%b" % bytes(sender))
    if samples is not None:
        parts.append(b"8:intervali%de" % samples.interval)
    if isinstance(item, MutableItem):
        parts.append(b"1:k32:%b" % item.key)
    if nodes is not None:
        parts.append(b"5:nodes%d:%b" % (len(nodes), nodes))
    if nodes6 is not None:
        parts.append(b"6:nodes6%d:%b" % (len(nodes6), nodes6))
    if samples is not None:
        info_hashes = b"".join(map(bytes, samples.info_hashes))
        parts.append(b"3:numi%de7:samples%d:%b" % (samples.num, len(info_hashes), info_hashes))
    if seq is not None:
        parts.append(b"3:seqi%de" % seq)
    if isinstance(item, MutableItem):
        parts.append(b"3:sig64:%b" % item.signature)
    if token:
        parts.append(b"5:token%d:%b" % (len(token), token))
    if item is not None:
        parts.append(b"1:v" + item.value)
    if values:
        parts.append(b"6:valuesl%be" % b"".join([b"%d:%b" % (len(value), value) for value in values]))
    parts.append(b"e1:t%d:%b%b" % (len(transaction), transaction, RESPONSE_END))
    return b"".join(parts)


def encode_error(transaction: bytes, code: int, text: str, our_view: bytes) -> bytes:
    """A refusal as a datagram (BEP 5, Errors)."""
    return bencoding.encode(
        {b"e": [int(code), text], b"ip": our_view, b"t": transaction, b"v": CLIENT_VERSION, b"y": b"e"}
    )
