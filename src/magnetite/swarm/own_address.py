"""Our own addresses, as the peers of a torrent see them (BEP 10, yourip). Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

from magnetite.endpoint import Scope, scope_of

QUORUM: Final = 2  # addresses that must agree: one peer is a hint and no more (BEP 40)


def own_addresses(votes: Iterable[tuple[str, str]]) -> list[str]:
    """Of pairs of a peer's address and ours as it sees it: what most agree on, of IPv4 and of IPv6.

    An address has one vote a family, however many peers are behind it.
    """
    tally = Counter(seen for _, seen in dict.fromkeys(votes) if scope_of(seen) is not Scope.NOWHERE)
    found = []
    for is_ipv6 in (False, True):
        family = [(seen, count) for seen, count in tally.most_common() if (":" in seen) is is_ipv6]
        if family and family[0][1] >= QUORUM:
            found.append(family[0][0])
    return found
