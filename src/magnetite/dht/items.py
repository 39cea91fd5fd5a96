"""What anybody may store in the DHT: values under their hash, and values under a key that signs them (BEP 44). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha1
from typing import Final, TypeAlias

from magnetite import bencoding
from magnetite.bencoding import Limits
from magnetite.errors import BencodeError, LocalProtocolError
from magnetite.ids import NodeId

MAX_VALUE: Final = 1_000  # bytes, bencoded: "it's not safe to assume storing more than 1000 bytes will succeed"
MAX_SALT: Final = 64  # bytes
MAX_SEQ: Final = (1 << 63) - 1
KEY_LENGTH: Final = 32  # bytes of a public key, and of the seed a private key is made from
SIGNATURE_LENGTH: Final = 64  # bytes
_VALUE: Final = Limits(depth=bencoding.DATAGRAM.depth - 2, items=bencoding.DATAGRAM.items)  # in a message, in `a`


@dataclass(frozen=True, slots=True)
class ImmutableItem:
    """A value stored under its own hash; `value` is bencoded, as it was received."""

    value: bytes

    @property
    def target(self) -> NodeId:
        return NodeId.decode(sha1(self.value).digest())


@dataclass(frozen=True, slots=True)
class MutableItem:
    """A value stored under a public key and a salt, which a higher `seq` replaces; `value` is bencoded, as received.

    Answers to `get` do not tell the salt: who asked adds it with `dataclasses.replace`.
    """

    value: bytes
    key: bytes  # Ed25519, 32 bytes
    seq: int
    signature: bytes  # 64 bytes
    salt: bytes = b""

    @property
    def target(self) -> NodeId:
        return mutable_target(self.key, self.salt)


Item: TypeAlias = ImmutableItem | MutableItem


def mutable_target(key: bytes, salt: bytes = b"") -> NodeId:
    """Where the item of a public key and a salt is stored (BEP 44, Mutable Items)."""
    return NodeId.decode(sha1(key + salt).digest())


def is_bencoded(value: bytes) -> bool:
    """Whether `value` is one bencoded value, its keys sorted: only that may be hashed and signed."""
    try:
        bencoding.decode(value, _VALUE, sorted_keys=True)
    except BencodeError:
        return False
    return True


def is_valid(item: Item) -> bool:
    """Whether nodes may store the item: its sizes are allowed, and its signature is its key's.

    That it belongs to the target somebody asked for is another question: compare `item.target`.
    """
    if len(item.value) > MAX_VALUE or not is_bencoded(item.value):
        return False
    return isinstance(item, ImmutableItem) or (
        len(item.key) == KEY_LENGTH
        and len(item.signature) == SIGNATURE_LENGTH
        and len(item.salt) <= MAX_SALT
        and 0 <= item.seq <= MAX_SEQ
        and is_signed(item)
    )


def is_signed(item: MutableItem) -> bool:
    """Whether the signature is the key's. Takes 0.1 ms: whatever is cheaper should be checked before."""
    # Imported where it is needed: it takes 50 ms, which every start of the program would pay.
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    try:
        key = Ed25519PublicKey.from_public_bytes(item.key)
        key.verify(item.signature, _signed(item.value, item.seq, item.salt))
    except (InvalidSignature, ValueError):  # ValueError: the key is no point of the curve
        return False
    return True


def sign(private_key: bytes, value: bytes, seq: int, salt: bytes = b"") -> MutableItem:
    """An item signed by an Ed25519 private key, given as its seed of 32 bytes (RFC 8032).

    Raises LocalProtocolError for a value that is not canonical bencoding or, like `salt` or `seq`, is too large.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    if len(private_key) != KEY_LENGTH:
        raise LocalProtocolError(f"a private key is a seed of {KEY_LENGTH} bytes, not {len(private_key)}")
    if len(value) > MAX_VALUE or not is_bencoded(value):
        raise LocalProtocolError(f"a value is bencoded, its keys sorted, in at most {MAX_VALUE} bytes")
    if len(salt) > MAX_SALT or not 0 <= seq <= MAX_SEQ:
        raise LocalProtocolError(f"a salt is at most {MAX_SALT} bytes, and seq from 0 to {MAX_SEQ}")
    key = Ed25519PrivateKey.from_private_bytes(private_key)
    return MutableItem(value, key.public_key().public_bytes_raw(), seq, key.sign(_signed(value, seq, salt)), salt)


def _signed(value: bytes, seq: int, salt: bytes) -> bytes:
    """The bytes a signature covers (BEP 44, Signature Verification). An empty salt is as none."""
    return (b"4:salt%d:%b" % (len(salt), salt) if salt else b"") + b"3:seqi%de1:v%b" % (seq, value)
