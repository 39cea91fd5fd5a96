"""What a peer and we say in extended messages (BEP 10): metadata (9), gossip (11), lost pieces (54). Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Final

from magnetite.endpoint import Endpoint
from magnetite.errors import WireError
from magnetite.swarm.gossip import Gossip
from magnetite.swarm.outbox import Outbox
from magnetite.swarm.tolerance import BYTES_EACH
from magnetite.swarm.turns import Turns
from magnetite.wire.extensions import (
    HANDSHAKE_ID,
    LT_DONTHAVE,
    UT_METADATA,
    ExtensionHandshake,
    MetadataData,
    MetadataReject,
    MetadataRequest,
    decode_dont_have,
    decode_extension_handshake,
    decode_metadata,
    encode_dont_haves,
    encode_metadata,
)
from magnetite.wire.holepunch import UT_HOLEPUNCH, decode_holepunch
from magnetite.wire.messages import MAX_PIECES, Extended
from magnetite.wire.pex import UT_PEX, PexFlag, decode_pex, encode_pex

if TYPE_CHECKING:
    from magnetite.swarm.exchange import Exchange
    from magnetite.swarm.peer import Peer

# The ids we give the extensions; ours to choose (BEP 10).
OUR_UT_METADATA, OUR_UT_PEX, OUR_LT_DONTHAVE, OUR_UT_HOLEPUNCH = 1, 2, 3, 4
OUR_EXTENSIONS: Final = {UT_METADATA: OUR_UT_METADATA, UT_PEX: OUR_UT_PEX, LT_DONTHAVE: OUR_LT_DONTHAVE}
UTP_EXTENSIONS: Final = {**OUR_EXTENSIONS, UT_HOLEPUNCH: OUR_UT_HOLEPUNCH}  # of who can be dialled by uTP
METADATA_TRIES: Final = 3  # times a peer may ask for the same metadata block
MOST_LOSSES: Final = 10_000  # lost pieces that are told at once, 100 kB; what is asked for of the others is rejected


class PeerExtensions:
    """The part of a Peer that the extension protocol adds to it. It is told the Peer and does not hold it: a ring of
    the two would keep the buffers of a connection that is over.

    `said` is what its handshakes said, all together. Invariant: it is sent messages of no extension but those it named,
    claims to have the metadata once, and is served each block of ours METADATA_TRIES times at most.
    """

    __slots__ = (
        "_metadata_served",
        "_outbox",
        "_turns",
        "by_utp",
        "claims_metadata",
        "gossip",
        "said",
        "said_upload_only",
    )

    def __init__(self, outbox: Outbox) -> None:
        self.said = ExtensionHandshake()
        self.said_upload_only = False  # we, in the last handshake
        self.claims_metadata = False
        self.gossip = Gossip()
        self.by_utp = False  # its datagrams come from its endpoint
        self._turns: Turns | None = None
        self._outbox = outbox
        self._metadata_served: dict[int, int] = {}  # block -> times

    @property
    def upload_only(self) -> bool:
        """It says that it wants nothing more (BEP 21)."""
        return self.said.upload_only is True

    @property
    def turns(self) -> Turns:
        """In hole punching, in which few peers ever have a part."""
        if self._turns is None:
            self._turns = Turns()
        return self._turns

    @property
    def sees_us_at(self) -> str | None:
        """Our address, as it says."""
        return self.said.yourip

    # -- what we say -------------------------------------------------------------------------------------------------

    def introduce(self, ours: ExtensionHandshake) -> None:
        """For peers that offered the extension protocol in their handshake."""
        self.said_upload_only = ours.upload_only is True
        self._outbox.put(Extended(HANDSHAKE_ID, ours.encode()))

    def ask_metadata(self, block: int) -> None:
        self._send_metadata(MetadataRequest(block))

    def tell_of(
        self, present: Mapping[Endpoint, PexFlag], parted: Mapping[Endpoint, PexFlag], at: Endpoint, now: float
    ) -> None:
        """Name the peers of the torrent (BEP 11), those that are news to the peer, if it wants to know; it is `at`."""
        number = self.said.id_of(UT_PEX)
        if number is None:
            return
        message = self.gossip.next_message(present, parted, at, now)
        if message is not None:
            self._outbox.put(Extended(number, encode_pex(message)))

    def tell_lost(self, lost: Iterable[int]) -> None:
        """We have these pieces no more (BEP 54), MOST_LOSSES of them."""
        number = self.said.id_of(LT_DONTHAVE)
        if number is not None and (messages := encode_dont_haves(number, islice(lost, MOST_LOSSES))):
            self._outbox.put_bytes(messages)

    # -- what it says ------------------------------------------------------------------------------------------------

    def receive(self, peer: Peer, number: int, payload: bytes, exchange: Exchange, now: float) -> None:
        """An extended message of this id. Raises RemoteProtocolError."""
        if number == HANDSHAKE_ID:
            self._on_handshake(peer, decode_extension_handshake(payload), exchange, now)
        elif number == OUR_UT_METADATA:
            self._on_metadata(peer, payload, exchange, now)
        elif number == OUR_UT_PEX:
            if self.gossip.may_hear(now):
                exchange.acquaintance.on_gossip(peer, decode_pex(payload))
        elif number == OUR_UT_HOLEPUNCH:
            exchange.punching.on_message(peer, decode_holepunch(payload), now)
        elif number == OUR_LT_DONTHAVE:
            _on_dont_have(peer, decode_dont_have(payload), exchange)
        else:
            peer.useful_messages -= len(payload) // BYTES_EACH

    def _on_handshake(self, peer: Peer, handshake: ExtensionHandshake, exchange: Exchange, now: float) -> None:
        self.said = self.said.updated(handshake)
        if self.said.reqq is not None:
            peer.pipeline.limit(self.said.reqq)
        if self.said.v:
            peer.client = self.said.v
        size = self.said.metadata_size
        if size is not None and self.said.id_of(UT_METADATA) is not None and not self.claims_metadata:
            self.claims_metadata = True
            exchange.metadata.on_claim(peer, size, now)

    def _on_metadata(self, peer: Peer, payload: bytes, exchange: Exchange, now: float) -> None:
        match decode_metadata(payload):
            case MetadataRequest(piece):
                self._serve_metadata(peer, piece, exchange)
            case MetadataData(piece, total_size, data):
                exchange.metadata.on_block(peer, piece, total_size, data, now)
            case MetadataReject(piece):
                exchange.metadata.on_reject(peer, piece, now)

    def _serve_metadata(self, peer: Peer, piece: int, exchange: Exchange) -> None:
        data = exchange.metadata.block(piece)
        tries = self._metadata_served.get(piece, 0)
        if data is None or tries >= METADATA_TRIES:
            peer.note_refusal()
            self._send_metadata(MetadataReject(piece))
        else:
            self._metadata_served[piece] = tries + 1
            self._send_metadata(MetadataData(piece, exchange.metadata.length, data))

    def _send_metadata(self, message: MetadataRequest | MetadataData | MetadataReject) -> None:
        number = self.said.id_of(UT_METADATA)
        if number is not None:
            self._outbox.put(Extended(number, encode_metadata(message)))


def _on_dont_have(peer: Peer, piece: int, exchange: Exchange) -> None:
    if piece >= (exchange.all_pieces.bit_length() or MAX_PIECES):
        raise WireError(f"lt_donthave of piece {piece}")
    peer.told_of(~piece)
