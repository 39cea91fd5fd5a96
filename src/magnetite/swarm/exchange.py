"""One torrent among its peers: every decision that concerns more than one of them. Pure.

One Exchange is shared by all Peers of a torrent. It begins without metadata, for a magnet link, or with it; `begin`
takes it from the one state to the other while the peers stay connected.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

from magnetite.endpoint import Endpoint
from magnetite.errors import Reason, WireError
from magnetite.events import Emit, PieceFailed, PieceVerified
from magnetite.ids import InfoHash
from magnetite.swarm.acquaintance import Acquaintance
from magnetite.swarm.block_trade import BlockTrade
from magnetite.swarm.candidates import CandidatePool
from magnetite.swarm.choker import MakeChoker, TitForTat
from magnetite.swarm.company import Company, ignore
from magnetite.swarm.holepunch import Punching
from magnetite.swarm.introduction import Introduction
from magnetite.swarm.metadata_trade import MetadataTrade
from magnetite.swarm.partial import PartialPiece
from magnetite.swarm.peer import Peer
from magnetite.swarm.requests import RequestBook
from magnetite.swarm.showcase import Showcase
from magnetite.swarm.suggestions import Suggestions
from magnetite.swarm.suspicion import Suspicion
from magnetite.swarm.throttle import Throttles
from magnetite.swarm.turnover import Turnover
from magnetite.swarm.unchoking import Unchoking
from magnetite.torrent import pieces
from magnetite.torrent.metainfo import Metainfo
from magnetite.torrent.piece_map import PieceMap
from magnetite.wire.messages import BlockRequest, Have, encode_haves


class Exchange:
    """The parts of one torrent's trade, and what concerns several of them: a peer that comes, a piece that is right.

    `blocks` and `metadata` are what is traded. Invariant: until `begin` there is no book and nothing to serve, and from
    then on no metadata is fetched.
    """

    def __init__(
        self,
        info_hash: InfoHash,
        candidates: CandidatePool,
        rng: Random,
        emit: Emit,
        make_choker: MakeChoker[Peer] = TitForTat,
    ) -> None:
        self.info_hash = info_hash
        self.throttles = Throttles()
        self.on_present: Callable[[int], None] = ignore  # told each piece that is verified and written
        self.on_dht_node: Callable[[Endpoint], None] = ignore  # told somebody's node, from a PORT message (BEP 5)
        self.wants_super_seed = False  # to be set before `begin`; only what is whole then is super-seeded (BEP 16)
        self._company = Company(info_hash, candidates, emit)
        self.peers = self._company.peers
        self.metadata = MetadataTrade(self._company)
        self.blocks = BlockTrade(self._company)
        self.introduction = Introduction(self._company, self.metadata)
        self.acquaintance = Acquaintance(self._company)
        self.punching = Punching(self._company)
        self.turnover = Turnover(self._company)
        self._unchoking = Unchoking(self._company, make_choker(rng))
        self._suspicion: Suspicion | None = None  # as long as there is a book
        self._showcase: Showcase | None = None  # for a super-seed,
        self._suggestions: Suggestions | None = None  # and for any other that was whole from the beginning
        self._map: PieceMap | None = None
        self._downloaded = 0  # bytes of blocks, from peers that are gone
        self._uploaded = 0
        self._rng = rng
        self._emit = emit

    @property
    def book(self) -> RequestBook[Peer] | None:
        """None until the metadata is known."""
        return self.blocks.book

    @property
    def paused(self) -> tuple[Reason, str] | None:
        """Why nothing is asked or served now, and a text for people."""
        return self._company.paused

    @property
    def all_pieces(self) -> int:
        """Mask of the torrent's pieces, 0 until they are known."""
        return pieces.everything(self._map.piece_count) if self._map else 0

    @property
    def have(self) -> int:
        """Mask of the verified pieces."""
        return self.book.have if self.book else 0

    @property
    def is_seeding(self) -> bool:
        return self.book is not None and self.book.is_complete

    def lacks(self, have: int) -> bool:
        """Whether more is wanted than the pieces of a mask."""
        return self.book is None or bool(self.book.wanted & ~have)

    @property
    def _is_known_as_seed(self) -> bool:
        """A super-seed is not."""
        return self.is_seeding and self._showcase is None

    # -- from metadata to pieces -------------------------------------------------------------------------------------

    def begin(self, metainfo: Metainfo, piece_map: PieceMap, wanted: int, have: int, now: float) -> None:
        """The metadata is known, and `have` is the mask of what is verified already: start to trade blocks."""
        self._map = piece_map
        self.metadata.serve(metainfo.info)
        book = self.blocks.begin(piece_map, wanted, have, self._rng)
        self._suspicion = Suspicion(self._company, book)
        if self.wants_super_seed and have == self.all_pieces:
            self._showcase = Showcase(self.all_pieces, book.picker.availability, self._rng)
        elif have == self.all_pieces:
            self._suggestions = Suggestions(self._company, piece_map, self.all_pieces, self._rng)
            self._unchoking.on_unchoked = self._suggestions.suggest
        for peer in list(self.peers):
            self._upgrade(peer, now)

    def _upgrade(self, peer: Peer, now: float) -> None:
        """A peer connected before the metadata was known: check what it told us, and tell what we have."""
        assert self.book is not None
        if not self._check_told(peer):
            peer.pieces = 0  # what it told is worth nothing, and was never counted
            return
        if peer.has_all:
            peer.pieces = self.all_pieces & ~peer.lacks
        self.book.picker.availability.add(peer.pieces)
        self.introduction.introduce(peer, upload_only=self._is_known_as_seed)
        if self._showcase is None:
            peer.outbox.put(*(Have(piece) for piece in pieces.indices(self.book.have)))
        else:
            self._showcase.show(peer)
        peer.useful_at = now
        self.blocks.reconsider(peer)
        self.blocks.fill(peer, now)

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

    # -- peers come and go -------------------------------------------------------------------------------------------

    def join(self, peer: Peer, now: float) -> None:
        """A handshake is done, in either direction: say what we have and can do."""
        self.peers[peer] = None
        if self._map is not None and not self._check_told(peer):  # messages may come right behind the handshake
            return
        self.introduction.tell_pieces(peer, self.have if self._showcase is None else 0, self._map)
        self.introduction.introduce(peer, upload_only=self._is_known_as_seed)
        self.introduction.tell_node(peer)
        if self._suspicion is not None:
            self._suspicion.weigh(peer)
        if self._showcase is not None:
            self._showcase.show(peer)
        if self._suggestions is not None:
            self._suggestions.welcome(peer)
        peer.useful_at = now

    def leave(self, peer: Peer) -> None:
        """The connection is over."""
        del self.peers[peer]
        self._downloaded += peer.downloaded.total
        self._uploaded += peer.uploaded.total
        self.acquaintance.on_gone(peer, self.all_pieces)
        self.metadata.on_gone(peer)
        self.blocks.on_gone(peer)
        if self._showcase is not None:
            self._showcase.on_gone(peer)
        if self._suggestions is not None:
            self._suggestions.on_gone(peer)

    # -- what peers have and want ------------------------------------------------------------------------------------

    def on_pieces(self, peer: Peer, new: int) -> None:
        """The peer has more pieces than we knew."""
        self.blocks.on_pieces(peer, new)
        if self._showcase is not None:
            self._showcase.on_pieces(peer, new)

    def on_interested(self, peer: Peer, now: float) -> None:
        if self.book is not None and self.paused is None:
            self._unchoking.on_interested(peer, now)

    def on_requests(self, peer: Peer) -> None:
        """The peer has asked for blocks."""
        if self._suggestions is not None:
            self._suggestions.suggest(peer)

    def on_not_interested(self, peer: Peer) -> None:
        if self._showcase is not None:
            self._showcase.on_not_interested(peer)

    def can_serve(self, request: BlockRequest, peer: Peer) -> bool:
        """Whether the block exists, its piece is verified, and the peer was told so."""
        book = self.blocks.book
        if book is None or self._map is None or not book.have >> request.piece & 1:
            return False
        if self._company.paused is not None:
            return False
        if self._showcase is not None and not self._showcase.has_shown(peer, request.piece):
            return False
        return self._map.holds(*request)

    def rechoke(self, now: float) -> None:
        """The choker's round, every CHOKE_INTERVAL."""
        if self.paused is None:
            self._unchoking.rechoke(seeding=self.is_seeding, now=now)

    # -- what we have and want ---------------------------------------------------------------------------------------

    def select(self, wanted: int, now: float) -> None:
        """Other pieces, as a mask, are wanted from now on."""
        assert self.book is not None
        self.book.want(wanted)
        self.blocks.reconsider_all(now)

    def on_verified(self, partials: Sequence[PartialPiece[Peer]], now: float) -> None:
        """Pieces are right, and written: tell who lacks them, and stop wanting them."""
        assert self.book is not None
        assert self._map is not None
        assert self._suspicion is not None
        before = self.have.bit_count()
        self.book.on_verified(*partials)
        for verified, partial in enumerate(partials, before + 1):
            self.on_present(partial.piece)
            self._suspicion.on_verified(partial, now)
            self._emit(PieceVerified(now, self.info_hash, partial.piece, verified, self._map.piece_count))
        new, missing = pieces.of([partial.piece for partial in partials]), self.book.missing
        may_be_served = self._unchoking.has_free_slot
        told: dict[int, bytes] = {}  # by the pieces it is about
        for peer in self.peers:
            if self._showcase is None and (lacks := new & ~peer.pieces):
                if lacks not in told:
                    told[lacks] = encode_haves(pieces.indices(lacks))
                peer.announce(told[lacks], may_be_served=may_be_served)
            if peer.am_interested and not peer.pieces & missing:
                peer.show_interest(False)
        self.book.let_go(*partials)

    def doubt(self, doubtful: int) -> None:
        """Somebody has changed files: these verified pieces are neither claimed nor served until `restore`."""
        assert self.book is not None
        doubtful &= self.book.have
        self.book.have &= ~doubtful
        if self._showcase is None:  # otherwise nobody knows that we had them
            for peer in self.peers:
                peer.extensions.tell_lost(pieces.indices(doubtful & ~peer.pieces))

    def restore(self, piece: int) -> None:
        """A piece that was in doubt is right. Who came meanwhile was not told of it."""
        assert self.book is not None
        self.book.have |= 1 << piece
        self.book.deadlines.met(piece)
        self.on_present(piece)
        if self._showcase is None:  # otherwise nobody was told that it was gone
            for peer in self.peers:
                if not peer.pieces >> piece & 1:
                    peer.outbox.put(Have(piece))

    def reopen(self, lost: int, now: float) -> None:
        """These pieces are not right any more: fetch them again as far as they are wanted."""
        assert self.book is not None
        for piece in pieces.indices(lost):
            self.book.reopen(piece)
        self.blocks.reconsider_all(now)

    def on_failed(self, partial: PartialPiece[Peer], now: float) -> None:
        """A piece's hash was wrong: it is fetched again, and somebody is to blame."""
        assert self.book is not None
        assert self._suspicion is not None
        senders = tuple(peer.endpoint for peer in partial.sent)
        self._emit(PieceFailed(now, self.info_hash, partial.piece, senders))
        self._suspicion.on_failed(partial, now)
        self.book.let_go(partial)
        self.blocks.fill_everybody(now)

    # -- pause -------------------------------------------------------------------------------------------------------

    def pause(self, reason: Reason, detail: str) -> bool:
        """Ask for nothing and serve nothing until `resume`; peers stay, choked. Blocks on their way are still taken.

        Whether it was news: a pause of the user's own stands above any other, and the first of two others stays.
        """
        if self.paused is not None and (reason is not Reason.PAUSED_BY_USER or self.paused[0] is reason):
            return False
        self._company.paused = (reason, detail)
        for peer in self.peers:
            peer.choke()
            peer.show_interest(False)
        return True

    def resume(self, now: float) -> bool:
        """Go on after a pause, whatever its reason was. Whether there was one."""
        if self.paused is None:
            return False
        self._company.paused = None
        self.metadata.ask_all(now)
        self.blocks.reconsider_all(now)
        self.rechoke(now)
        return True

    # -- every second ------------------------------------------------------------------------------------------------

    def tend(self, now: float) -> None:
        """What time alone brings about: requests that lapse, slots that nobody uses."""
        self.turnover.note(now)
        for peer in self.peers:
            peer.tend(now)
        self.metadata.tend(now)
        self.blocks.tend(now)
        if self.book is not None:
            self.turnover.part(self.all_pieces, now, seeding=self.is_seeding)
        if self._showcase is not None:
            self._showcase.tend(now)
        if self.peers:
            self.introduction.tend(upload_only=self._is_known_as_seed)
            self.acquaintance.learn_own_addresses(self.introduction.reach)
            if self.book is not None:  # until then we do not know that it is not private
                self.acquaintance.spread(self.all_pieces, now)
