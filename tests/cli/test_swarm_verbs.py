"""Verbs that move bytes, each against a `share` in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from magnetite.cli.exit_codes import ExitCode
from magnetite.client import Client
from magnetite.errors import MagnetiteError
from magnetite.torrent.magnet import parse_magnet
from magnetite.torrent.metainfo import decode_torrent
from tests.cli.conftest import OFFLINE, PATIENCE, Invoke, Start, free_port
from tests.cli.torrents import INFO_HASH

Seeder = tuple[str, str]


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_get_downloads_what_share_shares(invoke: Invoke, seeder: Seeder, payload: Path, tmp_path: Path) -> None:
    magnet, peer = seeder
    folder, state = tmp_path / "out", tmp_path / "state"
    first = invoke("get", magnet, "--peer", peer, "--dir", folder, "--state", state, "--json", *OFFLINE)
    assert first.code == ExitCode.DONE
    assert content(folder / "payload") == content(payload)
    kinds = [record["event"] for record in first.records]
    assert kinds[0] == "started"
    assert kinds[-1] == "finished"
    assert {"peer_connected", "metadata_fetched", "piece_verified", "download_completed", "saved"} <= set(kinds)
    assert {record["v"] for record in first.records} == {1}
    assert first.records[-1]["reason"] == "done"

    again = invoke("get", magnet, "--dir", folder, "--state", state, *OFFLINE)
    assert again.code == ExitCode.DONE, "it is complete: nobody is needed"
    assert str(folder / "payload") in again.out


def test_share_may_super_seed(start: Start, invoke: Invoke, payload: Path, tmp_path: Path) -> None:
    port = free_port()
    where = ("--no-dht", "--bind", "127.0.0.1", "--port", port, "--state", tmp_path / "seeder")
    seeder = start("share", payload, "--super-seed", *where)
    assert seeder.stdout is not None
    magnet = seeder.stdout.readline().strip()
    options = ("--peer", f"127.0.0.1:{port}", "--dir", tmp_path / "out", "--state", tmp_path / "state", *OFFLINE)
    assert invoke("get", magnet, *options).code == ExitCode.DONE
    assert content(tmp_path / "out" / "payload") == content(payload)


def test_share_prints_the_link_when_whoever_reads_it_is_let_in(
    invoke: Invoke, payload: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clients: list[Client] = []

    async def report_created(*_: object) -> None:
        raise MagnetiteError(f"{len(clients[0].downloads)} torrent")

    original = Client.__init__

    def init(client: Client, *args: Any) -> None:
        clients.append(client)
        original(client, *args)

    monkeypatch.setattr(Client, "__init__", init)
    monkeypatch.setattr("magnetite.cli.share.report_created", report_created)
    result = invoke("share", payload, "--state", tmp_path, *OFFLINE)
    assert "magnetite: 1 torrent\n" in result.err


def test_get_says_nothing_of_peers_or_of_seeding_where_all_is_there(
    invoke: Invoke, payload: Path, tmp_path: Path
) -> None:
    invoke("create", payload, "-o", tmp_path / "a.torrent")
    result = invoke("get", tmp_path / "a.torrent", "--dir", payload.parent, "--state", tmp_path, *OFFLINE)
    assert result.code == ExitCode.DONE
    assert "checking what is on disk" in result.err
    assert "complete" in result.err
    assert "known" not in result.err
    assert "seeding" not in result.err


def test_get_takes_only_the_files_that_are_wanted(
    invoke: Invoke, seeder: Seeder, payload: Path, tmp_path: Path
) -> None:
    magnet, peer = seeder
    folder = tmp_path / "out"
    wanted = ("--files", "*.txt", "--dir", folder, "--state", tmp_path / "state")
    assert invoke("get", magnet, "--peer", peer, *wanted, *OFFLINE).code == ExitCode.DONE
    assert (folder / "payload" / "sub" / "two.txt").read_bytes() == (payload / "sub" / "two.txt").read_bytes()
    assert not (folder / "payload" / "one.bin").exists()


def test_get_with_a_ratio_gives_back_before_it_ends(
    invoke: Invoke, seeder: Seeder, start: Start, tmp_path: Path
) -> None:
    magnet, peer = seeder
    options = ("--peer", peer, "--state", tmp_path / "state", *OFFLINE)
    process = start("get", magnet, "--dir", "out", "--seed-ratio", "0.001", *options)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("payload: ")
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.2)
    process.send_signal(signal.SIGINT)
    assert process.wait(PATIENCE) == ExitCode.INTERRUPTED


def test_info_prints_each_as_soon_as_it_is_known(start: Start, seeder: Seeder, tmp_path: Path) -> None:
    magnet, peer = seeder
    process = start("info", INFO_HASH, magnet, "--peer", peer, "--state", tmp_path / "state", "--json", *OFFLINE)
    assert process.stdout is not None
    assert '"started"' in process.stdout.readline()
    early = process.stdout.readline()
    assert '"metadata"' in early
    assert str(parse_magnet(magnet).info_hash) in early
    assert process.poll() is None, "it goes on looking for the other"


def test_info_goes_on_after_bad_lines_and_saves_what_it_finds(
    invoke: Invoke, seeder: Seeder, payload: Path, tmp_path: Path
) -> None:
    magnet, peer = seeder
    info_hash = parse_magnet(magnet).info_hash
    (tmp_path / "links").write_text(f"# mine\n\nmagnet:?dn=half\n{magnet}\n{info_hash}\n")
    saved = tmp_path / "torrents"
    options = ("--save", saved, "--peer", peer, "--state", tmp_path / "state", *OFFLINE)
    result = invoke("info", "--from", tmp_path / "links", *options)
    assert result.code == ExitCode.INVALID_TORRENT
    assert "line 3: " in result.err
    assert result.out.count(str(info_hash)) == 1, "named twice, shown once"
    assert "sub/two.txt" in result.out
    assert decode_torrent((saved / f"{info_hash}.torrent").read_bytes()).info_hash == info_hash


def test_info_shows_a_torrent_file_without_a_network(invoke: Invoke, payload: Path, tmp_path: Path) -> None:
    torrent = tmp_path / "a.torrent"
    invoke("create", payload, "-o", torrent)
    result = invoke("info", torrent, "--bind", "192.0.2.1", "--json")
    assert result.code == ExitCode.DONE
    assert [record["event"] for record in result.records] == ["started", "metadata", "finished"]
    files = [{"path": "payload/one.bin", "length": 128_000}, {"path": "payload/sub/two.txt", "length": 40_000}]
    assert result.records[1]["files"] == files


def test_create_writes_the_torrent_that_its_magnet_names(
    invoke: Invoke, payload: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke("create", payload)
    link = parse_magnet(result.out)
    metainfo = decode_torrent((tmp_path / "payload.torrent").read_bytes())
    assert (link.info_hash, link.name, link.length) == (metainfo.info_hash, "payload", 168_000)


def test_create_leaves_a_device_as_it_is(invoke: Invoke, payload: Path) -> None:
    assert invoke("create", payload, "-o", "/dev/null").code == ExitCode.DONE
    assert Path("/dev/null").is_char_device()


def test_peers_finds_whom_the_dht_knows(start: Start, payload: Path, invoke: Invoke, tmp_path: Path) -> None:
    node = start("node", "--json", "--bind", "127.0.0.1", "--port", 0, "--bootstrap", "none", "--state", tmp_path / "n")
    assert node.stdout is not None
    router = next(record["local"] for record in map(json.loads, node.stdout) if record["event"] == "node_started")
    joining = ("--bind", "127.0.0.1", "--port", 0, "--bootstrap", router)
    seeder = start("share", payload, "--json", "--state", tmp_path / "s", *joining)
    assert seeder.stdout is not None
    records = map(json.loads, seeder.stdout)
    info_hash = next(record["info_hash"] for record in records if record["event"] == "created")
    assert any(record["event"] == "announced" and record["nodes"] for record in records)

    result = invoke("peers", info_hash, "--state", tmp_path / "p", *joining)
    assert result.code == ExitCode.DONE
    assert result.out.startswith("127.0.0.1:")
    assert "found 1 peer\n" in result.err


def test_demo_opens_a_magnet_link_and_leaves_nothing_behind(
    invoke: Invoke, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    result = invoke("demo", "--json")
    assert result.code == ExitCode.DONE
    story = next(record for record in result.records if record["event"] == "demonstrated")
    assert story["files"] == 3
    assert story["peers"]
    assert not list(tmp_path.iterdir())


def test_demo_tells_its_story_in_a_process_of_its_own(start: Start) -> None:
    process = start("demo")
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == ExitCode.DONE
    assert "verified    3 files" in out
    assert "\x1b" not in out + err, "no control codes where there is no terminal"
