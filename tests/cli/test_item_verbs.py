"""Verbs that put things into the DHT and ask it for them, against a node in a process of its own."""

from __future__ import annotations

import json
import signal
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from magnetite.cli.exit_codes import ExitCode
from magnetite.cli.key_file import Key, create_key, read_key
from magnetite.dht.items import ImmutableItem
from magnetite.errors import StorageError
from magnetite.torrent.magnet import FeedLink, parse_feed_link
from tests.cli.conftest import PATIENCE, Invoke, Result, Start, launching
from tests.cli.torrents import INFO_HASH

OTHER_HASH = "f" * 40

Ask = Callable[..., Result]


@pytest.fixture(scope="module")
def router(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A DHT of two nodes; where the first of them is."""
    folder = tmp_path_factory.mktemp("dht")
    with launching(folder) as launch:
        first = ""
        for number in range(2):
            bootstrap = ("--bootstrap", first or "none")
            options = ("--json", "--bind", "127.0.0.1", "--port", 0, "--state", folder / str(number))
            process = launch("node", *options, *bootstrap)
            assert process.stdout is not None
            records = map(json.loads, process.stdout)
            local = next(record["local"] for record in records if record["event"] == "node_started")
            if first:
                next(record for record in records if record["event"] == "bootstrap_finished")
            first = first or local
        yield first


@pytest.fixture
def joining(router: str, tmp_path: Path) -> tuple[object, ...]:
    return ("--bind", "127.0.0.1", "--port", 0, "--bootstrap", router, "--state", tmp_path / "state")


@pytest.fixture
def ask(invoke: Invoke, joining: tuple[object, ...]) -> Ask:
    """Run a verb that joins that DHT."""
    return lambda *arguments: invoke(*arguments, *joining)


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    path = tmp_path / "my.pem"
    create_key(path)
    return path


def test_a_key_is_made_for_its_owner_alone_and_never_overwritten(invoke: Invoke, tmp_path: Path) -> None:
    path = tmp_path / "my.pem"
    made = invoke("item", "key", path)
    assert made.code == ExitCode.DONE
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    key, content = read_key(path), path.read_bytes()
    assert made.out == key.public.hex() + "\n"
    assert key.private.hex() not in repr(key)
    assert invoke("item", "key", path).code == ExitCode.FILES
    assert path.read_bytes() == content
    assert invoke("item", "key", path, "--show").out == made.out


@pytest.mark.parametrize("content", [b"", b"no key", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_what_holds_no_key_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "my.pem"
    path.write_bytes(content)
    with pytest.raises(StorageError, match=r"my\.pem"):
        read_key(path)


def test_an_immutable_item_is_put_and_got(ask: Ask) -> None:
    put = ask("item", "put", "Hello World!")
    assert (put.code, put.out) == (ExitCode.DONE, "e5f96f6f38320f0f33959cb4d3d656452117aadb\n")
    assert "stored by " in put.err
    got = ask("item", "get", put.out.strip())
    assert (got.code, got.out) == (ExitCode.DONE, "Hello World!\n")


def test_bencoded_values_come_from_files(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "value").write_bytes(b"d1:ali1e2:\xffxee")
    target = ask("item", "put", "--bencoded", "--file", tmp_path / "value").out.strip()
    assert target == str(ImmutableItem(b"d1:ali1e2:\xffxee").target)
    got = ask("item", "get", target, "--json")
    record = next(record for record in got.records if record["event"] == "item")
    assert record["value"] == {"a": [1, "0xff78"]}
    assert bytes.fromhex(record["bencoded"]) == b"d1:ali1e2:\xffxee"


def test_a_mutable_item_is_replaced_by_the_next(ask: Ask, key_file: Path) -> None:
    key = read_key(key_file).public.hex()
    for seq, text in enumerate(("one", "two"), 1):
        put = ask("item", "put", text, "--key", key_file, "--salt", "news")
        assert (put.code, put.out) == (ExitCode.DONE, f"{key}:news\n")
        assert f"sequence number {seq}\n" in put.err
    assert ask("item", "get", f"{key}:news").out == "two\n"
    assert ask("item", "get", key).code == ExitCode.NOT_FOUND


@pytest.mark.parametrize(
    ("options", "code"), [(["--seq", "5"], 302), (["--seq", "6", "--cas", "4"], 301)], ids=["seq", "cas"]
)
def test_12_somebody_else_has_written_meanwhile(ask: Ask, key_file: Path, options: list[str], code: int) -> None:
    assert ask("item", "put", "one", "--key", key_file, "--seq", 5).code == ExitCode.DONE
    late = ask("item", "put", "two", "--key", key_file, *options)
    assert late.code == ExitCode.CONFLICT
    assert f"({code})" in late.err
    assert ask("item", "get", read_key(key_file).public.hex()).out == "one\n"
    assert ask("item", "put", "two", "--key", key_file, "--seq", "6", "--cas", "5").code == ExitCode.DONE


def test_11_nobody_has_it(ask: Ask) -> None:
    result = ask("item", "get", OTHER_HASH)
    assert (result.code, result.out) == (ExitCode.NOT_FOUND, "")
    assert OTHER_HASH in result.err
    result = ask("scrape", OTHER_HASH)
    assert result.code == ExitCode.NOT_FOUND
    assert "0 seeds and 0 downloaders, told by 0 nodes" in " ".join(result.out.split())
    assert ask("peers", str(FeedLink(bytes(32)))).code == ExitCode.NOT_FOUND


@pytest.mark.parametrize(
    "arguments",
    [
        ["item", "put"],
        ["item", "put", "a", "--file", "b"],
        ["item", "put", "a", "--salt", "s"],
        ["item", "put", "a", "--cas", "1"],
        ["item", "put", "a", "--seq", "1"],
        ["item", "put", "a", "--key", "k", "--seq", "soon"],
        ["item", "put", "a", "--key", "k", "--seq", str(1 << 63)],
        ["item", "put", "a", "--key", "k", "--salt", "s" * 65],
        ["item", "put", "a" * 1000],
        ["item", "put", "--bencoded", "d1:b0:1:a0:e"],
        ["item", "get"],
        ["item", "get", "abc"],
        ["item", "get", "0" * 64 + ":" + "s" * 65],
        ["scrape"],
        ["sample", "--rate", "0"],
        ["sample", "--rate", "1000"],
        ["get", INFO_HASH, "--follow"],
        ["get", "magnet:?xs=urn:btpk:" + "0" * 64, "--no-dht"],
    ],
)
def test_2_an_argument_that_makes_no_sense(ask: Ask, arguments: list[str]) -> None:
    assert ask(*arguments).code == ExitCode.USAGE


@pytest.mark.parametrize("verb", ["get", "peers", "scrape"])
def test_3_a_publishers_link_with_half_a_key(ask: Ask, verb: str) -> None:
    assert ask(verb, "magnet:?xs=urn:btpk:abcd").code == ExitCode.INVALID_TORRENT


def test_8_a_key_that_is_not_there(ask: Ask, tmp_path: Path) -> None:
    assert ask("publish", tmp_path / "none.pem", INFO_HASH).code == ExitCode.FILES
    assert ask("item", "put", "a", "--key", tmp_path / "none.pem").code == ExitCode.FILES


def test_publishing_the_same_torrent_again_changes_nothing(ask: Ask, key_file: Path) -> None:
    for torrent, seq in ((INFO_HASH, 1), (INFO_HASH, 1), (OTHER_HASH, 2)):
        result = ask("publish", key_file, torrent, "--salt", "news", "--json")
        record = next(record for record in result.records if record["event"] == "published")
        assert (record["info_hash"], record["seq"]) == (torrent, seq)
        assert parse_feed_link(record["magnet"]) == FeedLink(read_key(key_file).public, b"news")


def test_keeping_goes_on_until_sigterm(start: Start, joining: tuple[object, ...], key_file: Path) -> None:
    process = start("publish", key_file, INFO_HASH, "--keep", *joining)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("magnet:?xs=urn:btpk:")
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == ExitCode.DONE


def test_who_shares_is_counted_and_sampled(ask: Ask, start: Start, joining: tuple[object, ...], payload: Path) -> None:
    seeder = start("share", payload, "--json", *joining)
    assert seeder.stdout is not None
    records = map(json.loads, seeder.stdout)
    info_hash = next(record["info_hash"] for record in records if record["event"] == "created")
    assert any(record["event"] == "announced" and record["nodes"] for record in records)
    scraped = ask("scrape", info_hash, f"magnet:?xt=urn:btih:{info_hash}", "--json")
    [record] = [record for record in scraped.records if record["event"] == "scraped"]
    assert record["seeds"] + record["downloaders"] == 1
    assert record["nodes"] >= 1
    sampled = ask("sample", "--count", 1)
    assert sampled.out == info_hash + "\n"
    assert "gave samples" in sampled.err


def test_a_publishers_link_is_opened_and_followed(
    invoke: Invoke, ask: Ask, start: Start, joining: tuple[object, ...], payload: Path, key_file: Path, tmp_path: Path
) -> None:
    seeder = start("share", payload, "--json", *joining)
    assert seeder.stdout is not None
    records = map(json.loads, seeder.stdout)
    info_hash = next(record["info_hash"] for record in records if record["event"] == "created")
    assert any(record["event"] == "announced" and record["nodes"] for record in records)
    link = ask("publish", key_file, info_hash).out.strip()
    result = ask("get", link, "--dir", tmp_path / "out")
    assert result.code == ExitCode.DONE
    assert (tmp_path / "out" / "payload" / "one.bin").read_bytes() == (payload / "one.bin").read_bytes()
    follower = start("get", link, "--follow", "--dir", tmp_path / "followed", *joining)
    assert follower.stdout is not None
    said = follower.stdout.readline()
    assert said.startswith("payload: ")
    assert f"followed/{info_hash}/payload" in said
    follower.send_signal(signal.SIGTERM)
    assert follower.wait(PATIENCE) == ExitCode.DONE


def test_what_is_secret_is_not_shown(tmp_path: Path) -> None:
    key = create_key(tmp_path / "k")
    assert repr(key) == f"Key({key.public.hex()})"
    assert key == Key(key.public, key.private)
