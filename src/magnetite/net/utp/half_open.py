"""Callers that have not shown yet that they hear us: a few numbers each, for anybody can make them up. Pure."""

from __future__ import annotations

from random import Random
from typing import Final, NamedTuple, TypeAlias

from magnetite.endpoint import Endpoint
from magnetite.net.utp.packet import MODULUS, Packet, Type, encode

MOST: Final = 256  # callers; the oldest makes way, so a flood mostly forgets its own
PATIENCE: Final = 10.0  # seconds for the first packet behind a SYN

_Key: TypeAlias = "tuple[Endpoint, int]"


class Caller(NamedTuple):
    """`seq_nr` is ours, and random: who acks it has seen our answer, and so is where it says."""

    connection_id: int  # of its SYN
    syn_nr: int
    seq_nr: int
    at: float


class HalfOpen:
    """Invariant: at most MOST callers, the oldest first."""

    def __init__(self, rng: Random) -> None:
        self._rng = rng
        self._callers: dict[_Key, Caller] = {}  # by what their next packet will bear

    def __len__(self) -> int:
        return len(self._callers)

    def answer(self, syn: Packet, source: Endpoint, window: int, now: float) -> bytes:
        """What to say to a SYN: an ack as long as the call. One that is repeated is answered as before."""
        key = source, (syn.connection_id + 1) % MODULUS
        caller = self._callers.get(key)
        if caller is None or caller.syn_nr != syn.seq_nr:
            if len(self._callers) >= MOST:
                del self._callers[next(iter(self._callers))]
            seq_nr = self._rng.randrange(MODULUS)
            caller = self._callers[key] = Caller(syn.connection_id, syn.seq_nr, seq_nr, now)
        stamp = int(now * 1e6)
        difference = stamp - syn.timestamp
        return encode(Type.STATE, syn.connection_id, stamp, difference, window, caller.seq_nr, caller.syn_nr)

    def take(self, packet: Packet, source: Endpoint, now: float) -> Caller | None:
        """The caller whose first packet this is, and who is none any more."""
        key = source, packet.connection_id
        caller = self._callers.get(key)
        if caller is None or packet.ack_nr != (caller.seq_nr - 1) % MODULUS:
            return None
        del self._callers[key]
        return caller if now < caller.at + PATIENCE else None
