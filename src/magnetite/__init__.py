"""magnetite: a trackerless BitTorrent peer.

async with magnetite.open_client(port=6881) as client:
    download = await client.add("magnet:?xt=urn:btih:...", into="downloads")
    await download.completed()
"""

TYPE_CHECKING = False  # type checkers know it; while `typing` is imported Ctrl-C would show a traceback

if TYPE_CHECKING:
    from magnetite.client import Client
    from magnetite.download import Download, Progress
    from magnetite.errors import MagnetiteError, Reason
    from magnetite.ids import InfoHash, NodeId
    from magnetite.net.portmap.mapping import PortMapping
    from magnetite.opening import fetch_metadata, open_client, open_dht_node
    from magnetite.swarm.preference import Preference
    from magnetite.swarm.reader import Reader
    from magnetite.swarm.throttle import Limits
    from magnetite.torrent.magnet import MagnetLink, parse_magnet
    from magnetite.torrent.metainfo import Metainfo, decode_torrent, encode_torrent
    from magnetite.torrent.selection import FileSelection, parse_selection
    from magnetite.wire.mse.policy import Encryption
else:
    # Imported when they are asked for: the program's first lines must run before the rest is there (`magnetite.cli`).
    _HOMES = {
        "client": ("Client",),
        "download": ("Download", "Progress"),
        "errors": ("MagnetiteError", "Reason"),
        "ids": ("InfoHash", "NodeId"),
        "net.portmap.mapping": ("PortMapping",),
        "opening": ("fetch_metadata", "open_client", "open_dht_node"),
        "swarm.preference": ("Preference",),
        "swarm.reader": ("Reader",),
        "swarm.throttle": ("Limits",),
        "torrent.magnet": ("MagnetLink", "parse_magnet"),
        "torrent.metainfo": ("Metainfo", "decode_torrent", "encode_torrent"),
        "torrent.selection": ("FileSelection", "parse_selection"),
        "wire.mse.policy": ("Encryption",),
    }

    def __getattr__(name):
        from importlib import import_module

        home = next((module for module, names in _HOMES.items() if name in names), None)
        if home is None:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
        return value


__all__ = [
    "Client",
    "Download",
    "Encryption",
    "FileSelection",
    "InfoHash",
    "Limits",
    "MagnetLink",
    "MagnetiteError",
    "Metainfo",
    "NodeId",
    "PortMapping",
    "Preference",
    "Progress",
    "Reader",
    "Reason",
    "decode_torrent",
    "encode_torrent",
    "fetch_metadata",
    "open_client",
    "open_dht_node",
    "parse_magnet",
    "parse_selection",
]
