"""Which addresses are likely one party's: those of one /24, or of one /64 for IPv6. Pure."""

from __future__ import annotations

from functools import lru_cache
from socket import AF_INET6, inet_pton  # a conversion only: no socket is opened here
from typing import Final, TypeAlias

from magnetite.endpoint import Scope, scope_of

PER_SUBNET: Final = 2  # contacts of one subnet that a bucket keeps, and that count as the closest of a lookup
_NETWORK6: Final = 8  # bytes: whoever has an IPv6 address has at least a /64 of them

Subnet: TypeAlias = str | bytes


@lru_cache(maxsize=16_384)
def subnet_of(ip: str) -> Subnet | None:
    """The subnet a limit counts; None for addresses that are not public, where hosts of one owner are the rule."""
    if scope_of(ip) is not Scope.GLOBAL:
        return None
    return inet_pton(AF_INET6, ip)[:_NETWORK6] if ":" in ip else ip.rpartition(".")[0]
