"""A virtual network under virtual time: the seam's other side, for tests and studies."""

from magnetite.simnet.clock import Stalled, VirtualClock
from magnetite.simnet.fabric import Fabric
from magnetite.simnet.host import Host
from magnetite.simnet.links import ADSL, CABLE, DATACENTRE, FIBRE, Link
from magnetite.simnet.nat import NatKind
from magnetite.simnet.run import run

__all__ = [
    "ADSL",
    "CABLE",
    "DATACENTRE",
    "FIBRE",
    "Fabric",
    "Host",
    "Link",
    "NatKind",
    "Stalled",
    "VirtualClock",
    "run",
]
