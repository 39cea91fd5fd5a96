"""What to answer to a query. Pure: a query, its source and the time in; a datagram or nothing out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from magnetite.dht.contact import Contact, Family, family_of
from magnetite.dht.encoding import encode_error, encode_response
from magnetite.dht.messages import AnnouncePeer, ErrorCode, FindNode, GetPeers, IncomingQuery, RefusedQuery, Want
from magnetite.dht.peer_store import PeerStore
from magnetite.dht.routing_table import RoutingTable
from magnetite.dht.tokens import Tokens
from magnetite.endpoint import COMPACT4, COMPACT6, Endpoint
from magnetite.events import Emit, PeerStored
from magnetite.ids import InfoHash, NodeId

MAX_ANSWER: Final = {Family.IPV4: 1_400, Family.IPV6: 1_024}  # bytes; the second is BEP 32's, Maximum packet size
MAX_AMPLIFICATION: Final = 8  # an answer's bytes for each byte of the query, whose source may be forged
_OVERHEAD: Final = 160  # bytes of a get_peers answer besides contacts and peers, with a transaction id of 32 bytes


class Responder:
    """Answers out of the routing tables and the peer store, and notes in them who asked or announced."""

    def __init__(
        self,
        node_id: NodeId,
        tables: Mapping[Family, RoutingTable],
        store: PeerStore,
        tokens: Tokens,
        emit: Emit,
    ) -> None:
        self._node_id = node_id
        self._tables = tables
        self._store = store
        self._tokens = tokens
        self._emit = emit

    def answer(self, message: IncomingQuery, source: Endpoint, length: int, now: float) -> bytes:
        """The answer to a query that came from `source` in a datagram of `length` bytes."""
        if not message.read_only:
            self._tables[family_of(source)].on_query(Contact(message.sender, source), now)
        match message.query:
            case GetPeers() as query:
                return self._get_peers(message.transaction, query, source, length, now)
            case FindNode(target, want):
                nodes, nodes6 = self._contacts(target, want, source, now)
                return encode_response(message.transaction, self._node_id, source.compact(), nodes=nodes, nodes6=nodes6)
            case AnnouncePeer() as query:
                return self._announce_peer(message.transaction, query, source, now)
        return encode_response(message.transaction, self._node_id, source.compact())

    def refuse(self, message: RefusedQuery, source: Endpoint) -> bytes:
        return encode_error(message.transaction, message.code, message.text, source.compact())

    def _get_peers(self, transaction: bytes, query: GetPeers, source: Endpoint, length: int, now: float) -> bytes:
        nodes, nodes6 = self._contacts(query.info_hash, query.want, source, now)
        room = min(MAX_ANSWER[family_of(source)], MAX_AMPLIFICATION * length)
        room -= _OVERHEAD + len(nodes or b"") + len(nodes6 or b"")
        return encode_response(
            transaction,
            self._node_id,
            source.compact(),
            nodes=nodes,
            nodes6=nodes6,
            token=self._token(query.info_hash, source, now),
            values=self._peers(query.info_hash, source, room, now),
        )

    def _contacts(self, target: int, want: Want, source: Endpoint, now: float) -> tuple[bytes | None, bytes | None]:
        """`nodes` and `nodes6`; a family that is not wanted, or that we take no part in, is left out."""
        nodes, nodes6 = (
            self._tables[family].closest_compact(target, now)
            if family in self._tables and (family in want or (not want and family is family_of(source)))
            else None
            for family in Family
        )
        return nodes, nodes6

    def _peers(self, info_hash: InfoHash, source: Endpoint, room: int, now: float) -> list[bytes]:
        """As many peers of the asker's family as fit into `room` bytes."""
        family = family_of(source)
        encoded = 2 + COMPACT4 if family is Family.IPV4 else 3 + COMPACT6
        return self._store.sample(info_hash, family, max(0, room // encoded), now)

    def _token(self, info_hash: InfoHash, source: Endpoint, now: float) -> bytes:
        """None where an announce would find no room: the asker then turns to others (as libtorrent does)."""
        if not self._store.has_room_for(info_hash, family_of(source), now):
            return b""
        return self._tokens.issue(source.ip, info_hash, now)

    def _announce_peer(self, transaction: bytes, query: AnnouncePeer, source: Endpoint, now: float) -> bytes:
        if not self._tokens.is_valid(query.token, source.ip, query.info_hash, now):
            return encode_error(transaction, ErrorCode.PROTOCOL, "Bad token", source.compact())
        peer = source if query.implied_port else Endpoint(source.ip, query.port)
        if not self._store.add(query.info_hash, peer, now):
            return encode_error(transaction, ErrorCode.SERVER, "No room", source.compact())
        self._emit(PeerStored(now, query.info_hash, peer))
        return encode_response(transaction, self._node_id, source.compact())
