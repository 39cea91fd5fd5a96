"""libtorrent on loopback, as a process: `seed TORRENT FOLDER SESSIONS FIRST [encrypting]`, or `leech TORRENT FOLDER
HOST:PORT... [encrypting]`.

A seed prints the endpoints it listens on, one session an address; for each line it is sent it prints when it was first
connected to since the last such line. A leech prints `ready`, begins at a line, and prints when it added the torrent,
was connected last, and had everything. Times are seconds of the monotonic clock, which all processes share. Both end
with their standard input.

The settings are those that make libtorrent fastest here: its own preset for fast seeds, without what that does to
writing (a queue of 7 MiB to the disk instead of 100), plain TCP, no limit of any kind. It does not encrypt, but an
`encrypting` seed does where it is asked to, and an `encrypting` leech asks for it.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from threading import Thread

import libtorrent as lt

QUIET = {
    "enable_dht": False,
    "enable_lsd": False,
    "enable_upnp": False,
    "enable_natpmp": False,
}
FAST = {
    **lt.high_performance_seed(),
    "max_queued_disk_bytes": lt.default_settings()["max_queued_disk_bytes"],
    "enable_incoming_utp": False,
    "enable_outgoing_utp": False,
    "out_enc_policy": lt.enc_policy.pe_disabled,
    "in_enc_policy": lt.enc_policy.pe_disabled,
    "allow_multiple_connections_per_ip": True,
    "torrent_connect_boost": 255,
    "max_failcount": 100,  # that preset gives a peer up after one failure
    "min_reconnect_time": 1,
    "max_out_request_queue": 1500,
    "max_allowed_in_request_queue": 4000,
    "alert_mask": lt.alert.category_t.status_notification
    | lt.alert.category_t.connect_notification
    | lt.alert.category_t.peer_notification,
}
RC4_ALONE = {"out_enc_policy": lt.enc_policy.pe_forced, "allowed_enc_level": lt.enc_level.pe_rc4}


def open_session(address: str, more: Mapping[str, object] = {}) -> lt.session:
    return lt.session({**FAST, **QUIET, "listen_interfaces": f"{address}:0", **more})


def torrent(path: str, folder: str) -> lt.add_torrent_params:
    parameters = lt.add_torrent_params()
    parameters.ti = lt.torrent_info(path, {"max_pieces": 1 << 21, "max_buffer_size": 1 << 28})
    parameters.save_path = folder
    parameters.flags &= ~(lt.torrent_flags.paused | lt.torrent_flags.auto_managed)
    parameters.flags |= lt.torrent_flags.disable_pex  # or seeds hear of seeds, and connect to them
    return parameters


class Seed:
    """Sessions that have everything, and when the first of them was connected to."""

    def __init__(self, path: str, folder: str, sessions: int, first_address: int, *, encrypting: bool) -> None:
        more: dict[str, object] = {"seeding_outgoing_connections": False}
        if encrypting:
            more["in_enc_policy"] = lt.enc_policy.pe_enabled
        if sessions > 1:
            more["aio_threads"] = 2  # each
        self._sessions = []
        self.connected = 0.0  # 0 for not yet
        for number in range(sessions):
            session = open_session(f"127.0.0.{first_address + number}", more)
            parameters = torrent(path, folder)
            parameters.flags |= lt.torrent_flags.seed_mode
            session.add_torrent(parameters)
            self._sessions.append(session)

    def watch(self) -> None:
        for session in self._sessions:
            Thread(target=self._watch, args=(session,), daemon=True).start()

    def endpoints(self, first_address: int) -> list[str]:
        return [
            f"127.0.0.{first_address + number}:{session.listen_port()}" for number, session in enumerate(self._sessions)
        ]

    def _watch(self, session: lt.session) -> None:
        while True:
            session.wait_for_alert(1000)
            now = time.monotonic()
            for alert in session.pop_alerts():
                if isinstance(alert, lt.incoming_connection_alert) and not self.connected:
                    self.connected = now


def run_seed(path: str, folder: str, sessions: int, first_address: int, *, encrypting: bool) -> None:
    seed = Seed(path, folder, sessions, first_address, encrypting=encrypting)
    time.sleep(0.5)  # until they listen
    seed.watch()
    print(*seed.endpoints(first_address), flush=True)
    for _ in sys.stdin:
        print(seed.connected, flush=True)
        seed.connected = 0.0


def run_leech(path: str, folder: str, peers: list[str], *, encrypting: bool) -> None:
    session = open_session("127.0.0.1", RC4_ALONE if encrypting else {})
    print("ready", flush=True)
    sys.stdin.readline()
    began, connected = time.monotonic(), 0.0
    parameters = torrent(path, folder)
    handle = session.add_torrent(parameters)
    for peer in peers:
        host, _, port = peer.rpartition(":")
        handle.connect_peer((host, int(port)))
    while True:
        if session.wait_for_alert(1000) is None:  # nothing has happened for a second: a reader may wonder why
            status = handle.status()
            print(f"{status.progress:.4f} of it, {status.num_peers} peers;", file=sys.stderr, flush=True)
        now = time.monotonic()
        for alert in session.pop_alerts():
            if isinstance(alert, lt.peer_connect_alert):
                connected = now
            elif isinstance(alert, lt.peer_disconnected_alert):
                print(alert.message(), end="; ", file=sys.stderr, flush=True)
            elif isinstance(alert, lt.torrent_finished_alert) and handle.status().is_seeding:
                print(began, connected, now, flush=True)
                sys.stdin.readline()
                return


if __name__ == "__main__":
    role, path, folder, *rest = sys.argv[1:]
    if role == "seed":
        run_seed(path, folder, int(rest[0]), int(rest[1]), encrypting="encrypting" in rest)
    else:
        run_leech(path, folder, [peer for peer in rest if ":" in peer], encrypting="encrypting" in rest)
