"""The version stands in three places, two of them on the wire."""

from importlib.metadata import version

from magnetite.swarm.introduction import VERSION
from magnetite.wire.handshake import PEER_ID_PREFIX


def test_what_we_tell_peers_is_the_version_of_the_package() -> None:
    assert f"magnetite {version('magnetite')}" == VERSION
    assert PEER_ID_PREFIX.decode() == f"-MG{version('magnetite').replace('.', '')}0-"
