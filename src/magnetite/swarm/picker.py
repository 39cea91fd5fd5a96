"""Which piece to begin next: rarest first, and by chance at the very start (BEP 3). Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Final, Protocol, TypeAlias

from magnetite.swarm.availability import Availability

TRIES: Final = 4  # places looked at by chance before the bits of a set are counted
RANDOM_FIRST: Final = 4  # pieces begun by chance, so that a newcomer soon has something to trade


@dataclass(frozen=True, slots=True)
class PickingOrder:
    """What the user wants early or late: `high` and `low` are masks of pieces, all others are normal."""

    high: int = field(default=0, repr=False)  # Python refuses to print so large a number
    low: int = field(default=0, repr=False)
    is_sequential: bool = False  # within a rank from the first piece to the last, not the rarest first


class Picker(Protocol):
    """The pieces nobody has begun yet, and the choice among them; a study may put its own in PiecePicker's place."""

    availability: Availability
    order: PickingOrder

    @property
    def open(self) -> int:
        """Mask of the wanted pieces that nobody has begun."""
        ...

    def begin(self, among: int, suggested: int = 0) -> int | None:
        """The piece to begin, of those in the mask `among`; it is open no longer. None where there is none.

        Among equals one of the mask `suggested` is taken (BEP 6, Suggest Piece).
        """
        ...

    def take(self, pieces: int) -> None:
        """These open pieces, which lie behind one just begun, are begun as well."""
        ...

    def reopen(self, piece: int) -> None:
        """A begun piece was given up: its hash was wrong, or nobody is left to finish it."""
        ...

    def offer(self, open_pieces: int) -> None:
        """The user wants other pieces now: these are open, and no others."""
        ...


MakePicker: TypeAlias = Callable[[int, int, Random], Picker]
"""Called with the mask of the open pieces, that of all pieces, and a source of chance."""


class PiecePicker:
    """See `Picker`. Invariant: a piece is open here, or begun, or verified, or not wanted."""

    def __init__(self, open_pieces: int, everything: int, rng: Random) -> None:
        self.availability = Availability(everything)
        self.order = PickingOrder()
        self._open = open_pieces  # mask
        self._begun = 0
        self._rng = rng

    @property
    def open(self) -> int:
        return self._open

    def begin(self, among: int, suggested: int = 0) -> int | None:
        choice = self._choose(among & self._open, suggested)
        if choice is not None:
            self._open ^= 1 << choice
            self._begun += 1
        return choice

    def take(self, pieces: int) -> None:
        self._open ^= pieces
        self._begun += pieces.bit_count()

    def reopen(self, piece: int) -> None:
        self._open |= 1 << piece

    def offer(self, open_pieces: int) -> None:
        self._open = open_pieces

    def _choose(self, among: int, suggested: int) -> int | None:
        if not among:
            return None
        order = self.order
        if order.high or order.low:  # seldom: masks of 100,000 pieces are not copied for nothing
            among = among & order.high or among & ~order.low or among
        if order.is_sequential:
            return lowest_bit(among)
        if self._begun >= RANDOM_FIRST:
            for level in self.availability.rarest_first():
                if rarest := among & level:
                    return any_bit(rarest & suggested or rarest, self._rng)
        return any_bit(among & suggested or among, self._rng)


def any_bit(mask: int, rng: Random) -> int:
    """A set bit, each as likely as another: where one is likelier, peers who see the same mask fetch the same piece of
    their one seed, which took a fifth more time in a crowd of eight."""
    length = mask.bit_length()
    if mask == 1 << length - 1:
        return length - 1
    for _ in range(TRIES):  # a try takes a tenth of the time that counting does
        place = rng.randrange(length)
        if mask >> place & 1:
            return place
    return nth_bit(mask, rng.randrange(mask.bit_count()))


def nth_bit(mask: int, number: int) -> int:
    """The set bit that has `number` set ones below it: half of the mask at a time, so some two passes over it."""
    offset = 0
    while (half := mask.bit_length() >> 1) > 0:
        below = mask & ((1 << half) - 1)
        count = below.bit_count()
        if number < count:
            mask = below
        else:
            number -= count
            mask >>= half
            offset += half
    return offset


def lowest_bit(mask: int) -> int:
    return (mask & -mask).bit_length() - 1
