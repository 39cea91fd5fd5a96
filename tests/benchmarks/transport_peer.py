"""A peer that speaks uTP alone, on loopback, as a process: `CLIENT seed TORRENT FOLDER`, or with `leech ... HOST:PORT`.

CLIENT is magnetite or libtorrent. What is printed, and when, stands in `transfer_libtorrent`.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import trio

from magnetite.endpoint import Endpoint, split_host_port
from magnetite.errors import NetworkError, Reason
from magnetite.events import Event, PeerConnected
from magnetite.net.real import RealNetwork
from magnetite.net.tcp import TcpStream
from magnetite.opening import open_client
from magnetite.torrent.metainfo import Metainfo, decode_torrent
from tests.benchmarks import transfer_libtorrent

LOCAL = "127.0.0.1"
UTP_ALONE = {
    "enable_incoming_utp": True,
    "enable_outgoing_utp": True,
    "enable_incoming_tcp": False,
    "enable_outgoing_tcp": False,
    "recv_socket_buffer_size": 4 << 20,  # bytes, as ours; with its own choice it loses so much that it is five times
    "send_socket_buffer_size": 4 << 20,  # slower
}


class UdpAlone(RealNetwork):
    """A machine from which nothing is reached by TCP."""

    async def connect(self, remote: Endpoint, local_ip: str | None = None) -> TcpStream:
        raise NetworkError("no TCP here", Reason.REFUSED)


async def seed(torrent: Metainfo, folder: Path) -> None:
    async with open_client(port=0, bind=LOCAL, dht=False, network=UdpAlone()) as client:
        download = await client.add(torrent, into=folder)
        await download.completed()
        print(f"{LOCAL}:{client.port}", flush=True)
        await trio.to_thread.run_sync(sys.stdin.read, abandon_on_cancel=True)


async def leech(torrent: Metainfo, folder: Path, peer: str) -> None:
    connected: list[float] = []

    def observe(event: Event) -> None:
        if isinstance(event, PeerConnected):
            connected.append(time.monotonic())

    async with open_client(port=0, bind=LOCAL, dht=False, network=UdpAlone(), observe=observe) as client:
        print("ready", flush=True)
        sys.stdin.readline()
        began = time.monotonic()
        download = await client.add(torrent, into=folder, peers=[split_host_port(peer)])
        await download.completed()
        print(began, connected[0], time.monotonic(), flush=True)
        sys.stdin.readline()


def main(client: str, role: str, torrent: str, folder: str, *peers: str) -> None:
    if client == "libtorrent":
        transfer_libtorrent.FAST.update(UTP_ALONE)
        if role == "seed":
            transfer_libtorrent.run_seed(torrent, folder, 1, 1, encrypting=False)
        else:
            transfer_libtorrent.run_leech(torrent, folder, list(peers), encrypting=False)
        return
    metainfo = decode_torrent(Path(torrent).read_bytes())
    if role == "seed":
        trio.run(seed, metainfo, Path(folder))
    else:
        trio.run(leech, metainfo, Path(folder), *peers)


if __name__ == "__main__":
    main(*sys.argv[1:])
