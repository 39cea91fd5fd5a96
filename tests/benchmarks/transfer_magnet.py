"""A magnet link against a small DHT on loopback: how long until the metadata is there, and until all is.

`python -m tests.benchmarks.transfer_magnet dht PAYLOAD.torrent FOLDER` runs the DHT, of libtorrent nodes, with a
libtorrent seed that has announced itself there when `ready` is printed. `... magnetite|libtorrent warm|cold INFO_HASH
FOLDER` opens a client, adds the magnet once its table is warm, or at once, and prints three times in seconds of the
monotonic clock: when it was added or, if it was added earlier, when the table became usable; metadata; done.
"""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from statistics import median
from typing import Final

import libtorrent as lt
import trio

from magnetite import open_client
from magnetite.events import BootstrapFinished, Event
from tests.benchmarks.figures import Figure
from tests.benchmarks.transfer_libtorrent import FAST, QUIET, torrent
from tests.benchmarks.transfer_payload import Payload, one_file, scratch
from tests.benchmarks.transfer_process import python, started

NODES: Final = 16
PORT: Final = 6981
ROUTER: Final = ("127.1.0.1", PORT)
SEED: Final = "127.90.0.1"
OURS, THEIRS = ("127.91.0.1", 6991), ("127.92.0.1", 6992)  # always: each run announces where the next one is, too
PATIENCE: Final = 90.0
WARM: Final = 6  # contacts
TURNS: Final = 3  # for each run of other rows; these are short, and differ more
ANNOUNCED: Final = 4  # nodes that know of the seed; it tells those of the 8 closest that it hears of

Times = tuple[float, float]  # seconds to metadata, to done


def figures(length: int, runs: int) -> list[Figure]:
    with scratch(2 * length) as folder:
        payload = one_file(folder, length, 64 << 10)
        with started(python("transfer_magnet", "dht", payload.torrent, payload.folder), folder / "dht.log") as dht:
            dht.hear("ready", PATIENCE)
            warm: dict[str, list[Times]] = {"magnetite": [], "libtorrent": []}
            for _ in range(TURNS * runs):
                for client, times in warm.items():
                    times.append(_open(client, "warm", payload, folder))
            cold = [_open("magnetite", "cold", payload, folder) for _ in range(runs)]
    ours, theirs = (tuple(median(each) for each in zip(*times, strict=True)) for times in warm.values())
    late = median(done for _, done in cold)
    return [
        _against("magnet, warm table, to metadata", ours[0], theirs[0]),
        _against("magnet, warm table, to done (16 MiB)", ours[1], theirs[1]),
        Figure("magnet added before the table is usable: from then to done", "<= 2 s", f"{late:.2f} s", late <= 2.0),
    ]


def _against(measure: str, ours: float, theirs: float) -> Figure:
    measured = f"{ours * 1e3:.0f} against {theirs * 1e3:.0f} ms: {ours / theirs:.2f} x"
    return Figure(f"{measure}, against libtorrent", "<= 1.0 x", measured, ours <= theirs)


def _open(client: str, when: str, payload: Payload, folder: Path) -> Times:
    place = folder / "run"
    place.mkdir()
    try:
        with started(
            python("transfer_magnet", client, when, payload.info_hash, place), folder / "client.log"
        ) as process:
            began, metadata, done = map(float, process.hear(".", PATIENCE).split())
    finally:
        shutil.rmtree(place)
    return metadata - began, done - began


# -- the DHT, and the clients ----------------------------------------------------------------------------------------


def lt_settings(address: str, port: int = 0) -> dict[str, object]:
    return {
        **FAST,
        **QUIET,
        "listen_interfaces": f"{address}:{port}",
        "enable_dht": True,
        "dht_bootstrap_nodes": "" if (address, port) == ROUTER else f"{ROUTER[0]}:{ROUTER[1]}",
        "dht_ignore_dark_internet": False,  # 127/8 is all there is here
        "dht_restrict_routing_ips": False,
        "dht_restrict_search_ips": False,
        "dht_prefer_verified_node_ids": False,
        "dht_enforce_node_id": False,
        "dht_block_ratelimit": 1000,
        "dht_upload_rate_limit": 1_000_000,
    }


def run_dht(torrent_path: str, folder: str) -> None:
    nodes = [lt.session(lt_settings(f"127.{number}.0.1", PORT)) for number in range(1, NODES + 1)]
    for session in nodes:
        for other in range(1, NODES + 1):  # by itself a node meets another every five seconds
            session.add_dht_node((f"127.{other}.0.1", PORT))
    _wait_for_contacts(nodes, NODES // 2)
    seeder = lt.session(
        {**lt_settings(SEED), "dht_announce_interval": 10, "alert_mask": lt.alert.category_t.dht_notification}
    )
    _wait_for_contacts([seeder], WARM)
    parameters = torrent(torrent_path, folder)
    parameters.flags |= lt.torrent_flags.seed_mode
    handle = seeder.add_torrent(parameters)
    handle.force_dht_announce()
    while not _has_announced(nodes):
        time.sleep(0.2)
    print("ready", flush=True)
    sys.stdin.readline()


def _has_announced(sessions: list[lt.session]) -> bool:
    return sum(_statistics(session)["dht.dht_peers"] for session in sessions) >= ANNOUNCED


def _wait_for_contacts(sessions: list[lt.session], least: int) -> None:
    while any(_statistics(session)["dht.dht_nodes"] < least for session in sessions):
        time.sleep(0.1)


def _statistics(session: lt.session) -> dict[str, int]:
    session.post_session_stats()
    while True:
        session.wait_for_alert(1000)
        for alert in session.pop_alerts():
            if isinstance(alert, lt.session_stats_alert):
                return dict(alert.values)


def run_libtorrent(is_warm: bool, info_hash: str, folder: str) -> None:
    session = lt.session(lt_settings(*THEIRS))
    if is_warm:
        _wait_for_contacts([session], WARM)
    parameters = lt.parse_magnet_uri(f"magnet:?xt=urn:btih:{info_hash}")
    parameters.save_path = folder
    parameters.flags &= ~(lt.torrent_flags.paused | lt.torrent_flags.auto_managed)
    began, metadata = time.monotonic(), 0.0
    handle = session.add_torrent(parameters)
    while True:
        session.wait_for_alert(1000)
        now = time.monotonic()
        for alert in session.pop_alerts():
            if isinstance(alert, lt.metadata_received_alert):
                metadata = now
            elif isinstance(alert, lt.torrent_finished_alert) and metadata and handle.status().is_seeding:
                print(began, metadata, now, flush=True)
                return


def run_magnetite(is_warm: bool, info_hash: str, folder: str) -> None:
    async def main() -> None:
        usable = trio.Event()
        usable_at = 0.0

        def observe(event: Event) -> None:
            nonlocal usable_at
            if isinstance(event, BootstrapFinished) and not usable.is_set():
                usable_at = time.monotonic()
                usable.set()

        async with open_client(port=OURS[1], bind=OURS[0], bootstrap=[ROUTER], observe=observe) as client:
            if is_warm:
                assert client.node is not None
                await usable.wait()
                while client.node.statistics().verified < WARM:  # noqa: ASYNC110  no event tells
                    await trio.sleep(0.1)
            began = time.monotonic()
            download = await client.add(f"magnet:?xt=urn:btih:{info_hash}", into=folder)
            await download.metadata()
            metadata = time.monotonic()
            await download.completed()
            done = time.monotonic()
        print(began if is_warm else max(began, usable_at), metadata, done, flush=True)

    trio.run(main)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["dht", torrent_path, folder]:
            run_dht(torrent_path, folder)
        case ["magnetite", when, info_hash, folder]:
            run_magnetite(when == "warm", info_hash, folder)
        case ["libtorrent", when, info_hash, folder]:
            run_libtorrent(when == "warm", info_hash, folder)
