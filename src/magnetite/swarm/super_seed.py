"""Super-seeding: a seed that shows each peer one piece at a time, so that it gives hardly any piece twice. Pure.

"Super-seed mode is *NOT* recommended for general use" (BEP 16): it is for the one seed of a new torrent.
"""

from __future__ import annotations

from collections.abc import Hashable
from random import Random
from typing import Final, Generic, TypeVar

from magnetite.swarm.availability import Availability
from magnetite.swarm.picker import any_bit

PATIENCE: Final = 60.0  # seconds until a peer that does not pass its piece on is shown another: it may reach nobody
LONE_PATIENCE: Final = 1.0  # seconds, where there is nobody to pass it on to

P = TypeVar("P", bound=Hashable)  # a peer, as an opaque key


class SuperSeed(Generic[P]):
    """Which piece each peer is shown: "a piece that was never sent, or if all pieces were already sent, is very rare".

    The next one follows when somebody else has this one, too. A peer has one current piece until it was shown all that
    it lacks, or is forgotten; it is shown none twice.
    """

    def __init__(self, everything: int, rng: Random) -> None:
        self._everything = everything
        self._unshown = everything  # mask of the pieces that nobody was shown
        self._shown: dict[P, int] = {}  # mask of what the peer was shown
        self._current: dict[P, int] = {}  # the last of it
        self._since: dict[P, float] = {}  # when we first looked whether the peer's current piece is overdue
        self._rng = rng

    def show(self, peer: P, has: int, availability: Availability) -> int | None:
        """The piece to show to `peer`, which has the pieces of the mask `has`; None where there is no other."""
        shown = self._shown.get(peer, 0)
        self._current.pop(peer, None)
        self._since.pop(peer, None)
        piece = self._choose(has | shown, availability)
        if piece is not None:
            self._unshown &= ~(1 << piece)
            self._shown[peer] = shown | 1 << piece
            self._current[peer] = piece
        return piece

    def _choose(self, has: int, availability: Availability) -> int | None:
        among = self._unshown & availability.absent & ~has or self._everything & ~has
        for level in (availability.absent, *availability.rarest_first()):
            if rarest := among & level:
                return any_bit(rarest, self._rng)
        return None

    def has_shown(self, peer: P, piece: int) -> bool:
        return bool(self._shown.get(peer, 0) >> piece & 1)

    def current(self, peer: P) -> int | None:
        return self._current.get(peer)

    def is_alone(self, peer: P) -> bool:
        """Whether it is the only one that waits for pieces: whatever it wants it can only have from us."""
        return self._current.keys() == {peer}

    def holders(self, new: int) -> list[P]:
        """The peers whose current piece is in the mask `new`, which some peer has just got."""
        return [peer for peer, piece in self._current.items() if new >> piece & 1]

    def is_passed_on(self, peer: P, has: int, availability: Availability) -> bool:
        """Whether somebody else has the current piece of `peer`, or it has it itself and there is nobody else.

        It need not have told that it has the piece: many do not tell those who have it themselves.
        """
        piece = self._current.get(peer)
        if piece is None:
            return False
        own = has >> piece & 1
        return availability.copies_of(piece) > own or (own == 1 and self.is_alone(peer))

    def overdue(self, now: float) -> list[P]:
        """The peers that have had one piece before them for long; to be asked every second."""
        patience = PATIENCE if len(self._current) > 1 else LONE_PATIENCE
        return [peer for peer in self._current if now - self._since.setdefault(peer, now) >= patience]

    def forget(self, peer: P) -> None:
        self._shown.pop(peer, None)
        self._current.pop(peer, None)
        self._since.pop(peer, None)
