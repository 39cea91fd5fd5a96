"""What the peers of one torrent trade: first its metadata, then its blocks; and who may have ours. Pure.

One Exchange is shared by all Peers of a torrent. It begins without metadata, for a magnet link, or with it; `begin`
takes it from the one state to the other while the peers stay connected.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

from magnetite.endpoint import Endpoint
from magnetite.errors import Reason, WireError
from magnetite.events import (
    Emit,
    MetadataClaimed,
    MetadataRefused,
    PeerBanned,
    PieceFailed,
    PieceVerified,
    Unchoked,
)
from magnetite.ids import InfoHash
from magnetite.swarm.candidates import CandidatePool
from magnetite.swarm.choker import CHOKE_INTERVAL, SLOTS, Choker, Standing
from magnetite.swarm.metadata import MetadataFetch, Outcome
from magnetite.swarm.partial import PartialPiece
from magnetite.swarm.peer import OUR_REQQ, OUR_UT_METADATA, Peer
from magnetite.swarm.requests import RequestBook
from magnetite.torrent import pieces
from magnetite.torrent.metainfo import Metainfo
from magnetite.torrent.piece_map import PieceMap
from magnetite.wire.allowed_fast import allowed_fast_set
from magnetite.wire.extensions import METADATA_BLOCK, UT_METADATA, ExtensionHandshake
from magnetite.wire.messages import (
    BLOCK_LENGTH,
    BitfieldMessage,
    Block,
    BlockRequest,
    Have,
    HaveAll,
    HaveNone,
    Port,
)

VERSION = "magnetite 0.1.0"
REFUSAL_PAUSE = 1.0  # seconds until a peer that has rejected a request is asked for the next
METADATA_PATIENCE = 120.0  # seconds a peer may take to say that it has the metadata; it may be waiting for it, too
TRADE_PATIENCE = 120.0  # seconds without a block in either direction, before a peer may have to make way
USELESS_AFTER = 300.0  # seconds for which neither side has wanted anything, then the slot is for somebody else


def ignore(value: object) -> None:
    """Nobody wants to know."""


class Exchange:
    """The shared state of one torrent's peers, and every decision that concerns more than one of them.

    Invariant: `book` is None until the metadata is known, and `fetch` is None from then on.
    """

    def __init__(self, info_hash: InfoHash, candidates: CandidatePool, rng: Random, emit: Emit) -> None:
        self.info_hash = info_hash
        self.peers: dict[Peer, None] = {}
        self.fetch: MetadataFetch[Peer] | None = MetadataFetch(info_hash)
        self.book: RequestBook[Peer] | None = None
        self.on_completed: Callable[[PartialPiece[Peer]], None] = ignore  # told each piece that is to be committed
        self.listen_port: int | None = None
        self.dht_port: int | None = None
        self.on_metadata: Callable[[bytes], None] = ignore  # told the verified info dictionary, once
        self.on_dht_node: Callable[[Endpoint], None] = ignore  # told somebody's node, from a PORT message (BEP 5)
        self._downloaded = 0  # bytes of blocks, from peers that are gone
        self._uploaded = 0
        self._info = b""
        self._map: PieceMap | None = None
        self._candidates = candidates
        self._choker = Choker[Peer](rng)
        self._rng = rng
        self._emit = emit

    # -- metadata ----------------------------------------------------------------------------------------------------

    @property
    def metadata_length(self) -> int:
        return len(self._info)

    def metadata_block(self, block: int) -> bytes | None:
        """A block of the info dictionary to serve (BEP 9), None where there is none."""
        return self._info[block * METADATA_BLOCK : (block + 1) * METADATA_BLOCK] or None

    def on_metadata_claim(self, peer: Peer, length: int, now: float) -> None:
        if self.fetch is None:
            return
        self._emit(MetadataClaimed(now, self.info_hash, peer.endpoint, length))
        reason = self.fetch.on_claim(peer, length)
        if reason is not None:
            self._act(Outcome(dismissed=((peer, reason),)), now)
        self._ask_metadata([peer], now)

    def on_metadata_block(self, peer: Peer, block: int, total: int, data: bytes, now: float) -> None:
        if self.fetch is not None:
            self._follow(self.fetch.on_data(peer, block, total, data), peer, now)

    def on_metadata_reject(self, peer: Peer, block: int, now: float) -> None:
        if self.fetch is not None:
            self._follow(self.fetch.on_reject(peer, block), peer, now)

    def _follow(self, outcome: Outcome[Peer], peer: Peer, now: float) -> None:
        """Ask on, and the others too where there is one fewer to be asked."""
        self._act(outcome, now)
        self._ask_metadata(self.peers if outcome.dismissed else [peer], now)

    def _ask_metadata(self, peers: Iterable[Peer], now: float) -> None:
        for peer in peers:
            for block in self.fetch.next_requests(peer, now) if self.fetch else ():
                peer.ask_metadata(block)

    def _act(self, outcome: Outcome[Peer], now: float) -> None:
        for peer, reason in outcome.dismissed:
            self._emit(MetadataRefused(now, self.info_hash, peer.endpoint, reason))
            if reason in (Reason.METADATA_MISMATCH, Reason.METADATA_TOO_LARGE):
                self._ban(peer, reason, now)
            else:
                peer.close(reason)
        if outcome.metadata is not None:
            self.fetch = None
            self.on_metadata(outcome.metadata)

    # -- from metadata to pieces -------------------------------------------------------------------------------------

    def begin(self, metainfo: Metainfo, piece_map: PieceMap, wanted: int, have: int, now: float) -> None:
        """The metadata is known, and `have` is the mask of what is verified already: start to trade blocks."""
        self.fetch = None
        self._info = metainfo.info
        self._map = piece_map
        self.book = RequestBook(piece_map, wanted, have, self._rng)
        for peer in list(self.peers):
            self._upgrade(peer, now)

    def _upgrade(self, peer: Peer, now: float) -> None:
        """A peer connected before the metadata was known: check what it told us, and tell what we have."""
        assert self.book is not None
        if not self._check_told(peer):
            peer.pieces = 0  # what it told is worth nothing, and was never counted
            return
        if peer.has_all:
            peer.pieces = self.all_pieces
        self.book.picker.availability.add(peer.pieces)
        peer.introduce(self._handshake(peer))
        peer.outbox.put(*(Have(piece) for piece in pieces.indices(self.book.have)))
        self._reconsider(peer)
        self.fill(peer, now)

    def _check_told(self, peer: Peer) -> bool:
        """Whether what the peer said until now makes sense for the torrent; otherwise it is closed."""
        assert self._map is not None
        try:
            peer.wire.set_piece_count(self._map.piece_count)
        except WireError as error:
            peer.close(error.reason, str(error))
            return False
        return True

    @property
    def all_pieces(self) -> int:
        return pieces.everything(self._map.piece_count) if self._map else 0

    @property
    def have(self) -> int:
        """Mask of the verified pieces."""
        return self.book.have if self.book else 0

    @property
    def totals(self) -> tuple[int, int]:
        """Bytes of blocks received and sent, in this run."""
        return (
            self._downloaded + sum(peer.downloaded.total for peer in self.peers),
            self._uploaded + sum(peer.uploaded.total for peer in self.peers),
        )

    def length_of(self, chosen: int) -> int:
        """Bytes of the pieces of a mask."""
        if self._map is None or not chosen:
            return 0
        last = self._map.piece_count - 1
        short = self._map.piece_length - self._map.piece_length_of(last) if chosen >> last & 1 else 0
        return chosen.bit_count() * self._map.piece_length - short

    @property
    def is_seeding(self) -> bool:
        return self.book is not None and self.book.is_complete

    # -- peers come and go -------------------------------------------------------------------------------------------

    def join(self, peer: Peer, now: float) -> None:
        """A handshake is done, in either direction: say what we have and can do."""
        self.peers[peer] = None
        if self._map is not None and not self._check_told(peer):  # messages may come right behind the handshake
            return
        self._tell_pieces(peer)
        peer.introduce(self._handshake(peer))
        if self.dht_port is not None and peer.wire.handshake and peer.wire.handshake.dht:
            peer.outbox.put(Port(self.dht_port))
        peer.useful_at = now

    def leave(self, peer: Peer) -> None:
        """The connection is over."""
        del self.peers[peer]
        self._downloaded += peer.downloaded.total
        self._uploaded += peer.uploaded.total
        if self.fetch is not None:
            self.fetch.on_gone(peer)
        if self.book is not None:
            self.book.on_gone(peer, peer.pieces)

    def _handshake(self, peer: Peer) -> ExtensionHandshake:
        return ExtensionHandshake(
            m={UT_METADATA: OUR_UT_METADATA},
            v=VERSION,
            p=self.listen_port,
            metadata_size=len(self._info) or None,
            reqq=OUR_REQQ,
            yourip=peer.endpoint.ip,
        )

    def _tell_pieces(self, peer: Peer) -> None:
        have = self.book.have if self.book else 0
        if peer.wire.fast and not have:
            peer.outbox.put(HaveNone())
        elif peer.wire.fast and have == self.all_pieces:
            peer.outbox.put(HaveAll())
        elif have and self._map:
            peer.outbox.put(BitfieldMessage(pieces.to_wire(have, self._map.piece_count)))
        if peer.wire.fast and have and self._map:
            self._grant_fast(peer, have, self._map)

    def _grant_fast(self, peer: Peer, have: int, piece_map: PieceMap) -> None:
        """Let a newcomer have a few pieces although it is choked, so that it soon has something to trade (BEP 6)."""
        for piece in allowed_fast_set(peer.endpoint.ip, self.info_hash, piece_map.piece_count):
            if have >> piece & 1:
                peer.grant_fast(piece, piece_map.piece_length_of(piece))

    def _ban(self, peer: Peer, reason: Reason, now: float) -> None:
        if not self._candidates.is_banned(peer.endpoint.ip):
            self._candidates.ban(peer.endpoint.ip)
            self._emit(PeerBanned(now, self.info_hash, peer.endpoint, reason))
        peer.close(reason)

    # -- blocks for us -----------------------------------------------------------------------------------------------

    def on_pieces(self, peer: Peer, new: int) -> None:
        """The peer has more pieces than we knew."""
        if self.book is not None:
            self.book.picker.availability.add(new)
            self._reconsider(peer)

    def on_choked(self, peer: Peer) -> None:
        if self.book is not None:
            self.book.lapse(peer)

    def on_unchoked(self, peer: Peer) -> None:
        if self.book is not None and not peer.wire.fast:
            self.book.forgive(peer)  # what it dropped with its choke will not come any more

    def on_block(self, peer: Peer, block: Block, now: float) -> None:
        """Copies the block out of the peer's receive buffer, where it is wanted; only what is earns it anything."""
        if not block.data:
            self._on_empty_block(peer, block, now)
            return
        request = block.request
        arrival = self.book.on_block(peer, request, block.data, now) if self.book else None
        if arrival is None:
            return
        peer.downloaded.add(request.length, now)
        peer.pipeline.on_blocks(1, now)
        for other in arrival.cancel:
            other.cancel(request)
        if arrival.completed is not None:
            self.on_completed(arrival.completed)

    def _on_empty_block(self, peer: Peer, block: Block, now: float) -> None:
        """BitComet's way to reject a request."""
        if self._map is not None:
            length = min(BLOCK_LENGTH, self._map.piece_length_of(block.piece) - block.begin)
            self.on_reject(peer, BlockRequest(block.piece, block.begin, length), now)

    def on_reject(self, peer: Peer, request: BlockRequest, now: float) -> None:
        if self.book is not None and self.book.on_reject(peer, request):
            if peer.peer_choking:
                peer.allowed_fast.discard(request.piece)  # asked under a grant it does not keep
            else:
                peer.pipeline.on_snub()
                peer.refused_at = now

    def fill(self, peer: Peer, now: float) -> None:
        """Keep the peer's request pipeline as full as it should be."""
        if self.book is None or not peer.am_interested or peer.closing or now - peer.refused_at < REFUSAL_PAUSE:
            return
        room = peer.pipeline.depth - self.book.owed(peer)
        if room <= 0 or (peer.peer_choking and not peer.allowed_fast):
            return
        available = peer.pieces & pieces.of(peer.allowed_fast) if peer.peer_choking else peer.pieces
        peer.ask(self.book.next_requests(peer, available, room, now))

    def _fill_everybody(self, now: float) -> None:
        for peer in self.peers:
            self.fill(peer, now)

    def _reconsider(self, peer: Peer) -> None:
        assert self.book is not None
        peer.show_interest(bool(peer.pieces & self.book.missing))

    def on_verified(self, partial: PartialPiece[Peer], now: float) -> None:
        """A piece is right, and written: tell who lacks it, and stop wanting it."""
        assert self.book is not None
        self.book.on_verified(partial)
        have, missing = self.book.have, self.book.missing
        self._emit(PieceVerified(now, self.info_hash, partial.piece, have.bit_count(), self.all_pieces.bit_count()))
        for peer in self.peers:
            if not peer.pieces >> partial.piece & 1:
                peer.outbox.put(Have(partial.piece))
            if peer.am_interested and not peer.pieces & missing:
                peer.show_interest(False)

    def on_failed(self, partial: PartialPiece[Peer], now: float) -> None:
        """A piece's hash was wrong: who sent it alone is banned; several are put to the proof."""
        assert self.book is not None
        guilty = self.book.on_failed(partial)
        senders = tuple(peer.endpoint for peer in partial.contributors)
        self._emit(PieceFailed(now, self.info_hash, partial.piece, senders))
        if guilty is not None:
            self._ban(guilty, Reason.BAD_PIECE, now)
        self._fill_everybody(now)

    # -- blocks for them ---------------------------------------------------------------------------------------------

    def can_serve(self, request: BlockRequest) -> bool:
        """Whether the block exists and its piece is verified."""
        if self.book is None or self._map is None or not self.book.have >> request.piece & 1:
            return False
        return self._map.holds(*request)

    def on_interested(self, peer: Peer, now: float) -> None:
        """A free slot need not wait for the next round; a peer cannot make us say so more often than our clock."""
        unchoked = sum(1 for other in self.peers if not other.am_choking and other.peer_interested)
        if self.book is not None and unchoked < SLOTS and now - peer.unchoked_at >= CHOKE_INTERVAL:
            self._unchoke(peer, now, optimistic=False)

    def rechoke(self, now: float) -> None:
        """The choker's round, every CHOKE_INTERVAL."""
        standings = [
            Standing(peer, peer.downloaded.rate(now), peer.uploaded.rate(now), peer.pipeline.is_snubbed)
            for peer in self.peers
            if peer.peer_interested
        ]
        choice = self._choker.choose(standings, seeding=self.is_seeding, now=now)
        for peer in self.peers:
            if peer in choice.unchoked:
                self._unchoke(peer, now, optimistic=peer is choice.optimistic)
            else:
                peer.choke()

    def _unchoke(self, peer: Peer, now: float, *, optimistic: bool) -> None:
        if peer.am_choking:
            peer.unchoke(now)
            self._emit(Unchoked(now, self.info_hash, peer.endpoint, optimistic))

    # -- every second ------------------------------------------------------------------------------------------------

    def tend(self, now: float) -> None:
        """What time alone brings about: requests that lapse, slots that nobody uses."""
        if self.fetch is not None:
            self._act(self.fetch.stalled(now), now)
            self._ask_metadata(self.peers, now)
        if self.book is not None:
            for peer in self.book.lapse_stalled(now):
                peer.pipeline.on_snub()
            self._fill_everybody(now)
        for peer in self.peers:
            if peer.downloaded.rate(now) or peer.uploaded.rate(now):
                peer.traded_at = now
            self._part_with_useless(peer, now)

    def _part_with_useless(self, peer: Peer, now: float) -> None:
        if self._is_useful(peer):
            peer.useful_at = now
        elif self.fetch is not None:
            if now - peer.useful_at >= METADATA_PATIENCE:
                self._act(Outcome(dismissed=((peer, Reason.NO_METADATA),)), now)
        elif (peer.pieces == self.all_pieces and self.is_seeding) or now - peer.useful_at >= USELESS_AFTER:
            peer.close(Reason.NOTHING_TO_TRADE)

    def _is_useful(self, peer: Peer) -> bool:
        """Whether either side wants something; as long as it is the metadata, whether it may be had there."""
        if self.fetch is not None:
            return peer.claims_metadata
        return self.book is None or peer.am_interested or peer.peer_interested

    def make_way(self, now: float) -> None:
        """Part with a peer that has traded nothing for long, where others wait for its place.

        Being interested, or claiming to have what we want, costs nothing: it must not hold a place for ever.
        """
        idlest = min(self.peers, key=lambda peer: peer.traded_at, default=None)
        if idlest is not None and now - idlest.traded_at >= TRADE_PATIENCE:
            idlest.close(Reason.NOTHING_TO_TRADE)
