"""A virtual network under virtual time: the seam's other side, for tests and studies."""

from magnetite.simnet.clock import Stalled, VirtualClock
from magnetite.simnet.fabric import Fabric
from magnetite.simnet.host import Host
from magnetite.simnet.links import Link
from magnetite.simnet.run import run

__all__ = ["Fabric", "Host", "Link", "Stalled", "VirtualClock", "run"]
