"""What the peers of one torrent trade: first its metadata, then its blocks; and who may have ours. Pure.

One Exchange is shared by all Peers of a torrent. It begins without metadata, for a magnet link, or with it; `begin`
takes it from the one state to the other while the peers stay connected.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from random import Random

from magnetite.endpoint import Endpoint, is_contactable
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
from magnetite.swarm.availability import Availability
from magnetite.swarm.candidates import CandidatePool
from magnetite.swarm.choker import CHOKE_INTERVAL, SLOTS, MakeChoker, Standing, TitForTat
from magnetite.swarm.gossip import FEW
from magnetite.swarm.metadata import MetadataFetch, Outcome
from magnetite.swarm.own_address import own_addresses
from magnetite.swarm.partial import PartialPiece
from magnetite.swarm.peer import OUR_EXTENSIONS, OUR_REQQ, Peer
from magnetite.swarm.picker import MakePicker, PickingOrder, PiecePicker
from magnetite.swarm.pipeline import share_of
from magnetite.swarm.requests import RequestBook
from magnetite.swarm.smart_ban import SmartBan
from magnetite.swarm.super_seed import SuperSeed
from magnetite.swarm.throttle import Throttles
from magnetite.torrent import pieces
from magnetite.torrent.metainfo import Metainfo
from magnetite.torrent.piece_map import PieceMap
from magnetite.wire.allowed_fast import allowed_fast_set
from magnetite.wire.extensions import METADATA_BLOCK, ExtensionHandshake
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
from magnetite.wire.pex import PexFlag, PexMessage

VERSION = "magnetite 0.1.0"
REFUSAL_PAUSE = 1.0  # seconds until a peer that has rejected a request is asked for the next
HURRYING = 3  # peers that drop everything for a reader who jumps
METADATA_PATIENCE = 120.0  # seconds a peer may take to say that it has the metadata; it may be waiting for it, too
TRADE_PATIENCE = 120.0  # seconds without a block in either direction, before a peer may have to make way
USELESS_AFTER = 300.0  # seconds for which neither side has wanted anything, then the slot is for somebody else


def ignore(*values: object) -> None:
    """Nobody wants to know."""


class Exchange:
    """The shared state of one torrent's peers, and every decision that concerns more than one of them.

    Invariant: `book` is None until the metadata is known, and `fetch` is None from then on.
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
        self.peers: dict[Peer, None] = {}
        self.fetch: MetadataFetch[Peer] | None = MetadataFetch(info_hash)
        self.book: RequestBook[Peer] | None = None
        self.on_completed: Callable[[PartialPiece[Peer]], None] = ignore  # told each piece that is to be committed
        self.listen_port: int | None = None
        self.dht_port: int | None = None
        self.on_present: Callable[[int], None] = ignore  # told each piece that is verified and written
        self.make_picker: MakePicker = PiecePicker  # a study may have its own
        self.order = PickingOrder()
        self.on_metadata: Callable[[bytes], None] = ignore  # told the verified info dictionary, once
        self.on_dht_node: Callable[[Endpoint], None] = ignore  # told somebody's node, from a PORT message (BEP 5)
        self.on_named: Callable[[Endpoint, str], None] = ignore  # told a contact, and the address of who named it
        self.paused: tuple[Reason, str] | None = None  # why nothing is asked or served now, and a text for people
        self.throttles = Throttles()
        self._parted: dict[Endpoint, PexFlag] = {}  # FEW at most, whom neither side wanted anything of any more
        self._share = share_of(1)  # blocks to have on request from one peer, at most
        self._downloaded = 0  # bytes of blocks, from peers that are gone
        self._uploaded = 0
        self._info = b""
        self._map: PieceMap | None = None
        self._candidates = candidates
        self._choker = make_choker(rng)
        self._smart_ban = SmartBan()
        self.wants_super_seed = False  # to be set before `begin`; only what is whole then is super-seeded (BEP 16)
        self._super_seed: SuperSeed[Peer] | None = None
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
        if self.paused is not None:
            return
        for peer in peers:
            for block in self.fetch.next_requests(peer, now) if self.fetch else ():
                peer.ask_metadata(block)

    def _act(self, outcome: Outcome[Peer], now: float) -> None:
        for peer, reason in outcome.dismissed:
            self._emit(MetadataRefused(now, self.info_hash, peer.endpoint, reason))
            if reason in (Reason.METADATA_MISMATCH, Reason.METADATA_TOO_LARGE):
                self._ban(peer.endpoint, reason, now)
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
        self.book = RequestBook(piece_map, wanted, have, self._rng, self.make_picker)
        self.book.picker.order = self.order
        if self.wants_super_seed and have == self.all_pieces:
            self._super_seed = SuperSeed(self.all_pieces, self._rng)
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
        peer.introduce(self._handshake(peer))
        if self._super_seed is None:
            peer.outbox.put(*(Have(piece) for piece in pieces.indices(self.book.have)))
        else:
            self._show(peer)
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
        if self.book is not None:
            self._weigh(peer)
        if self._super_seed is not None:
            self._show(peer)
        peer.useful_at = now

    def leave(self, peer: Peer) -> None:
        """The connection is over."""
        del self.peers[peer]
        self._remember_parted(peer)
        self._downloaded += peer.downloaded.total
        self._uploaded += peer.uploaded.total
        if self.fetch is not None:
            self.fetch.on_gone(peer)
        if self.book is not None:
            self.book.on_gone(peer, peer.pieces)
        if self._super_seed is not None:
            self._super_seed.forget(peer)

    def _handshake(self, peer: Peer) -> ExtensionHandshake:
        return ExtensionHandshake(
            m=OUR_EXTENSIONS,
            v=VERSION,
            p=self.listen_port,
            metadata_size=len(self._info) or None,
            reqq=OUR_REQQ,
            yourip=peer.endpoint.ip,
            upload_only=self._shows_all,
        )

    def _tell_pieces(self, peer: Peer) -> None:
        have = self.book.have if self.book and self._super_seed is None else 0
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

    def _ban(self, endpoint: Endpoint, reason: Reason, now: float) -> None:
        """The address lied, by a connection that may be over: never again, and all that it has now end."""
        if not self._candidates.is_banned(endpoint.ip):
            self._candidates.ban(endpoint.ip)
            self._emit(PeerBanned(now, self.info_hash, endpoint, reason))
        for peer in self.peers:
            if peer.endpoint.ip == endpoint.ip:
                peer.close(reason)

    # -- super-seeding -----------------------------------------------------------------------------------------------

    @property
    def _shows_all(self) -> bool:
        """Whether we may be known as a seed."""
        return self.is_seeding and self._super_seed is None

    def _show(self, peer: Peer) -> None:
        """Name the one piece the peer may ask for next."""
        assert self.book is not None
        assert self._super_seed is not None
        piece = self._super_seed.show(peer, peer.pieces, self.book.picker.availability)
        if piece is not None:
            peer.outbox.put(Have(piece))

    def _show_more(self, super_seed: SuperSeed[Peer], peer: Peer, new: int, availability: Availability) -> None:
        """The peer has got the pieces of `new`: those who passed them on are shown others, and itself if it had what
        it was shown before we gave it anything.
        """
        for holder in super_seed.holders(new):
            had_it = holder is peer and not peer.uploaded.total
            if had_it or super_seed.is_passed_on(holder, holder.pieces, availability):
                self._show(holder)

    def on_not_interested(self, peer: Peer) -> None:
        """A lone peer that wants nothing more has what it was shown."""
        if self._super_seed is not None and self._super_seed.is_alone(peer):
            self._show(peer)

    def _show_overdue(self, super_seed: SuperSeed[Peer], now: float) -> None:
        """Who is still fetching its piece is not overdue; who has it wants nothing else we have shown."""
        for peer in super_seed.overdue(now):
            piece = super_seed.current(peer)
            if piece is not None and (peer.pieces >> piece & 1 or not peer.peer_interested):
                self._show(peer)

    # -- blocks for us -----------------------------------------------------------------------------------------------

    def on_pieces(self, peer: Peer, new: int) -> None:
        """The peer has more pieces than we knew."""
        if self.book is not None:
            self.book.picker.availability.add(new)
            self._reconsider(peer)
            if self._super_seed is not None:
                self._show_more(self._super_seed, peer, new, self.book.picker.availability)

    def on_lost(self, peer: Peer, lost: int) -> None:
        """The peer has some pieces no more (BEP 54)."""
        if self.book is not None:
            self.book.picker.availability.remove(lost)
            if not peer.wire.fast:  # with BEP 6 every request dropped is rejected by name
                self.book.on_lost(peer, lost)
            self._reconsider(peer)

    def on_suggest(self, peer: Peer, piece: int) -> None:
        if self.book is not None:
            self.book.on_suggest(peer, piece)

    def on_choked(self, peer: Peer) -> None:
        if self.book is not None:
            self.book.lapse(peer)

    def on_unchoked(self, peer: Peer) -> None:
        self._divide()
        if self.book is not None and not peer.wire.fast:
            self.book.forgive(peer)  # what it dropped with its choke will not come any more

    def _divide(self) -> None:
        """What may be on request is shared by those that let us ask."""
        self._share = share_of(sum(1 for peer in self.peers if peer.am_interested and not peer.peer_choking))

    def on_blocks(self, peer: Peer, blocks: Iterable[Block], now: float) -> None:
        """Copies the blocks out of the peer's receive buffer, where they are wanted; only what is earns it anything."""
        if self.book is None:
            return
        arrivals = self.book.on_blocks(peer, blocks, now)
        for block in arrivals.empty:
            self._on_empty_block(peer, block, now)
        if arrivals.blocks:
            peer.useful_messages += arrivals.blocks
            peer.downloaded.add(arrivals.length, now)
            peer.pipeline.on_blocks(arrivals.blocks, now)
        for other, request in arrivals.cancel:
            other.cancel(request)
        for partial in arrivals.completed:
            self.on_completed(partial)

    def _on_empty_block(self, peer: Peer, block: Block, now: float) -> None:
        """BitComet's way to reject a request."""
        if self._map is not None:
            length = min(BLOCK_LENGTH, self._map.piece_length_of(block.piece) - block.begin)
            self.on_reject(peer, BlockRequest(block.piece, block.begin, length), now)

    def on_reject(self, peer: Peer, request: BlockRequest, now: float) -> None:
        if request in peer.taken_back:  # the answer to our cancel, and no refusal, even if it was asked again since
            peer.taken_back.discard(request)
            peer.useful_messages += 1
            return
        if self.book is not None and self.book.on_reject(peer, request):
            peer.useful_messages += 1
            if peer.peer_choking:
                peer.allowed_fast.discard(request.piece)  # asked under a grant it does not keep
            else:
                peer.pipeline.on_snub()
                peer.refused_at = now

    def fill(self, peer: Peer, now: float) -> None:
        """Keep the peer's request pipeline as full as it should be."""
        if self.book is None or not peer.am_interested or peer.closing or now - peer.refused_at < REFUSAL_PAUSE:
            return
        if self.paused is not None:
            return
        room = peer.pipeline.room(self.book.owed(peer), self._share)
        if room <= 0 or (peer.peer_choking and not peer.allowed_fast):
            return
        available = peer.pieces & pieces.of(peer.allowed_fast) if peer.peer_choking else peer.pieces
        peer.ask(self.book.next_requests(peer, available, room, now))

    def _fill_everybody(self, now: float) -> None:
        for peer in self.peers:
            self.fill(peer, now)

    def pick_by(self, order: PickingOrder) -> None:
        """From now on, or from when there are pieces to pick; those begun are finished first all the same."""
        self.order = order
        if self.book is not None:
            self.book.picker.order = order

    def set_deadlines(self, reader: Hashable, due: Mapping[int, float], now: float, jump: int | None = None) -> None:
        """Somebody reads, and needs these pieces, each at its time; what it needed before it does not need any more.

        `jump` is the piece it cannot go on without, where it was somewhere else before.
        """
        if self.book is not None:
            self.book.deadlines.set(reader, due)
            if jump is not None:
                self._hurry(jump, now)
            self._fill_everybody(now)

    def _hurry(self, piece: int, now: float) -> None:
        """A reader has jumped to a piece: the fastest who have it drop what they were asked for before."""
        if self.book is None or self.paused is not None or not self.book.is_unasked(piece):
            return
        able = [peer for peer in self.peers if peer.pieces >> piece & 1 and peer.am_interested]
        able = [peer for peer in able if not peer.peer_choking and not peer.closing]
        able.sort(key=lambda peer: peer.downloaded.rate(now), reverse=True)
        due = self.book.deadlines.pieces
        for peer in able[:HURRYING]:
            peer.take_back(self.book.withdraw(peer))
            room = peer.pipeline.room(self.book.owed(peer), self._share)
            peer.ask(self.book.next_requests(peer, peer.pieces & due, room, now))

    def _reconsider(self, peer: Peer) -> None:
        assert self.book is not None
        peer.show_interest(self.paused is None and bool(peer.pieces & self.book.missing))

    def on_verified(self, partial: PartialPiece[Peer], now: float) -> None:
        """A piece is right, and written: tell who lacks it, and stop wanting it."""
        assert self.book is not None
        self.book.on_verified(partial)
        self.on_present(partial.piece)
        self._compare(partial, now)
        have, missing = self.book.have, self.book.missing
        self._emit(PieceVerified(now, self.info_hash, partial.piece, have.bit_count(), self.all_pieces.bit_count()))
        for peer in self.peers:
            if not peer.pieces >> partial.piece & 1:
                peer.outbox.put(Have(partial.piece))
            if peer.am_interested and not peer.pieces & missing:
                peer.show_interest(False)
        self.book.let_go(partial)

    def doubt(self, doubtful: int) -> None:
        """Somebody has changed files: these verified pieces are neither claimed nor served until `restore`."""
        assert self.book is not None
        self.book.have &= ~doubtful

    def restore(self, piece: int) -> None:
        """A piece that was in doubt is right. Who came meanwhile was not told of it."""
        assert self.book is not None
        self.book.have |= 1 << piece
        self.book.deadlines.met(piece)
        self.on_present(piece)
        for peer in self.peers:
            if not peer.pieces >> piece & 1:
                peer.outbox.put(Have(piece))

    def reopen(self, lost: int, now: float) -> None:
        """These pieces are not right any more: fetch them again as far as they are wanted."""
        assert self.book is not None
        for piece in pieces.indices(lost):
            self.book.reopen(piece)
        for peer in self.peers:
            self._reconsider(peer)
        self._fill_everybody(now)

    def on_failed(self, partial: PartialPiece[Peer], now: float) -> None:
        """A piece's hash was wrong: who sent it alone is banned; several are put to the proof, and what they sent
        is compared when the piece is right.
        """
        assert self.book is not None
        guilty = self.book.on_failed(partial)
        senders = tuple(peer.endpoint for peer in partial.contributors)
        self._emit(PieceFailed(now, self.info_hash, partial.piece, senders))
        if guilty is not None:
            self._ban(guilty.endpoint, Reason.BAD_PIECE, now)
        else:
            blocks = [peer.endpoint for peer in partial.senders if peer is not None]
            self._smart_ban.on_failed(partial.piece, partial.buffer, blocks)
            self._weigh_suspects()
        self.book.let_go(partial)
        self._fill_everybody(now)

    def _compare(self, partial: PartialPiece[Peer], now: float) -> None:
        """A right piece speaks for whoever made it alone, and against whoever sent something else in its place."""
        if len(partial.contributors) == 1:
            self._smart_ban.acquit(next(iter(partial.contributors)).endpoint.ip)
        if self._smart_ban.was_wrong(partial.piece):
            for liar in self._smart_ban.on_verified(partial.piece, partial.buffer):
                self._ban(liar, Reason.BAD_PIECE, now)
            self._weigh_suspects()

    def _weigh_suspects(self) -> None:
        """Connections come and go; suspicion stays with the address."""
        for peer in self.peers:
            self._weigh(peer)

    def _weigh(self, peer: Peer) -> None:
        assert self.book is not None
        if self._smart_ban.is_suspect(peer.endpoint.ip):
            self.book.suspect(peer)
        else:
            self.book.acquit(peer)

    # -- blocks for them ---------------------------------------------------------------------------------------------

    def can_serve(self, request: BlockRequest) -> bool:
        """Whether the block exists and its piece is verified."""
        if self.book is None or self._map is None or not self.book.have >> request.piece & 1:
            return False
        if self.paused is not None:
            return False
        return self._map.holds(*request)

    def on_interested(self, peer: Peer, now: float) -> None:
        """A free slot need not wait for the next round; a peer cannot make us say so more often than our clock."""
        unchoked = sum(1 for other in self.peers if not other.am_choking and other.peer_interested)
        if self.book is None or self.paused is not None:
            return
        if unchoked < SLOTS and now - peer.unchoked_at >= CHOKE_INTERVAL:
            self._unchoke(peer, now, optimistic=False)

    def rechoke(self, now: float) -> None:
        """The choker's round, every CHOKE_INTERVAL."""
        if self.paused is not None:
            return
        standings = [
            Standing(peer, peer.downloaded.rate(now), peer.uploaded.rate(now), peer.pipeline.is_snubbed)
            for peer in self.peers
            if peer.peer_interested
        ]
        choice = self._choker.choose(standings, seeding=self.is_seeding, now=now)
        for peer in self.peers:
            if peer in choice.unchoked:
                self._unchoke(peer, now, optimistic=peer in choice.optimistic)
            else:
                peer.choke()

    def _unchoke(self, peer: Peer, now: float, *, optimistic: bool) -> None:
        if peer.am_choking:
            peer.unchoke(now)
            self._emit(Unchoked(now, self.info_hash, peer.endpoint, optimistic))

    def select(self, wanted: int, now: float) -> None:
        """Other pieces, as a mask, are wanted from now on."""
        assert self.book is not None
        self.book.want(wanted)
        for peer in self.peers:
            self._reconsider(peer)
        self._fill_everybody(now)

    # -- pause -------------------------------------------------------------------------------------------------------

    def pause(self, reason: Reason, detail: str) -> bool:
        """Ask for nothing and serve nothing until `resume`; peers stay, choked. Blocks on their way are still taken.

        Whether it was news: a pause of the user's own stands above any other, and the first of two others stays.
        """
        if self.paused is not None and (reason is not Reason.PAUSED_BY_USER or self.paused[0] is reason):
            return False
        self.paused = (reason, detail)
        for peer in self.peers:
            peer.choke()
            peer.show_interest(False)
        return True

    def resume(self, now: float) -> bool:
        """Go on after a pause, whatever its reason was. Whether there was one."""
        if self.paused is None:
            return False
        self.paused = None
        if self.book is not None:
            for peer in self.peers:
                self._reconsider(peer)
        self._ask_metadata(self.peers, now)
        self._fill_everybody(now)
        self.rechoke(now)
        return True

    # -- who else is there -------------------------------------------------------------------------------------------

    def on_gossip(self, peer: Peer, message: PexMessage) -> None:
        """The peer names others (BEP 11). Whom it has dropped we may still reach; a dial tells.

        Only hosts in its own reach are believed: a public peer knows nobody in our private network.
        """
        connected = {other.listens_at for other in self.peers}
        for contact in message.added:
            if contact not in connected and is_contactable(contact, peer.endpoint.scope):
                self.on_named(contact, peer.endpoint.ip)

    def _spread_gossip(self, now: float) -> None:
        """Tell the peers of each other, but not before we know that the torrent is not private (BEP 27)."""
        listeners = [peer for peer in self.peers if peer.gossip.is_due(now)]
        if self.book is None or not listeners:
            return
        everything = self.all_pieces
        present = {
            contact: peer.flags(everything)
            for peer in self.peers
            if not peer.closing and (contact := peer.listens_at) is not None
        }
        parted = {contact: flags for contact, flags in self._parted.items() if contact not in present}
        for peer in listeners:
            peer.tell_of(present, parted, now)

    def _remember_parted(self, peer: Peer) -> None:
        """Seeds part with each other: without this they would have nobody to name (BEP 11, underpopulated lists)."""
        contact = peer.listens_at
        if peer.closing and peer.closing[0] is Reason.NOTHING_TO_TRADE and contact is not None:
            self._parted.pop(contact, None)  # the latest come last
            self._parted[contact] = peer.flags(self.all_pieces)
            if len(self._parted) > FEW:
                del self._parted[next(iter(self._parted))]

    def _tell_upload_only(self) -> None:
        """Say when we come to want nothing more, and when we want something again (BEP 21)."""
        for peer in self.peers:
            if peer.said_upload_only is not self._shows_all:
                peer.introduce(self._handshake(peer))

    def _learn_own_addresses(self) -> None:
        votes = ((peer.endpoint.ip, peer.sees_us_at) for peer in self.peers)
        for ip in own_addresses((voter, seen) for voter, seen in votes if seen is not None):
            self._candidates.learn_own(Endpoint(ip, self.listen_port or 0))

    # -- every second ------------------------------------------------------------------------------------------------

    def tend(self, now: float) -> None:
        """What time alone brings about: requests that lapse, slots that nobody uses."""
        if self.fetch is not None:
            self._act(self.fetch.stalled(now), now)
            self._ask_metadata(self.peers, now)
        if self.book is not None:
            for peer in self.book.lapse_stalled(now):
                peer.pipeline.on_snub()
            self._divide()
            self._fill_everybody(now)
        for peer in self.peers:
            if peer.downloaded.rate(now) or peer.uploaded.rate(now):
                peer.traded_at = now
            self._part_with_useless(peer, now)
            if peer.is_idle(now):
                peer.close(Reason.IDLE)
        if self._super_seed is not None:
            self._show_overdue(self._super_seed, now)
        if self.peers:
            self._tell_upload_only()
            self._learn_own_addresses()
            self._spread_gossip(now)

    def _part_with_useless(self, peer: Peer, now: float) -> None:
        if self._is_useful(peer):
            peer.useful_at = now
        elif self.fetch is not None:
            if now - peer.useful_at >= METADATA_PATIENCE:
                self._act(Outcome(dismissed=((peer, Reason.NO_METADATA),)), now)
        elif self._both_are_done(peer) or now - peer.useful_at >= USELESS_AFTER:
            peer.close(Reason.NOTHING_TO_TRADE)

    def _both_are_done(self, peer: Peer) -> bool:
        """Neither wants anything, nor will: seeds, or partial seeds (BEP 21)."""
        return self.is_seeding and (peer.upload_only or peer.pieces == self.all_pieces)

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
