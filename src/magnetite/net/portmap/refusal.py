"""A router's no, in NAT-PMP and in PCP alike. Pure."""

from __future__ import annotations

from msgspec import Struct


class Refusal(Struct, frozen=True):
    """`opcode` is that of the request, `text` what `result` means (RFC 6886, 3.5; RFC 6887, 7.4)."""

    epoch: int  # seconds
    opcode: int
    result: int
    text: str
