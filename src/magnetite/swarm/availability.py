"""How many peers have each piece, kept so that the rarest are found without looking at every piece. Pure.

Pieces are bits of whole-torrent integers: with 100,000 pieces an operation on such a mask takes about a microsecond, so
a peer's whole bitfield is added in one step a level, and "the rarest pieces this peer has" is one `&` a level.
"""

from __future__ import annotations

from collections.abc import Iterator


class Availability:
    """Level n holds the pieces that exactly n connected peers have. Invariant: each piece is in exactly one level."""

    def __init__(self, everything: int) -> None:
        self._levels = [everything]

    def add(self, mask: int) -> None:
        """A peer has the pieces of `mask`, which it had not before."""
        carried = 0  # what moves up from the level below
        for level, here in enumerate(self._levels):
            moving = here & mask
            if moving or carried:  # for the one piece of a Have, on two levels of many
                self._levels[level] = (here ^ moving) | carried
                carried = moving
                mask ^= moving
            if not mask and not carried:
                return
        if carried:
            self._levels.append(carried)

    def remove(self, mask: int) -> None:
        """A peer that had the pieces of `mask` is gone."""
        for level in range(1, len(self._levels)):
            moving = self._levels[level] & mask
            self._levels[level] ^= moving
            self._levels[level - 1] |= moving
        while len(self._levels) > 1 and not self._levels[-1]:
            self._levels.pop()

    def rarest_first(self) -> Iterator[int]:
        """Masks of the pieces that 1, 2, 3, ... peers have; empty ones left out."""
        return (level for level in self._levels[1:] if level)

    @property
    def absent(self) -> int:
        """Mask of the pieces that nobody has."""
        return self._levels[0]

    @property
    def rare(self) -> int:
        """Mask of the pieces that one peer has, or nobody."""
        return self._levels[0] | self._levels[1] if len(self._levels) > 1 else self._levels[0]

    def copies_of(self, piece: int) -> int:
        """How many connected peers have the piece."""
        return next(level for level, mask in enumerate(self._levels) if mask >> piece & 1)

    def as_rare_as(self, piece: int) -> int:
        """Mask of the pieces that as many connected peers have as this one."""
        return next(mask for mask in self._levels if mask >> piece & 1)

    def copies(self) -> int:
        """How many whole copies the connected peers hold between them."""
        return next((level for level, mask in enumerate(self._levels) if mask), 0)
