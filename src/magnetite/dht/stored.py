"""What became of something that was to be stored at several nodes. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from magnetite.dht.messages import ErrorCode


@dataclass(frozen=True, slots=True)
class Stored:
    """How many nodes took it, and how many refused it with which KRPC error (BEP 5, BEP 44, Errors)."""

    accepted: int
    refusals: Counter[int]
    silent: int = 0  # nodes that did not answer

    def __add__(self, other: Stored) -> Stored:
        return Stored(self.accepted + other.accepted, self.refusals + other.refusals, self.silent + other.silent)

    @property
    def is_conflict(self) -> bool:
        """Whether somebody else has written meanwhile, as most of the nodes that answered see it.

        A few may accept all the same: those that had no item yet.
        """
        conflicts = self.refusals[ErrorCode.CAS_MISMATCH] + self.refusals[ErrorCode.SEQ_TOO_LOW]
        return conflicts > 0 and conflicts >= self.accepted
