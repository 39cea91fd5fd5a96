from __future__ import annotations

from ipaddress import ip_address
from random import Random

import numpy as np

from magnetite.dht.security import is_valid_id
from magnetite.study.bep42 import CHANCES, PREFIX, prefixes


def test_the_prefixes_are_those_of_production() -> None:
    rng = Random(1)
    ips = [
        f"{rng.randrange(11, 100)}.{rng.randrange(256)}.{rng.randrange(256)}.{rng.randrange(256)}" for _ in range(50)
    ]
    found = prefixes(np.array([int(ip_address(ip)) for ip in ips], dtype=np.uint32))
    for ip, row in zip(ips, found.tolist(), strict=True):
        assert all(is_valid_id(prefix << 160 - PREFIX | chance, ip) for chance, prefix in enumerate(row))
        assert len(row) == CHANCES


def test_every_prefix_belongs_to_as_many_addresses() -> None:
    ips = np.random.default_rng(1).integers(0, 1 << 32, 1 << 18, dtype=np.uint32)
    reached = len(np.unique(prefixes(ips))) / 2**PREFIX
    assert abs(reached - (1 - np.exp(-1))) < 0.005
