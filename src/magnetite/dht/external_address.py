"""What our own address is, by the votes of those who see it from outside (BEP 42, Bootstrapping). Pure."""

from __future__ import annotations

from collections import Counter
from typing import Final

from magnetite.dht.subnets import Subnet, subnet_of
from magnetite.endpoint import Endpoint

VOTERS: Final = 24  # subnets whose latest word counts; few, so that a new address is believed within seconds
QUORUM: Final = 6  # subnets that must have said something
MAJORITY: Final = 2 / 3  # of them must agree: "a single node can not be trusted"


class ExternalAddress:
    """The endpoint most of the last 24 subnets see us at. One subnet has one vote, however many hosts it has.

    Only answers to our own queries are counted, so nobody votes whom we did not choose to ask.
    """

    def __init__(self) -> None:
        self._votes: dict[Subnet | Endpoint, Endpoint] = {}  # the latest last
        self._agreed: Endpoint | None = None
        self._is_counted = True

    @property
    def agreed(self) -> Endpoint | None:
        """The address, and the port that most name with it; None before enough have spoken, or while they disagree."""
        if not self._is_counted:
            self._agreed, self._is_counted = self._count(), True
        return self._agreed

    @property
    def is_disputed(self) -> bool:
        """Whether voters disagree, or the last spoke against the others: a liar, or the first to see a new address."""
        if len(self._votes) < QUORUM:
            return False
        agreed = self.agreed
        return agreed is None or next(reversed(self._votes.values())).ip != agreed.ip

    def vote(self, source: Endpoint, told: Endpoint) -> None:
        """The node at `source` says that it sees us at `told`."""
        voter = subnet_of(source.ip) or source
        self._votes.pop(voter, None)
        agreed = self._agreed
        if told == agreed:  # one more for whom most are for changes nothing
            self._votes[voter] = agreed
        else:
            self._votes[voter] = told
            self._is_counted = False
        if len(self._votes) > VOTERS:
            del self._votes[next(iter(self._votes))]

    def forget(self) -> None:
        """The network was gone and is back: it may well be another."""
        self._votes.clear()
        self._agreed, self._is_counted = None, True

    def _count(self) -> Endpoint | None:
        if len(self._votes) < QUORUM:
            return None
        (ip, votes), *_ = Counter(told.ip for told in self._votes.values()).most_common(1)
        if votes < MAJORITY * len(self._votes):
            return None
        return Counter(told for told in self._votes.values() if told.ip == ip).most_common(1)[0][0]
