"""How often two peers make each other act by hole punching. Pure."""

from __future__ import annotations

from typing import Final

from magnetite.pacer import Pacer

RATE: Final = 0.2  # messages/s; a meeting takes seconds, and a torrent has 50 peers
AT_ONCE: Final = 10


class Turns:
    """What one peer may still make us do, and what we may still make it do."""

    __slots__ = ("made_to", "makes_us")

    def __init__(self) -> None:
        self.makes_us = Pacer(RATE, AT_ONCE)
        self.made_to = Pacer(RATE, AT_ONCE)
