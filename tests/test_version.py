"""The version stands in three places; two tell it to peers."""

from importlib.metadata import version

from magnetite.swarm.introduction import CLIENT
from magnetite.version import VERSION
from magnetite.wire.handshake import PEER_ID_PREFIX


def test_what_we_tell_peers_is_the_version_of_the_package() -> None:
    assert version("magnetite") == VERSION
    assert f"magnetite {VERSION}" == CLIENT
    assert PEER_ID_PREFIX.decode() == f"-MG{VERSION.replace('.', '')}0-"
