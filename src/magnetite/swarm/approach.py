"""Which ways lead to an address, in which order they are tried, and when it is the next one's turn. Pure."""

from __future__ import annotations

from typing import Final, TypeVar

from magnetite.errors import Reason
from magnetite.ways import Carrier, Way
from magnetite.wire.mse.policy import Encryption

T = TypeVar("T")

STAGGER: Final = 0.25  # seconds one carrier has before the next is tried beside it (RFC 8305, Connection Attempt Delay)
TRUST: Final = 1.0  # seconds, where the first one has led there before

# A peer that will have nothing to do with the kind of handshake it is shown, or with a carrier, hangs up, or answers
# what we cannot read: libtorrent without TCP accepts TCP nevertheless, and hangs up.
_PERHAPS_THE_WAY: Final = (
    Reason.CLOSED_BY_PEER,
    Reason.CONNECTION_LOST,
    Reason.PROTOCOL_ERROR,
)


class Approach:
    """The ways to one address, for one dial: first the way that led there before, if any did.

    Invariant: `carriers` are those that may still lead there, the next one first; none that was ruled out comes back.
    """

    def __init__(self, policy: Encryption, carriers: tuple[Carrier, ...], known: Way | None) -> None:
        self.forms = policy.forms  # whether the handshake is encrypted; each is tried with a carrier that arrived
        self.carriers = carriers
        self.stagger = STAGGER
        if known is not None and known.carrier in carriers and known.encrypted in self.forms:
            self.forms = _led_by(known.encrypted, self.forms)
            self.carriers = _led_by(known.carrier, carriers)
            self.stagger = TRUST
        self.has_choice = len(self.forms) * len(carriers) > 1

    def rule_out(self, carrier: Carrier) -> None:
        """It does not reach the address, or the peer hangs up on it whatever the handshake."""
        self.carriers = tuple(each for each in self.carriers if each is not carrier)


def may_be_the_way(reason: Reason) -> bool:
    """Whether a handshake that failed so may succeed by another way."""
    return reason in _PERHAPS_THE_WAY


def _led_by(first: T, ways: tuple[T, ...]) -> tuple[T, ...]:
    return first, *(way for way in ways if way != first)
