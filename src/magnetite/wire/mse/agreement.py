"""What an encrypted handshake ends in, and the terms that both sides of it share. Pure.

A->B  Ya, PadA
B->A  Yb, PadB
A->B  HASH('req1', S), HASH('req2', SKEY) xor HASH('req3', S),
      ENCRYPT(VC, crypto_provide, len(PadC), PadC, len(IA)), ENCRYPT(IA)
B->A  ENCRYPT(VC, crypto_select, len(PadD), PadD), then what was agreed upon
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from struct import Struct
from typing import Final

from magnetite.errors import WireError
from magnetite.ids import InfoHash
from magnetite.wire.mse.policy import Method
from magnetite.wire.mse.rc4 import Rc4

MAX_PAD: Final = 512  # bytes
VC: Final = bytes(8)  # the verification constant: zeros, by which the caller finds the end of PadB
TERMS: Final = Struct(">8sIH")  # VC, crypto_provide or crypto_select, length of the padding behind it
MAX_INITIAL: Final = 8 << 10  # bytes of IA; the field allows 64 KiB, clients send a handshake and little more


@dataclass(frozen=True, slots=True)
class Agreement:
    """Both sides have said all that the encrypted handshake has.

    `early` are the first bytes, decrypted, of what is spoken inside. The ciphers are None where that goes on plainly.
    """

    info_hash: InfoHash
    early: bytes
    receiving: Rc4 | None
    sending: Rc4 | None


def agreed(info_hash: InfoHash, method: Method, early: bytes, receiving: Rc4, sending: Rc4) -> Agreement:
    if method is Method.PLAINTEXT:
        return Agreement(info_hash, early, None, None)
    return Agreement(info_hash, early, receiving, sending)


def padding(rng: Random) -> bytes:
    """0 to 512 bytes, so that the length of a handshake does not give it away."""
    return rng.randbytes(rng.randrange(MAX_PAD + 1))


def checked_pad(length: int) -> int:
    """Raises WireError if a padding is longer than any may be."""
    if length > MAX_PAD:
        raise WireError(f"a padding of {length} bytes")
    return length


class Inbox:
    """What has come of a handshake and is not understood yet. Invariant: a read, and MAX_INITIAL bytes, at most."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def __len__(self) -> int:
        return len(self._bytes)

    def put(self, data: bytes | memoryview) -> None:
        self._bytes += data

    def take(self, length: int) -> bytes:
        """The first `length` bytes, which are there."""
        taken = bytes(self._bytes[:length])
        del self._bytes[:length]
        return taken

    def take_all(self) -> bytes:
        return self.take(len(self._bytes))

    def skip_past(self, mark: bytes) -> bool:
        """Whether `mark` has come, behind a padding at most; it and what was before it are gone then.

        Raises WireError as soon as it can come no more.
        """
        at = self._bytes.find(mark, 0, MAX_PAD + len(mark))
        if at >= 0:
            del self._bytes[: at + len(mark)]
            return True
        if len(self._bytes) >= MAX_PAD + len(mark):
            raise WireError("neither BitTorrent nor its encryption")
        return False
