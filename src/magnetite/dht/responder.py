"""What to answer to a query. Pure: a query, its source and the time in; a datagram out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final, TypeAlias

from magnetite.dht.contact import Contact, Family, family_of
from magnetite.dht.encoding import encode_error, encode_response
from magnetite.dht.item_store import ItemStore
from magnetite.dht.items import MutableItem
from magnetite.dht.messages import (
    AnnouncePeer,
    ErrorCode,
    FindNode,
    GetItem,
    GetPeers,
    IncomingQuery,
    PutItem,
    RefusedQuery,
    SampleInfohashes,
    Want,
)
from magnetite.dht.peer_store import PeerStore
from magnetite.dht.routing_table import RoutingTable
from magnetite.dht.tokens import Tokens
from magnetite.endpoint import COMPACT4, COMPACT6, Endpoint
from magnetite.events import Emit, ItemStored, PeerStored
from magnetite.ids import ID_LENGTH, NodeId

MAX_ANSWER: Final = {Family.IPV4: 1_400, Family.IPV6: 1_024}  # bytes; the second is BEP 32's, Maximum packet size
MAX_AMPLIFICATION: Final = 8  # an answer's bytes for each byte of the query, whose source may be forged
_ENCODED_PEER: Final = {Family.IPV4: 2 + COMPACT4, Family.IPV6: 3 + COMPACT6}  # bytes of one in `values`
_OVERHEAD: Final = 164  # bytes of a get_peers answer besides contacts and peers, with a transaction id of 32 bytes
_LIST: Final = 12  # bytes around a list of contacts or peers, at most

_Contacts: TypeAlias = tuple[bytes | None, bytes | None]
"""`nodes` and `nodes6`; a family that is not wanted, or that we take no part in, is left out."""

_REFUSALS: Final = {
    ErrorCode.SERVER: "No room",
    ErrorCode.INVALID_SIGNATURE: "Invalid signature",
    ErrorCode.CAS_MISMATCH: "CAS mismatch",
    ErrorCode.SEQ_TOO_LOW: "Sequence number less than current",
}


class Responder:
    """Answers out of the routing tables and the stores, and notes in them who asked, announced or put.

    No answer is larger than MAX_ANSWER or MAX_AMPLIFICATION times its query. What does not fit gives way in this
    order: peers, contacts of the other family, contacts of the asker's own, the item or the filters asked for.
    """

    def __init__(
        self,
        tables: Mapping[Family, RoutingTable],
        store: PeerStore,
        items: ItemStore,
        tokens: Tokens,
        emit: Emit,
    ) -> None:
        self._tables = tables
        self._store = store
        self._items = items
        self._tokens = tokens
        self._emit = emit

    def answer(self, message: IncomingQuery, source: Endpoint, length: int, now: float) -> bytes:
        """The answer to a query that came from `source` in a datagram of `length` bytes."""
        family = family_of(source)
        if not message.read_only:
            self._tables[family].on_query(Contact(message.sender, source), now)
        match message.query:
            case GetPeers() as query:
                return self._get_peers(message.transaction, query, source, family, length, now)
            case FindNode(target, want):  # K contacts of both families are less than eight times the shortest query
                nodes, nodes6 = self._contacts(target, want, family, now)
                return self._respond(message.transaction, source)(nodes=nodes, nodes6=nodes6)
            case AnnouncePeer() as query:
                return self._announce_peer(message.transaction, query, source, now)
            case GetItem() as query:
                return self._get_item(message.transaction, query, source, family, length, now)
            case PutItem() as query:
                return self._put_item(message.transaction, query, source, now)
            case SampleInfohashes() as query:
                return self._sample(message.transaction, query, source, family, length, now)
        return self._respond(message.transaction, source)()

    def refuse(self, message: RefusedQuery, source: Endpoint) -> bytes:
        return encode_error(message.transaction, message.code, message.text, source.compact())

    def _own_id(self, source: Endpoint) -> NodeId:
        """Our id in the DHT of the asker's family; another one once our address changes (BEP 42)."""
        return self._tables[family_of(source)].own_id

    def _respond(self, transaction: bytes, source: Endpoint) -> Callable[..., bytes]:
        """What writes the answer: `encode_response` with its envelope."""
        return partial(encode_response, transaction, self._own_id(source), source.compact())

    # -- peers --------------------------------------------------------------------------------------------------------

    def _get_peers(
        self, transaction: bytes, query: GetPeers, source: Endpoint, family: Family, length: int, now: float
    ) -> bytes:
        info_hash = query.info_hash
        # None where an announce would find no room: the asker then turns to others (BEP 33, New GET_PEERS semantics)
        token = (
            self._tokens.issue(source.ip, info_hash, now)
            if self._store.invites(info_hash, source, family, now)
            else b""
        )
        nodes, nodes6 = self._contacts(info_hash, query.want, family, now)
        room = _room(family, length)
        if query.scrape and (scrape := self._store.scrape(info_hash, family, now)) is not None:
            encode = partial(self._respond(transaction, source), token=token, scrape=scrape)
            if len(encode()) <= room:
                nodes, nodes6 = _fitting(encode, nodes, nodes6, family, room)
                room -= len(encode(nodes=nodes, nodes6=nodes6)) + _LIST
                return encode(nodes=nodes, nodes6=nodes6, values=self._peers(query, family, room, now))
        room -= _OVERHEAD + len(nodes or b"") + len(nodes6 or b"")
        return self._respond(transaction, source)(
            nodes=nodes,
            nodes6=nodes6,
            token=token,
            values=self._peers(query, family, room, now),
        )

    def _peers(self, query: GetPeers, family: Family, room: int, now: float) -> list[bytes]:
        """As many peers of the asker's family as fit into `room` bytes."""
        count = max(0, room // _ENCODED_PEER[family])
        return self._store.sample(query.info_hash, family, count, now, no_seed=query.no_seed)

    def _announce_peer(self, transaction: bytes, query: AnnouncePeer, source: Endpoint, now: float) -> bytes:
        if not self._tokens.is_valid(query.token, source.ip, query.info_hash, now):
            return encode_error(transaction, ErrorCode.PROTOCOL, "Bad token", source.compact())
        peer = source if query.implied_port else Endpoint(source.ip, query.port)
        if not self._store.add(query.info_hash, peer, now, is_seed=query.is_seed):
            return encode_error(transaction, ErrorCode.SERVER, _REFUSALS[ErrorCode.SERVER], source.compact())
        self._emit(PeerStored(now, query.info_hash, peer))
        return self._respond(transaction, source)()

    def _sample(
        self, transaction: bytes, query: SampleInfohashes, source: Endpoint, family: Family, length: int, now: float
    ) -> bytes:
        samples = self._store.sample_info_hashes(now)
        nodes, nodes6 = self._contacts(query.target, query.want, family, now)
        encode = partial(self._respond(transaction, source), nodes=nodes, nodes6=nodes6)
        room = _room(family, length) - len(encode(samples=replace(samples, info_hashes=()))) - _LIST
        count = max(0, room // ID_LENGTH)
        return encode(samples=replace(samples, info_hashes=samples.info_hashes[:count]))

    # -- items --------------------------------------------------------------------------------------------------------

    def _get_item(
        self, transaction: bytes, query: GetItem, source: Endpoint, family: Family, length: int, now: float
    ) -> bytes:
        item = self._items.get(query.target, now)
        seq = item.seq if isinstance(item, MutableItem) else None
        if seq is not None and query.seq is not None and seq <= query.seq:
            item = None  # "k, v, and sig fields SHOULD be omitted" (BEP 44)
        token = self._tokens.issue(source.ip, query.target, now)
        encode = partial(self._respond(transaction, source), token=token, seq=seq)
        room = _room(family, length)
        if item is not None and len(encode(item=item)) <= room:
            encode = partial(encode, item=item)
        nodes, nodes6 = self._contacts(query.target, query.want, family, now)
        nodes, nodes6 = _fitting(encode, nodes, nodes6, family, room)
        return encode(nodes=nodes, nodes6=nodes6)

    def _put_item(self, transaction: bytes, query: PutItem, source: Endpoint, now: float) -> bytes:
        target = query.item.target
        if not self._tokens.is_valid(query.token, source.ip, target, now):
            return encode_error(transaction, ErrorCode.PROTOCOL, "Bad token", source.compact())
        error = self._items.put(query.item, query.cas, source.owner, self._own_id(source), now)
        if error is not None:
            return encode_error(transaction, error, _REFUSALS[error], source.compact())
        self._emit(ItemStored(now, target, source))
        return self._respond(transaction, source)()

    # -- contacts -----------------------------------------------------------------------------------------------------

    def _contacts(self, target: int, want: Want, family: Family, now: float) -> _Contacts:
        if not want:
            own = self._tables[family].closest_compact(target, now)
            return (own, None) if family is Family.IPV4 else (None, own)
        nodes, nodes6 = (
            self._tables[each].closest_compact(target, now) if each in want and each in self._tables else None
            for each in Family
        )
        return nodes, nodes6


def _room(family: Family, length: int) -> int:
    """Bytes an answer to a query of `length` bytes may have."""
    return min(MAX_ANSWER[family], MAX_AMPLIFICATION * length)


def _fitting(
    encode: Callable[..., bytes], nodes: bytes | None, nodes6: bytes | None, family: Family, room: int
) -> _Contacts:
    """The closest of the contacts, as many as `room` has place for besides what `encode` writes without them.

    The asker's own family comes first: "only returning the mandatory node lists" (BEP 33, New GET_PEERS semantics).
    """
    if family is Family.IPV4:
        nodes = _cut(nodes, Family.IPV4, room - len(encode()))
        return nodes, _cut(nodes6, Family.IPV6, room - len(encode(nodes=nodes)))
    nodes6 = _cut(nodes6, Family.IPV6, room - len(encode()))
    return _cut(nodes, Family.IPV4, room - len(encode(nodes6=nodes6))), nodes6


def _cut(contacts: bytes | None, family: Family, room: int) -> bytes | None:
    count = (room - _LIST) // family.contact_length
    return contacts[: count * family.contact_length] if contacts and count > 0 else None
