"""A DHT node as a process of its own, whose processor time and memory can be read: ours, or libtorrent's.

`python -m tests.benchmarks.node_process magnetite|raised|libtorrent PORT ROUTER` runs one on 127.0.0.1 until its
standard input ends; `raised` is ours with the limits out of the way, as libtorrent's are. A line `find TARGET` makes it
look for a node id, in hexadecimal; a line `contacts` makes it print how many contacts it has, and `answered` how many
queries it has answered (ours alone).
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import AF_INET, SOCK_DGRAM, socket

ROOT = Path(__file__).parents[2]
ADDRESS = "127.0.0.1"
ROUTER = "127.64.0.1"
NO_LIMIT = 1_000_000_000


class NodeProcess:
    """A running node. Made by `running`."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        self.port = port
        self._process = process

    def cpu_seconds(self) -> float:
        """Processor time of all its threads so far, the kernel's share included."""
        tasks = Path(f"/proc/{self._process.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

    def resident_bytes(self) -> int:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) << 10

    def find(self, target: int) -> None:
        """Start a lookup."""
        self._say(f"find {target:040x}")

    def contacts(self) -> int:
        """In its routing table; verified ones, if it makes a difference."""
        self._say("contacts")
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def answered(self) -> int:
        """Queries it has answered so far; of ours alone."""
        self._say("answered")
        assert self._process.stdout is not None
        return int(self._process.stdout.readline())

    def _say(self, line: str) -> None:
        assert self._process.stdin is not None
        print(line, file=self._process.stdin, flush=True)


@contextmanager
def running(kind: str, router: int = 0) -> Iterator[NodeProcess]:
    """A node of `kind`, listening; it joins by the node at port `router` of 127.64.0.1, if given."""
    with socket(AF_INET, SOCK_DGRAM) as probe:
        probe.bind((ADDRESS, 0))
        port = int(probe.getsockname()[1])
    command = [sys.executable, "-m", "tests.benchmarks.node_process", kind, str(port), str(router)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=ROOT, text=True, stdin=pipe, stdout=pipe) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "ready\n", f"the {kind} node did not start"
            yield NodeProcess(process, port)
        finally:
            process.stdin.close()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def run_magnetite(port: int, router: int, is_raised: bool) -> None:
    import trio

    from magnetite import open_dht_node
    from magnetite.dht.limiter import AnswerLimits
    from magnetite.ids import NodeId

    limits = AnswerLimits(NO_LIMIT, NO_LIMIT, NO_LIMIT) if is_raised else AnswerLimits()

    async def main() -> None:
        bootstrap = [(ROUTER, router)] if router else []
        async with (
            open_dht_node(port=port, bind=ADDRESS, bootstrap=bootstrap, limits=limits) as node,
            trio.open_nursery() as nursery,
        ):
            print("ready", flush=True)
            while line := (await trio.to_thread.run_sync(sys.stdin.readline)).split():
                if line[0] == "find":
                    nursery.start_soon(node.find_node, NodeId(int(line[1], 16)))
                elif line[0] == "answered":
                    print(node.statistics().counters.answers_sent, flush=True)
                else:
                    print(node.statistics().verified, flush=True)
            nursery.cancel_scope.cancel()

    trio.run(main)


def run_libtorrent(port: int, router: int) -> None:
    import libtorrent

    session = libtorrent.session(
        {
            "listen_interfaces": f"{ADDRESS}:{port}",
            "dht_bootstrap_nodes": f"{ROUTER}:{router}" if router else "",
            "enable_dht": True,
            "enable_lsd": False,
            "enable_upnp": False,
            "enable_natpmp": False,
            "alert_mask": 0,
            "dht_upload_rate_limit": NO_LIMIT,
            "dht_block_ratelimit": NO_LIMIT,
            "dht_ignore_dark_internet": False,  # 127/8 is all there is here
            "dht_restrict_routing_ips": False,
            "dht_restrict_search_ips": False,
            "dht_prefer_verified_node_ids": False,
            "dht_enforce_node_id": False,
        }
    )
    time.sleep(1)
    print("ready", flush=True)
    for line in sys.stdin:
        word, *arguments = line.split()
        if word == "find":
            session.dht_get_peers(libtorrent.sha1_hash(bytes.fromhex(arguments[0])))
        else:
            session.post_session_stats()
            told: dict[str, int] = {}
            while not told:
                session.wait_for_alert(1000)
                for alert in session.pop_alerts():
                    if isinstance(alert, libtorrent.session_stats_alert):
                        told = alert.values
            print(told["dht.dht_nodes"], flush=True)


if __name__ == "__main__":
    kind, port, router = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    if kind == "libtorrent":
        run_libtorrent(port, router)
    else:
        run_magnetite(port, router, kind == "raised")
