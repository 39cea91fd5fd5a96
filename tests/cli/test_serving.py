"""`get --serve`, against a `share` in a process of its own."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import httpx
import pytest

from magnetite.cli.exit_codes import ExitCode
from magnetite.cli.serving import with_address
from magnetite.cli.values import SERVE_AT
from tests.cli.conftest import OFFLINE, PATIENCE, Invoke, Start, free_port


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        (["--serve", "magnet:?xt=urn:btih:a"], [f"--serve={SERVE_AT}", "magnet:?xt=urn:btih:a"]),
        (["a.torrent", "--serve"], ["a.torrent", f"--serve={SERVE_AT}"]),
        (["--serve", "--no-dht", "a"], [f"--serve={SERVE_AT}", "--no-dht", "a"]),
        (["--serve", "0.0.0.0:80", "a"], ["--serve", "0.0.0.0:80", "a"]),
        (["--serve", "[::1]:80", "a"], ["--serve", "[::1]:80", "a"]),
        (["--serve", "8097", "a"], ["--serve", "8097", "a"]),
        (["--serve", "localhost:0", "a"], ["--serve", "localhost:0", "a"]),
        (["--serve", 40 * "1"], [f"--serve={SERVE_AT}", 40 * "1"]),
        (["--serve", "magnet:?tr=udp://a:80"], [f"--serve={SERVE_AT}", "magnet:?tr=udp://a:80"]),
        (["--serve=nowhere", "a"], ["--serve=nowhere", "a"]),
        (["--", "--serve"], ["--", "--serve"]),
        (["a"], ["a"]),
    ],
)
def test_the_address_may_be_left_out_wherever_the_flag_stands(typed: list[str], meant: list[str]) -> None:
    assert with_address(typed) == meant


def test_a_download_is_served_while_it_runs_and_on_until_it_is_ended(
    start: Start, seeder: tuple[str, str], payload: Path, tmp_path: Path
) -> None:
    magnet, peer = seeder
    port = free_port()
    serving = ("--serve", port, "--sequential", "--first", "*.txt", "--dir", "out", "--json")
    process = start("get", *serving, magnet, "--peer", peer, "--state", tmp_path / "state", *OFFLINE)
    assert process.stdout is not None
    records = map(json.loads, process.stdout)
    url = next(record["url"] for record in records if record["event"] == "serving")
    assert url == f"http://127.0.0.1:{port}/"
    assert any(record["event"] == "saved" for record in records)
    text = (payload / "sub" / "two.txt").read_bytes()
    with httpx.Client(base_url=url, trust_env=False) as client:
        assert "/1/two.txt" in client.get("/").text
        assert client.get("/1/two.txt").content == text
        part = client.get("/1/two.txt", headers={"Range": "bytes=-5"})
        assert (part.status_code, part.content) == (206, text[-5:])
        assert client.get("/", headers={"Host": "evil.example"}).status_code == 400
    process.send_signal(signal.SIGTERM)
    assert process.wait(PATIENCE) == ExitCode.DONE


def test_what_cannot_be_served_is_refused(invoke: Invoke, tmp_path: Path) -> None:
    magnet = "magnet:?xt=urn:btih:" + 40 * "a"
    options = ("--state", tmp_path / "state", *OFFLINE)
    assert invoke("get", "--serve=nowhere", magnet, *options).code == ExitCode.USAGE
    assert "not HOST:PORT" in invoke("get", "--serve", "0", magnet, *options).err
    taken = invoke("get", "--serve", "192.0.2.1:80", magnet, *options)
    assert taken.code == ExitCode.NETWORK
    assert "--serve" in taken.err
    feed = "magnet:?xs=urn:btpk:" + 64 * "a"
    assert invoke("get", feed, "--follow", "--serve", *options).code == ExitCode.USAGE
    assert invoke("get", magnet, "--first", "", *options).code == ExitCode.USAGE
