"""RC4 as one direction of a connection uses it. Pure."""

from __future__ import annotations

from typing import TypeAlias

DROPPED = 1024  # first bytes of the keystream, in which RC4 tells too much of its key

Bytes: TypeAlias = bytes | bytearray | memoryview


class Rc4:
    """A keystream that goes on from call to call; to encrypt and to decrypt are the same."""

    def __init__(self, key: bytes) -> None:
        from cryptography.hazmat.decrepit.ciphers.algorithms import ARC4  # 10 ms, for whoever encrypts
        from cryptography.hazmat.primitives.ciphers import Cipher

        self._context = Cipher(ARC4(key), mode=None).encryptor()
        self._context.update(bytes(DROPPED))

    def apply(self, data: Bytes) -> bytes:
        return self._context.update(data)

    def apply_in_place(self, buffer: bytearray | memoryview) -> None:
        self._context.update_into(buffer, buffer)

    def apply_into(self, data: Bytes, buffer: memoryview) -> None:
        """Into a buffer that is at least as long."""
        self._context.update_into(data, buffer)
