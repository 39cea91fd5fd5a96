"""The encrypted handshake of the side that dials. Pure: bytes in, bytes out."""

from __future__ import annotations

from enum import Enum, auto
from random import Random
from struct import Struct

from magnetite.errors import WireError
from magnetite.ids import InfoHash
from magnetite.wire.mse.agreement import TERMS, VC, Agreement, Inbox, agreed, checked_pad, padding
from magnetite.wire.mse.key_exchange import KEY_LENGTH, KeyPair, hide, stream_key, sync_mark, torrent_mark
from magnetite.wire.mse.policy import Method
from magnetite.wire.mse.rc4 import Rc4

_ANSWER = Struct(">IH")  # crypto_select, len(PadD)


class _Stage(Enum):
    KEY = auto()
    SYNC = auto()
    ANSWER = auto()
    PADDING = auto()
    DONE = auto()


class Initiator:
    """Send `opening`, then what `received` returns, until there is an `agreement`."""

    def __init__(self, info_hash: InfoHash, initial: bytes, offered: Method, rng: Random) -> None:
        """`initial` is sent along with the offer, so that encryption costs one round trip and no more."""
        self.agreement: Agreement | None = None
        self._info_hash = info_hash
        self._initial = initial
        self._offered = offered
        self._rng = rng
        self._keys = KeyPair(rng)
        self._inbox = Inbox()
        self._stage = _Stage.KEY
        self._pad = 0
        self.opening = self._keys.public + padding(rng)

    def received(self, data: bytes | memoryview) -> bytes:
        """What to send in answer, mostly nothing. Raises WireError."""
        self._inbox.put(data)
        answer = b""
        while self._stage is not _Stage.DONE:
            match self._stage:
                case _Stage.KEY if len(self._inbox) >= KEY_LENGTH:
                    answer = self._offer(self._keys.shared(self._inbox.take(KEY_LENGTH)))
                    self._stage = _Stage.SYNC
                case _Stage.SYNC if self._inbox.skip_past(self._mark):
                    self._stage = _Stage.ANSWER
                case _Stage.ANSWER if len(self._inbox) >= _ANSWER.size:
                    self._read_answer()
                    self._stage = _Stage.PADDING
                case _Stage.PADDING if len(self._inbox) >= self._pad:
                    self._finish()
                    self._stage = _Stage.DONE
                case _:
                    break
        return answer

    def _offer(self, secret: bytes) -> bytes:
        self._sending = Rc4(stream_key(b"keyA", secret, self._info_hash))
        self._receiving = Rc4(stream_key(b"keyB", secret, self._info_hash))
        self._mark = self._receiving.apply(VC)  # how the other side's VC looks
        pad, length = padding(self._rng), len(self._initial).to_bytes(2, "big")
        offer = TERMS.pack(VC, self._offered, len(pad)) + pad + length + self._initial
        return sync_mark(secret) + hide(torrent_mark(self._info_hash), secret) + self._sending.apply(offer)

    def _read_answer(self) -> None:
        chosen, pad = _ANSWER.unpack(self._receiving.apply(self._inbox.take(_ANSWER.size)))
        if chosen not in (Method.PLAINTEXT, Method.RC4) or not chosen & self._offered:
            raise WireError(f"chose encryption {chosen:#x} of {self._offered:#x}")
        self._method = Method(chosen)
        self._pad = checked_pad(pad)

    def _finish(self) -> None:
        self._receiving.apply(self._inbox.take(self._pad))
        early = self._inbox.take_all()
        if self._method is Method.RC4:
            early = self._receiving.apply(early)
        self.agreement = agreed(self._info_hash, self._method, early, self._receiving, self._sending)
