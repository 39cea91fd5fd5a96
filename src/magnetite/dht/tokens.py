"""Write tokens: what a node must show to store something, so that nobody can announce another host. Pure."""

from __future__ import annotations

import random
from hashlib import blake2b
from hmac import compare_digest
from typing import Final

ROTATION: Final = 300.0  # seconds a secret is used; then it is accepted for as long again (BEP 5, Overview)
TOKEN_LENGTH: Final = 8  # bytes
_SECRET_LENGTH: Final = 16


class Tokens:
    """Issues and checks tokens bound to an address and a target. Holds two secrets, and nothing for each asker."""

    def __init__(self, rng: random.Random, now: float) -> None:
        self._rng = rng
        self._secret, self._previous = rng.randbytes(_SECRET_LENGTH), rng.randbytes(_SECRET_LENGTH)
        self._rotate_at = now + ROTATION

    def issue(self, ip: str, target: int, now: float) -> bytes:
        self._rotate(now)
        return _token(self._secret, ip, target)

    def is_valid(self, token: bytes, ip: str, target: int, now: float) -> bool:
        """Whether we issued `token` to `ip` for `target`, 5 to 10 minutes ago at most."""
        self._rotate(now)
        return any(compare_digest(token, _token(secret, ip, target)) for secret in (self._secret, self._previous))

    def _rotate(self, now: float) -> None:
        if now < self._rotate_at:
            return
        expired_both = now >= self._rotate_at + ROTATION
        self._previous = self._rng.randbytes(_SECRET_LENGTH) if expired_both else self._secret
        self._secret = self._rng.randbytes(_SECRET_LENGTH)
        self._rotate_at = now + ROTATION


def _token(secret: bytes, ip: str, target: int) -> bytes:
    # The secret in front is as good a key, since BLAKE2 cannot be extended, and takes two thirds of the time of `key`.
    return blake2b(secret + target.to_bytes(20, "big") + ip.encode(), digest_size=TOKEN_LENGTH).digest()
