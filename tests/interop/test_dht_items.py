"""Items, scrapes and samples between magnetite and libtorrent's nodes, both ways (BEP 33, 44, 51)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from magnetite.dht.items import ImmutableItem, sign
from tests.interop.lab import HERE, ROUTER, Lab, address_of, kill, wait_for, wait_until

pytestmark = pytest.mark.interop

THEIRS, OURS, THIRD, FOURTH = 1, 2, 3, 4  # the clients' numbers in the lab
OUR_ROUTER = "10.1.0.1:7881"
SEED = bytes(range(32))
KEY = sign(SEED, b"le", 0).key.hex()
PEM = """\
-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f
-----END PRIVATE KEY-----
"""

Run: TypeAlias = Callable[..., Any]


@pytest.fixture
def run(lab: Lab, tmp_path: Path) -> Run:
    """Run one of the two programs as a client in the lab; gives the records it prints."""
    runs = 0

    def call(*command: str | Path, client: int) -> list[dict[str, Any]]:
        nonlocal runs
        runs += 1
        log = tmp_path / f"log{runs}"
        wait_for(lab.spawn(*command, client=client, log=log), 40, log)
        return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]

    return call


@pytest.fixture
def ours(run: Run, tmp_path: Path) -> Run:
    """Run a verb of ours; gives its result."""

    def call(event: str, *arguments: str, router: str = ROUTER) -> dict[str, Any]:
        network = ("--bind", address_of(OURS), "--bootstrap", router, "--state", str(tmp_path / "state"), "--json")
        records = run(sys.executable, "-m", "magnetite", *arguments, *network, client=OURS)
        return next(record for record in records if record["event"] == event)

    return call


@pytest.fixture(scope="module")
def theirs(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """Let a new libtorrent node do one thing after the other; gives the result of each.

    All go on being nodes until the last test ends: libtorrent's lookups wait 15 s for each node that has left.
    """
    folder = tmp_path_factory.mktemp("theirs")
    running: list[subprocess.Popen[bytes]] = []

    def call(*actions: tuple[str, ...], router: str = ROUTER, client: int = THEIRS) -> list[dict[str, Any]]:
        log = folder / str(len(running))
        listen = f"{address_of(client)}:{7001 + len(running)}"
        network = ("--listen", listen, "--router", router, "--enough", "4" if router == OUR_ROUTER else "8")
        command = (sys.executable, HERE / "libtorrent_items.py", *network, *map(json.dumps, actions))
        process = lab.spawn(*command, client=client, log=log)
        running.append(process)

        def results() -> list[dict[str, Any]]:
            assert process.poll() is None, log.read_text()
            return [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]

        wait_until(lambda: len(results()) == len(actions), 120, f"client {client}")
        return results()

    yield call
    for process in running:
        kill(process)


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    path = tmp_path / "key.pem"
    path.write_text(PEM)
    return str(path)


@pytest.fixture(scope="module")
def our_dht(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Four nodes of ours that know of each other; the first is the router."""
    folder = tmp_path_factory.mktemp("ours")
    running = []
    for number in range(1, 5):
        options = ("--bind", f"10.{number}.0.1", "--port", "7881", "--state", str(folder / f"state{number}"), "--json")
        bootstrap = ("--bootstrap", OUR_ROUTER if number > 1 else "none")
        log = folder / f"node{number}"
        running.append(lab.spawn(sys.executable, "-m", "magnetite", "node", *options, *bootstrap, client=None, log=log))
        said = "bootstrap_finished" if number > 1 else "node_started"
        wait_until(lambda log=log, said=said: said in log.read_text(), 30, f"node {number}")
    yield OUR_ROUTER
    for process in running:
        kill(process)


def test_libtorrent_answers_our_scrapes_and_samples(dht: Path, ours: Run, theirs: Run) -> None:
    info_hash = "ab" * 20
    for client, is_seed in ((THEIRS, "1"), (THIRD, "0"), (FOURTH, "0")):
        theirs(("announce", info_hash, is_seed), client=client)
    scraped = ours("scraped", "scrape", info_hash)
    assert (scraped["seeds"], scraped["downloaders"]) == (1, 2)
    assert scraped["nodes"] >= 6
    crawled = ours("crawled", "sample", "--rate", "20", "--duration", "3")
    assert crawled["supporting"] >= 12
    assert crawled["info_hashes"] >= 1


def test_libtorrent_stores_and_returns_our_items(dht: Path, ours: Run, theirs: Run, key_file: str) -> None:
    immutable = ours("stored", "item", "put", "Hello World!")
    assert immutable["nodes"] >= 6
    assert ours("item", "item", "get", immutable["target"])["value"] == "Hello World!"
    for seq, text in enumerate(("one", "two"), 1):
        stored = ours("stored", "item", "put", text, "--key", key_file, "--salt", "news")
        assert (stored["seq"], stored["nodes"] >= 6) == (seq, True)
    assert ours("item", "item", "get", f"{KEY}:news")["value"] == "two"
    assert theirs(("get", immutable["target"]), ("verify", KEY, "news")) == [
        {"value": "Hello World!"},
        {"value": "two", "seq": 2},
    ]


def test_we_find_what_libtorrent_put_and_it_finds_our_update(dht: Path, ours: Run, theirs: Run, key_file: str) -> None:
    put, signed = theirs(("put", "from libtorrent"), ("sign", SEED.hex(), KEY, "signed there", "theirs"))
    assert put["nodes"] > 0
    assert ours("item", "item", "get", str(ImmutableItem(b"15:from libtorrent").target))["value"] == "from libtorrent"
    found = ours("item", "item", "get", f"{KEY}:theirs")
    assert (found["value"], found["seq"] >= signed["seq"]) == ("signed there", True)
    update = ours("stored", "item", "put", "signed here", "--key", key_file, "--salt", "theirs")
    assert update["seq"] == found["seq"] + 1
    assert theirs(("verify", KEY, "theirs"), client=THIRD) == [{"value": "signed here", "seq": update["seq"]}]


def test_our_nodes_serve_libtorrent(our_dht: str, ours: Run, theirs: Run) -> None:
    target, info_hash = str(ImmutableItem(b"17:kept by magnetite").target), "cd" * 20
    actions = (("put", "kept by magnetite"), ("sign", SEED.hex(), KEY, "salted", "pepper"))
    put, _, _ = theirs(*actions, ("announce", info_hash, "0"), router=our_dht)
    assert put["nodes"] >= 3
    router = tuple(our_dht.split(":"))
    got, verified, sampled = theirs(
        ("get", target), ("verify", KEY, "pepper"), ("sample", *router), router=our_dht, client=THIRD
    )
    assert (got["value"], verified["value"]) == ("kept by magnetite", "salted")
    assert sampled == {"samples": [info_hash], "num": 1}
    assert ours("item", "item", "get", target, router=our_dht)["value"] == "kept by magnetite"
    assert ours("item", "item", "get", f"{KEY}:pepper", router=our_dht)["value"] == "salted"
    assert ours("scraped", "scrape", info_hash, router=our_dht)["downloaders"] == 1
