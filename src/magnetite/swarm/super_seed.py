"""Which piece a super-seed shows to whom, so that it sends little more than one copy (BEP 16). Pure."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from random import Random
from typing import Final, Generic, TypeVar

from magnetite.swarm.availability import Availability
from magnetite.swarm.picker import any_bit

PATIENCE: Final = 60.0  # seconds until a peer that does not pass its piece on is shown another: it may reach nobody
LONE_PATIENCE: Final = 1.0  # seconds, where there is nobody to pass it on to

P = TypeVar("P", bound=Hashable)  # a peer, as an opaque key


@dataclass(slots=True)
class _Guest:
    """What one peer was shown.

    `shown` is a mask, and `current` the last of it, None where it is to wait for others to pass theirs on. It is `open`
    until it was shown all that it lacks. `since` is when we first looked how long this has lasted, and it `is_helped`
    if others give it what it lacks.
    """

    shown: int = 0
    current: int | None = None
    is_open: bool = True
    since: float | None = None
    is_overdue: bool = False
    is_helped: bool = False


class SuperSeed(Generic[P]):
    """Which piece each peer is shown: "a piece that was never sent, or if all pieces were already sent, is very rare".

    The next one follows when somebody else has this one, too. When all were sent, nobody is shown what somebody else is
    about to pass on, nor what several have, unless nobody gives it to this one: at the end of a small torrent the
    others would else fetch from us what they are going to have from each other, a quarter of it all.

    A peer has one current piece, or waits for one, until it was shown all that it lacks, or is forgotten; it is shown
    none twice. `may_fetch` tells whether a peer is served, and so can fetch what it is shown.
    """

    def __init__(self, everything: int, rng: Random, may_fetch: Callable[[P], bool]) -> None:
        self._everything = everything
        self._unshown = everything  # mask of the pieces that nobody was shown
        self._guests: dict[P, _Guest] = {}
        self._may_fetch = may_fetch
        self._rng = rng

    def show(self, peer: P, has: int, availability: Availability) -> int | None:
        """The piece to show to `peer`, which has the pieces of the mask `has`; None where there is none, for now."""
        guest = self._guests.setdefault(peer, _Guest())
        lacks = self._everything & ~(has | guest.shown)
        piece = self._choose(lacks, availability, guest.is_helped) if lacks else None
        if piece is not None or guest.current is not None:
            guest.since, guest.is_overdue = None, False
        guest.current, guest.is_open = piece, lacks != 0
        if piece is not None:
            self._unshown &= ~(1 << piece)
            guest.shown |= 1 << piece
        return piece

    def _choose(self, lacks: int, availability: Availability, is_helped: bool) -> int | None:
        if among := self._unshown & availability.absent & lacks:
            return any_bit(among, self._rng)
        among = lacks & availability.rare if is_helped else lacks
        if among := among and among & ~self._on_their_way():
            for level in (availability.absent, *availability.rarest_first()):
                if rarest := among & level:
                    return any_bit(rarest, self._rng)
        return None

    def _on_their_way(self) -> int:
        """Mask of the pieces that somebody fetches, or is to pass on."""
        mask = 0
        for peer, guest in self._guests.items():
            if guest.current is not None and not guest.is_overdue and self._may_fetch(peer):
                mask |= 1 << guest.current
        return mask

    def has_shown(self, peer: P, piece: int) -> bool:
        guest = self._guests.get(peer)
        return guest is not None and bool(guest.shown >> piece & 1)

    def current(self, peer: P) -> int | None:
        guest = self._guests.get(peer)
        return guest.current if guest is not None else None

    def is_alone(self, peer: P) -> bool:
        """Whether it is the only one that waits for pieces: whatever it wants it can only have from us."""
        return [other for other, guest in self._guests.items() if guest.is_open] == [peer]

    def on_pieces(self, peer: P, new: int) -> list[P]:
        """The peer has got the pieces of the mask `new`. Those to whom one of them was shown last."""
        guest = self._guests.get(peer)
        if guest is not None and new & ~guest.shown:
            guest.is_helped = True
            if guest.current is None:
                guest.since = None
        return [
            other for other, guest in self._guests.items() if guest.current is not None and new >> guest.current & 1
        ]

    def is_passed_on(self, peer: P, has: int, availability: Availability) -> bool:
        """Whether somebody else has the current piece of `peer`, or it has it itself and there is nobody else.

        It need not have told that it has the piece: many do not tell those who have it themselves.
        """
        piece = self.current(peer)
        if piece is None:
            return False
        own = has >> piece & 1
        return availability.copies_of(piece) > own or (own == 1 and self.is_alone(peer))

    def due(self, now: float) -> list[P]:
        """Those who may be shown another piece: they wait, or have had one before them for long. To be asked every
        second.
        """
        guests = {peer: guest for peer, guest in self._guests.items() if guest.is_open}
        patience = PATIENCE if len(guests) > 1 else LONE_PATIENCE
        for guest in guests.values():
            if guest.since is None:
                guest.since = now
            guest.is_overdue = now - guest.since >= patience
            if guest.is_overdue and guest.current is None:
                guest.is_helped = False
        return [peer for peer, guest in guests.items() if guest.is_overdue or guest.current is None]

    def forget(self, peer: P) -> None:
        self._guests.pop(peer, None)
