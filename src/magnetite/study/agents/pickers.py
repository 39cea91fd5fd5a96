"""Other answers to the question which piece to begin; each is a `make_picker` for `World.client`. Pure."""

from __future__ import annotations

from magnetite.swarm.picker import PiecePicker, any_bit, lowest_bit


class AtRandom(PiecePicker):
    """Any piece, each as likely as another, however many have it."""

    def _choose(self, among: int, suggested: int) -> int | None:
        return any_bit(among, self._rng) if among else None


class InOrder(PiecePicker):
    """From the first piece to the last, as who wants to watch while it comes would like it."""

    def _choose(self, among: int, suggested: int) -> int | None:
        return lowest_bit(among) if among else None
