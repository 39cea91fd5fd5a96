"""Which piece to begin next: rarest first, and by chance at the very start (BEP 3). Pure."""

from __future__ import annotations

from random import Random

from magnetite.swarm.availability import Availability

RANDOM_FIRST = 4  # pieces begun by chance, so that a newcomer soon has something to trade


class PiecePicker:
    """The pieces nobody has begun yet. Invariant: a piece is open here, or begun, or verified, or not wanted."""

    def __init__(self, open_pieces: int, everything: int, rng: Random) -> None:
        self.availability = Availability(everything)
        self._open = open_pieces  # mask
        self._begun = 0
        self._rng = rng

    @property
    def open(self) -> int:
        """Mask of the wanted pieces that nobody has begun."""
        return self._open

    def begin(self, among: int) -> int | None:
        """The piece to begin, of those in the mask `among`; it is open no longer. None where there is none."""
        choice = self._choose(among & self._open)
        if choice is not None:
            self._open &= ~(1 << choice)
            self._begun += 1
        return choice

    def reopen(self, piece: int) -> None:
        """A begun piece was given up: its hash was wrong, or nobody is left to finish it."""
        self._open |= 1 << piece

    def _choose(self, among: int) -> int | None:
        if not among:
            return None
        if self._begun >= RANDOM_FIRST:
            for level in self.availability.rarest_first():
                if rarest := among & level:
                    return _any_bit(rarest, self._rng)
        return _any_bit(among, self._rng)


def _any_bit(mask: int, rng: Random) -> int:
    """A set bit at or above a random place. Not quite uniform (a bit after a gap is likelier), and needs one shift."""
    offset = rng.randrange(mask.bit_length())
    return offset + lowest_bit(mask >> offset)


def lowest_bit(mask: int) -> int:
    return (mask & -mask).bit_length() - 1
