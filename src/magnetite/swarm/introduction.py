"""What we tell a peer of ourselves: the pieces we have, the extension handshake, our DHT node. Pure."""

from __future__ import annotations

from magnetite.swarm.company import Company
from magnetite.swarm.metadata_trade import MetadataTrade
from magnetite.swarm.peer import OUR_REQQ, Peer
from magnetite.swarm.peer_extensions import OUR_EXTENSIONS, UTP_EXTENSIONS
from magnetite.swarm.reach import Reach
from magnetite.torrent import pieces
from magnetite.torrent.piece_map import PieceMap
from magnetite.version import VERSION
from magnetite.wire.allowed_fast import allowed_fast_set
from magnetite.wire.extensions import ExtensionHandshake
from magnetite.wire.messages import BitfieldMessage, HaveAll, HaveNone, Port

CLIENT = f"magnetite {VERSION}"


class Introduction:
    """How we present ourselves to the peers of one torrent.

    Invariant: a peer that speaks the extension protocol knows, within a second, whether we want anything more.
    """

    def __init__(self, company: Company, metadata: MetadataTrade) -> None:
        self.reach: Reach | None = None
        self.dht_port: int | None = None
        self.has_utp = False
        self._company = company
        self._metadata = metadata

    def tell_pieces(self, peer: Peer, have: int, piece_map: PieceMap | None) -> None:
        """The first message: what we have, as a mask that is 0 while there is no `piece_map`."""
        if peer.wire.fast and not have:
            peer.outbox.put(HaveNone())
        elif piece_map is not None and have:
            is_whole = have == pieces.everything(piece_map.piece_count)
            if peer.wire.fast and is_whole:
                peer.outbox.put(HaveAll())
            else:
                peer.outbox.put(BitfieldMessage(pieces.to_wire(have, piece_map.piece_count)))
            if peer.wire.fast and not is_whole:
                self._grant_fast(peer, have, piece_map)

    def _grant_fast(self, peer: Peer, have: int, piece_map: PieceMap) -> None:
        """Let a newcomer have a few pieces although it is choked, so that it soon has something to trade (BEP 6).

        A seed trades nothing, and has its own way to choose them: see `Suggestions`.
        """
        for piece in allowed_fast_set(peer.endpoint.ip, self._company.info_hash, piece_map.piece_count):
            if have >> piece & 1:
                peer.grant_fast(piece, piece_map.piece_length_of(piece))

    def introduce(self, peer: Peer, *, upload_only: bool) -> None:
        """The extension handshake (BEP 10); `upload_only` is that we want nothing more (BEP 21)."""
        ours = ExtensionHandshake(
            m=UTP_EXTENSIONS if self.has_utp else OUR_EXTENSIONS,
            v=CLIENT,
            p=self.reach.port(is_ipv6=peer.endpoint.is_ipv6) if self.reach else None,
            metadata_size=self._metadata.length or None,
            reqq=OUR_REQQ,
            yourip=peer.endpoint.ip,
            upload_only=upload_only,
        )
        if peer.wire.extensions:
            peer.extensions.introduce(ours)

    def tell_node(self, peer: Peer) -> None:
        """Where our DHT node is (BEP 5)."""
        if self.dht_port is not None and peer.wire.handshake and peer.wire.handshake.dht:
            peer.outbox.put(Port(self.dht_port))

    def introduce_again(self) -> None:
        """What we say of ourselves is another."""
        for peer in self._company.peers:
            self.introduce(peer, upload_only=peer.extensions.said_upload_only)

    def tend(self, *, upload_only: bool) -> None:
        """Say when we come to want nothing more, and when we want something again (BEP 21)."""
        for peer in self._company.peers:
            if peer.wire.extensions and peer.extensions.said_upload_only is not upload_only:
                self.introduce(peer, upload_only=upload_only)
