"""The encrypted handshake of the side that is dialled. Pure: bytes in, bytes out."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto
from hmac import compare_digest
from random import Random

from magnetite.errors import Reason, WireError
from magnetite.ids import InfoHash
from magnetite.wire.mse.agreement import MAX_INITIAL, TERMS, VC, Agreement, Inbox, agreed, checked_pad, padding
from magnetite.wire.mse.key_exchange import (
    HASH_LENGTH,
    KEY_LENGTH,
    KeyPair,
    hide,
    stream_key,
    sync_mark,
    torrent_mark,
)
from magnetite.wire.mse.policy import Encryption, Method
from magnetite.wire.mse.rc4 import Rc4

_LENGTH = 2  # bytes of len(IA)


class _Stage(Enum):
    KEY = auto()
    SYNC = auto()
    OFFER = auto()
    PADDING = auto()
    INITIAL = auto()
    DONE = auto()


class Receiver:
    """Send what `received` returns, until there is an `agreement`."""

    def __init__(self, torrents: Iterable[InfoHash], policy: Encryption, rng: Random) -> None:
        """`torrents` are those we have at the moment they are asked for; it may be a view of what changes."""
        self.agreement: Agreement | None = None
        self._torrents = torrents
        self._policy = policy
        self._rng = rng
        self._inbox = Inbox()
        self._stage = _Stage.KEY
        self._due = 0  # bytes of what is to come next, where that is not fixed

    def received(self, data: bytes | memoryview) -> bytes:
        """What to send in answer. Raises WireError, with a Reason where the caller meant well."""
        self._inbox.put(data)
        answer = b""
        while self._stage is not _Stage.DONE:
            match self._stage:
                case _Stage.KEY if len(self._inbox) >= KEY_LENGTH:
                    answer += self._exchange_keys()
                    self._stage = _Stage.SYNC
                case _Stage.SYNC if self._inbox.skip_past(sync_mark(self._secret)):
                    self._stage = _Stage.OFFER
                case _Stage.OFFER if len(self._inbox) >= HASH_LENGTH + TERMS.size:
                    self._read_offer()
                    self._stage = _Stage.PADDING
                case _Stage.PADDING if len(self._inbox) >= self._due:
                    self._skip_padding()
                    self._stage = _Stage.INITIAL
                case _Stage.INITIAL if len(self._inbox) >= self._due:
                    answer += self._finish()
                    self._stage = _Stage.DONE
                case _:
                    break
        return answer

    def _exchange_keys(self) -> bytes:
        keys = KeyPair(self._rng)
        self._secret = keys.shared(self._inbox.take(KEY_LENGTH))
        return keys.public + padding(self._rng)

    def _read_offer(self) -> None:
        info_hash = _torrent_of(hide(self._inbox.take(HASH_LENGTH), self._secret), self._torrents)
        if info_hash is None:
            raise WireError(reason=Reason.WRONG_INFO_HASH)
        self._info_hash = info_hash
        self._receiving = Rc4(stream_key(b"keyA", self._secret, info_hash))
        self._sending = Rc4(stream_key(b"keyB", self._secret, info_hash))
        vc, offered, pad = TERMS.unpack(self._receiving.apply(self._inbox.take(TERMS.size)))
        if vc != VC:
            raise WireError("an encrypted handshake that does not decrypt")
        method = self._policy.select(offered)
        if method is None:
            raise WireError(f"offers encryption {offered:#x}", Reason.NO_COMMON_ENCRYPTION)
        self._method = method
        self._due = checked_pad(pad) + _LENGTH

    def _skip_padding(self) -> None:
        length = int.from_bytes(self._receiving.apply(self._inbox.take(self._due))[-_LENGTH:], "big")
        if length > MAX_INITIAL:
            raise WireError(f"an initial payload of {length} bytes")
        self._due = length

    def _finish(self) -> bytes:
        initial = self._receiving.apply(self._inbox.take(self._due))
        rest = self._inbox.take_all()
        if self._method is Method.RC4:
            rest = self._receiving.apply(rest)
        self.agreement = agreed(self._info_hash, self._method, initial + rest, self._receiving, self._sending)
        pad = padding(self._rng)
        return self._sending.apply(TERMS.pack(VC, self._method, len(pad)) + pad)


def _torrent_of(mark: bytes, torrents: Iterable[InfoHash]) -> InfoHash | None:
    """Which of our torrents the caller means. All are compared, so that the time tells not which, nor whether any."""
    found = None
    for info_hash in torrents:
        if compare_digest(torrent_mark(info_hash), mark):
            found = info_hash
    return found
