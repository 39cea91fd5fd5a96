"""magnetite: a trackerless BitTorrent peer.

async with magnetite.open_client(port=6881) as client:
    download = await client.add("magnet:?xt=urn:btih:...", into="downloads")
    await download.completed()
"""

from magnetite.client import Client, fetch_metadata, open_client, open_dht_node
from magnetite.download import Download, Progress
from magnetite.errors import MagnetiteError, Reason
from magnetite.ids import InfoHash, NodeId
from magnetite.swarm.throttle import Limits
from magnetite.torrent.magnet import MagnetLink, parse_magnet
from magnetite.torrent.metainfo import Metainfo, decode_torrent, encode_torrent
from magnetite.torrent.selection import FileSelection, parse_selection

__all__ = [
    "Client",
    "Download",
    "FileSelection",
    "InfoHash",
    "Limits",
    "MagnetLink",
    "MagnetiteError",
    "Metainfo",
    "NodeId",
    "Progress",
    "Reason",
    "decode_torrent",
    "encode_torrent",
    "fetch_metadata",
    "open_client",
    "open_dht_node",
    "parse_magnet",
    "parse_selection",
]
