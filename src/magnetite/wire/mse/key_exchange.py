"""The Diffie-Hellman exchange both sides begin with, and what is derived from the secret they share. Pure."""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha1
from random import Random
from typing import Final

from magnetite.errors import WireError
from magnetite.ids import InfoHash

P: Final = int(
    "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74"
    "020BBEA63B139B22514A08798E3404DDEF9519B3CD3A431B302B0A6DF25F1437"
    "4FE1356D6D51C245E485B576625E7EC6F44C42E9A63A36210000000000090563",
    16,
)
G: Final = 2
KEY_LENGTH: Final = 96  # bytes of P, of a public key, and of the secret
PRIVATE_BITS: Final = 160
HASH_LENGTH: Final = 20  # bytes of SHA-1


class KeyPair:
    """A private key, for one handshake: so what its use takes in time tells nothing that is of use later."""

    def __init__(self, rng: Random) -> None:
        self._private = rng.getrandbits(PRIVATE_BITS)
        self.public = pow(G, self._private, P).to_bytes(KEY_LENGTH, "big")

    def shared(self, public: bytes) -> bytes:
        """The 96 bytes of the secret. Raises WireError for a key that would make it known to everybody."""
        other = int.from_bytes(public, "big")
        if not 1 < other < P - 1:
            raise WireError("a public key that is no key")
        return pow(other, self._private, P).to_bytes(KEY_LENGTH, "big")


def sync_mark(secret: bytes) -> bytes:
    """What tells the dialled side where the padding before it ends: HASH('req1', S)."""
    return sha1(b"req1" + secret).digest()


@lru_cache(maxsize=1 << 14)
def torrent_mark(info_hash: InfoHash) -> bytes:
    """HASH('req2', SKEY), remembered: each encrypted call is compared with all our torrents."""
    return sha1(b"req2" + bytes(info_hash)).digest()


def hide(mark: bytes, secret: bytes) -> bytes:
    """A torrent's mark xor HASH('req3', S), which only somebody who knows the torrent understands; and back again."""
    hidden = int.from_bytes(mark, "big") ^ int.from_bytes(sha1(b"req3" + secret).digest(), "big")
    return hidden.to_bytes(HASH_LENGTH, "big")


def stream_key(name: bytes, secret: bytes, info_hash: InfoHash) -> bytes:
    """The RC4 key of what the caller (`keyA`) or the called (`keyB`) sends."""
    return sha1(name + secret + bytes(info_hash)).digest()
