from __future__ import annotations

import pytest

from magnetite.errors import LocalProtocolError
from magnetite.net.portmap.mapping import (
    LONGEST,
    RENEW_AT_LEAST,
    IpProtocol,
    Lease,
    PortMapping,
    methods_of,
)


def test_what_the_user_chooses_is_what_is_tried() -> None:
    assert methods_of(PortMapping.OFF, is_tied=False) == ()
    assert methods_of(PortMapping.NATPMP, is_tied=True) == (PortMapping.NATPMP,)
    assert methods_of(PortMapping.AUTO, is_tied=False) == (PortMapping.PCP, PortMapping.NATPMP, PortMapping.UPNP)


def test_upnp_which_cannot_be_kept_to_an_interface_is_not_tried_where_that_matters() -> None:
    assert PortMapping.UPNP not in methods_of(PortMapping.AUTO, is_tied=True)
    with pytest.raises(LocalProtocolError, match="pcp or natpmp"):
        methods_of(PortMapping.UPNP, is_tied=True)


@pytest.mark.parametrize(
    ("lifetime", "after"), [(3600, 1800), (1, RENEW_AT_LEAST), (0, RENEW_AT_LEAST), (1 << 32, LONGEST / 2)]
)
def test_renewal_is_at_half_the_lifetime_within_bounds(lifetime: float, after: float) -> None:
    assert Lease(IpProtocol.TCP, 1, 1, None, lifetime).renew_after == after
