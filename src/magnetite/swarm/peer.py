"""One connected peer: what each side has, wants and allows, and what its messages lead to. Pure.

A message is decided upon at once; what is to be sent goes to the outbox, what concerns other peers to the Exchange.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import groupby
from math import inf
from typing import TYPE_CHECKING, Final, cast

from magnetite.endpoint import Endpoint
from magnetite.errors import Reason, WireError
from magnetite.events import Source
from magnetite.ids import PeerId
from magnetite.swarm.outbox import Outbox
from magnetite.swarm.peer_extensions import PeerExtensions
from magnetite.swarm.pipeline import Pipeline
from magnetite.swarm.rate import RateMeter
from magnetite.swarm.tolerance import BYTES_EACH, Tolerance
from magnetite.torrent import pieces
from magnetite.wire.handshake import client_name
from magnetite.wire.holepunch import UT_HOLEPUNCH
from magnetite.wire.messages import (
    AllowedFast,
    BitfieldMessage,
    Block,
    BlockRequest,
    Cancel,
    Choke,
    Extended,
    Have,
    HaveAll,
    Interested,
    KeepAlive,
    Message,
    NotInterested,
    Port,
    Reject,
    Request,
    Suggest,
    Unchoke,
    encode,
    encode_requests,
)
from magnetite.wire.peer_wire import PeerWire
from magnetite.wire.pex import PexFlag

if TYPE_CHECKING:
    from magnetite.swarm.exchange import Exchange

NO_PIECES: Final[frozenset[int]] = frozenset()
NO_REQUESTS: Final[frozenset[BlockRequest]] = frozenset()
NOT_INTERESTED: Final = encode(NotInterested())
LOST = (Reason.CONNECTION_LOST, Reason.IDLE)
OUR_REQQ = 2000  # requests we keep for a peer
MOST_REFUSALS = 500  # requests in a row that we had to refuse, then it is goodbye
MOST_GRANTS = 100  # pieces allowed fast; everybody grants 10
WAIT_FOR_COMPANY = 3.0  # seconds without sending, until what can wait goes alone
KEEP_ALIVE_EVERY = 110.0  # seconds without sending (BEP 3: "generally two minutes")
PROBE_AFTER = 3.0  # seconds without a byte from a peer that owes us something
IDLE_TIMEOUT = 240.0  # seconds; twice what a keep-alive comes after


def _nobody() -> None:
    """No connection runs yet."""


class Peer:
    """Both ends' state of one connection (BEP 3): each side begins choked and not interested.

    `pieces` is a mask, piece 0 the lowest bit; it is kept from the start, also while the metadata is still unknown.
    """

    __slots__ = (
        "_dht_port",
        "_granted_bytes",
        "_granted_fast",
        "_haves",
        "_refusals",
        "_tolerance",
        "allowed_fast",
        "am_choking",
        "am_interested",
        "client",
        "closing",
        "downloaded",
        "endpoint",
        "extensions",
        "gave_metadata",
        "hang_up",
        "has_all",
        "lacks",
        "listening_since",
        "outbox",
        "peer_choking",
        "peer_id",
        "peer_interested",
        "pieces",
        "pipeline",
        "refused_at",
        "sending_since",
        "sent_at",
        "source",
        "taken_back",
        "traded_at",
        "unchoked_at",
        "uploaded",
        "useful_at",
        "useful_messages",
        "wire",
    )

    def __init__(self, endpoint: Endpoint, source: Source, peer_id: PeerId, wire: PeerWire, now: float) -> None:
        self.endpoint = endpoint
        self.source = source
        self.peer_id = peer_id
        self.client = client_name(peer_id)
        self.wire = wire
        self.outbox = Outbox()
        self.extensions = PeerExtensions(self.outbox)
        self.hang_up: Callable[[], None] = _nobody
        self.closing: tuple[Reason, str] | None = None
        self.pieces = 0
        self.has_all = False
        self.lacks = 0  # mask of what a peer with HAVE_ALL has lost before the piece count was known
        self.am_choking = True
        self.am_interested = False
        self.peer_choking = True
        self.peer_interested = False
        self.unchoked_at = -1e9
        self.allowed_fast = NO_PIECES  # pieces we may ask for while choked (BEP 6); MOST_GRANTS
        self.taken_back = NO_REQUESTS  # cancelled, and perhaps still to be rejected (BEP 6)
        self.refused_at = -1e9  # when it last rejected a request although it had unchoked us
        self._granted_fast = 0  # mask of those it may ask us for,
        self._granted_bytes = 0  # until it has had as many bytes as they have
        self.pipeline = Pipeline(now)
        self.downloaded = RateMeter()
        self.uploaded = RateMeter()
        self.listening_since = now  # for its next byte; inf while the disk, or a limit, keeps us from listening
        self.sending_since = inf  # what it has not taken yet
        self.sent_at = now  # when it was last sent anything
        self.useful_at = now  # when either side last wanted something
        self.traded_at = now  # when a block last came or went
        self.gave_metadata = False  # a block of it at least, which it was asked for
        self.useful_messages = 0  # of one read: something followed from them
        self._tolerance = Tolerance(now)
        self._haves: list[int] = []  # from the messages of one read
        self._dht_port: int | None = None
        self._refusals = 0

    def __repr__(self) -> str:
        return f"<Peer {self.endpoint} {self.client}>"

    @property
    def listens_at(self) -> Endpoint | None:
        """Where others may reach it: where we did, or at the port it names."""
        if self.source is not Source.INCOMING:
            return self.endpoint
        port = self.extensions.said.p
        return Endpoint(self.endpoint.ip, port) if port else None

    def flags(self, everything: int) -> PexFlag:
        """What others are told of it, in a torrent of the pieces `everything`."""
        flags = PexFlag(0)
        if self.source not in (Source.INCOMING, Source.HOLEPUNCH):
            flags |= PexFlag.REACHABLE
        if self.is_done(everything):
            flags |= PexFlag.SEED
        if self.extensions.said.e:
            flags |= PexFlag.ENCRYPTION
        if self.extensions.by_utp:
            flags |= PexFlag.UTP
        if self.extensions.said.id_of(UT_HOLEPUNCH) is not None:
            flags |= PexFlag.HOLEPUNCH
        return flags

    def is_done(self, everything: int) -> bool:
        """It wants nothing, nor will: a seed of a torrent of the pieces `everything`, or a partial one (BEP 21)."""
        return self.extensions.upload_only or 0 < self.pieces == everything

    def is_idle(self, now: float) -> bool:
        """Neither a byte has come from it for long, nor does it take what we send."""
        return now - min(self.listening_since, self.sending_since) >= IDLE_TIMEOUT

    @property
    def is_missed(self) -> bool:
        """The network broke the connection, and not before it had brought us something."""
        has_given = self.gave_metadata or self.downloaded.total > 0
        return has_given and self.closing is not None and self.closing[0] in LOST

    def close(self, reason: Reason, detail: str = "") -> None:
        """End the connection as soon as its loops run again; the first reason stands."""
        if self.closing is None:
            self.closing = (reason, detail)
            self.hang_up()

    # -- what we say -------------------------------------------------------------------------------------------------

    def show_interest(self, interested: bool) -> None:
        """That we want nothing may wait while it would give us nothing: most of the time we want something again soon.

        In a crowd who has all that another has goes on to miss something a second or two later.
        """
        if interested == self.am_interested:
            return
        self.am_interested = interested
        if not interested:
            (self.outbox.hold if self.peer_choking else self.outbox.put_bytes)(NOT_INTERESTED)
        elif not self.outbox.take_back(NOT_INTERESTED):
            self.outbox.put(Interested())

    def choke(self) -> None:
        """Stop serving it. What it still waits for is rejected, or known to be dropped where it has no BEP 6."""
        if self.am_choking:
            return
        self.am_choking = True
        self.outbox.put(Choke())
        dropped = self.outbox.drop_blocks()
        if self.wire.fast:
            self.outbox.put(*(Reject(request) for request in dropped))

    def unchoke(self, now: float) -> None:
        if self.am_choking:
            self.am_choking = False
            self.unchoked_at = now
            self.outbox.put(Unchoke())

    def grant_fast(self, piece: int, length: int) -> None:
        self._granted_fast |= 1 << piece
        self._granted_bytes += length
        self.outbox.put(AllowedFast(piece))

    def announce(self, haves: bytes, *, may_be_served: bool) -> None:
        """We have more pieces: the messages that say so. `may_be_served` is whether a slot is free.

        Who waits for a slot here, or would have to, can do nothing about it yet, and is told with whatever comes next,
        or by `tend`: most of what is sent in a crowd are single Haves otherwise.
        """
        if self.am_choking and (self.peer_interested or not may_be_served):
            self.outbox.hold(haves)
        else:
            self.outbox.put_bytes(haves)

    def tend(self, now: float) -> None:
        """What time alone brings about: what was held back goes, and a sign of life where nothing has gone for long."""
        if now - self.sent_at >= WAIT_FOR_COMPANY:
            self.outbox.release()
        if now - self.sent_at >= KEEP_ALIVE_EVERY and self.sending_since == inf:
            self.outbox.put(KeepAlive())

    def probe(self, now: float) -> None:
        """It owes us something, and is silent. Where nothing is on its way to it, no transport finds that it is gone.

        Others give a connection of uTP up after three losses of a packet, and do not say so.
        """
        if now - max(self.listening_since, self.sent_at) >= PROBE_AFTER and self.sending_since == inf:
            self.outbox.put(KeepAlive())

    def ask(self, requests: list[BlockRequest]) -> None:
        if requests:
            self.outbox.put_bytes(encode_requests(requests))

    def cancel(self, request: BlockRequest) -> None:
        self.outbox.put(Cancel(request))

    def take_back(self, requests: list[BlockRequest]) -> None:
        """Cancel requests whose blocks may be asked for again, of this peer, too."""
        for request in requests:
            self.cancel(request)
        if self.wire.fast:
            self.taken_back = frozenset(requests)  # those before are answered by now

    # -- what it says ------------------------------------------------------------------------------------------------

    def receive(self, messages: list[Message], exchange: Exchange, now: float) -> None:
        """Act on the messages of one read, in order, until one of them ends the connection.

        Whole-torrent sets and the request pipeline are touched once a read, not once a message: a message is five
        bytes, and a flood of them must not cost more than reading it. Raises RemoteProtocolError where one breaks a
        rule.
        """
        for kind, run in groupby(messages, type):
            if kind is Block:
                exchange.blocks.on_blocks(self, cast(Iterator[Block], run), now)
            elif kind is Request:
                self._on_requests(cast(Iterator[Request], run), exchange)
            else:
                for message in run:
                    self._receive(message, exchange, now)
            if self.closing:
                return
        if self._haves:
            told, self._haves = self._haves, []
            self._learn(told, exchange)
        useful, self.useful_messages = self.useful_messages, 0
        useless = len(messages) - useful
        if self.wire.skipped:
            useless += self._take_skipped()
        if useless > 0:
            self._tolerance.spend(useless, now)
        exchange.blocks.fill(self, now)

    def _take_skipped(self) -> int:
        """What of unknown ids counts for: as with unknown extensions, the payload too."""
        wire = self.wire
        useless = wire.skipped + wire.skipped_bytes // BYTES_EACH
        wire.skipped = wire.skipped_bytes = 0
        return useless

    def _receive(self, message: Message, exchange: Exchange, now: float) -> None:
        match message:
            case Have(piece):
                self._haves.append(piece)
            case BitfieldMessage(bits):
                self._gain(pieces.from_wire(bits), exchange)
            case HaveAll():
                self.has_all = True
                self._gain(exchange.all_pieces, exchange)
                if not exchange.all_pieces:
                    exchange.on_pieces(self, 0)  # nobody can say yet which
            case Choke():
                self._on_choke(exchange)
            case Unchoke():
                self._on_unchoke(exchange)
            case Interested():
                self.peer_interested = True
                exchange.on_interested(self, now)
            case NotInterested():
                self.peer_interested = False
                exchange.on_not_interested(self)
            case Cancel(block):
                self._on_cancel(block)
            case Reject(block):
                exchange.blocks.on_reject(self, block, now)
            case AllowedFast(piece):
                if len(self.allowed_fast) < MOST_GRANTS:
                    self.allowed_fast |= {piece}
            case Suggest(piece):
                exchange.blocks.on_suggest(self, piece)
            case Extended(id=number, payload=payload):
                self.extensions.receive(self, number, payload, exchange, now)
            case Port(port) if self._dht_port is None:
                self._dht_port = port
                exchange.on_dht_node(Endpoint(self.endpoint.ip, port))
            case _:
                pass  # keep-alive, HAVE_NONE, a second PORT: nothing follows from it

    def told_of(self, said: int) -> None:
        """It has the piece `said`, or where that is ~piece, has it no more: to be learnt after this read."""
        self._haves.append(said)

    def _learn(self, told: list[int], exchange: Exchange) -> None:
        """Pieces that it has, and ~piece where it has one no more; what was said last of a piece counts."""
        if min(told) >= 0:
            self._gain(pieces.of(told), exchange)
            return
        last = {max(said, ~said): said >= 0 for said in told}
        self._gain(pieces.of([piece for piece, has in last.items() if has]), exchange)
        self._lose(pieces.of([piece for piece, has in last.items() if not has]), exchange)

    def _lose(self, mask: int, exchange: Exchange) -> None:
        """The peer has the pieces of `mask` no more, some of which it may never have had (BEP 54)."""
        if self.has_all and not exchange.all_pieces:
            self.lacks |= mask
        lost = mask & self.pieces
        if lost:
            self.pieces &= ~lost
            exchange.blocks.on_lost(self, lost)

    def _gain(self, mask: int, exchange: Exchange) -> None:
        """The peer has the pieces of `mask`, some of which it may have told before."""
        if self.lacks:
            self.lacks &= ~mask
        new = mask & ~self.pieces
        if new:
            self.useful_messages += new.bit_count()
            self.pieces |= new
            exchange.on_pieces(self, new)

    def _on_choke(self, exchange: Exchange) -> None:
        self.peer_choking = True
        if not self.wire.fast:  # with BEP 6 every request dropped is rejected by name
            exchange.blocks.on_choked(self)

    def _on_unchoke(self, exchange: Exchange) -> None:
        if self.peer_choking:  # said twice it means nothing: no request was dropped in between
            self.peer_choking = False
            if not self.am_interested:
                self.outbox.release()  # it should know, and give its slot to somebody else
            exchange.blocks.on_unchoked(self)

    def _on_requests(self, messages: Iterator[Request], exchange: Exchange) -> None:
        queued = self.outbox.queued_blocks
        for message in messages:
            request = message.block
            if not exchange.can_serve(request, self) or (self.am_choking and not self._spend_grant(request)):
                self._refuse(request)
            elif self.outbox.queued_blocks >= OUR_REQQ:
                raise WireError(f"more than {OUR_REQQ} requests", Reason.TOO_MANY_REQUESTS)
            else:
                self._refusals = 0
                self.outbox.put_block(request)
        self.useful_messages += self.outbox.queued_blocks - queued  # the same one twice is nothing new
        exchange.on_requests(self)

    def _spend_grant(self, request: BlockRequest) -> bool:
        if not self._granted_fast >> request.piece & 1 or request.length > self._granted_bytes:
            return False
        self._granted_bytes -= request.length
        return True

    def _refuse(self, request: BlockRequest) -> None:
        self.note_refusal()
        if self.wire.fast:
            self.outbox.put(Reject(request))

    def note_refusal(self) -> None:
        """Something it asked for is not to be had. Raises WireError when it goes on and on."""
        self._refusals += 1
        if self._refusals > MOST_REFUSALS:
            raise WireError("goes on asking for what it is refused", Reason.TOO_MANY_REQUESTS)

    def _on_cancel(self, request: BlockRequest) -> None:
        if self.outbox.cancel(request) and self.wire.fast:
            self.outbox.put(Reject(request))  # BEP 6: every request is answered, a cancelled one too
