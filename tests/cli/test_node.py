"""`magnetite node` and `magnetite status`, in processes of their own, with signals and sockets in earnest."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.request import urlopen

import pytest

from magnetite.cli.exit_codes import ExitCode
from magnetite.cli.node import node
from tests.cli.conftest import PATIENCE, Invoke, Start, free_port

LONER = ("--bind", "127.0.0.1", "--port", 0, "--bootstrap", "none")
Launch = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def launch(start: Start, state: Path) -> Launch:
    """Starts a node by itself, and waits until it takes orders."""

    def launch(*arguments: object) -> subprocess.Popen[str]:
        process = start("node", "--state", state, *LONER, *arguments)
        said(process, "node ")
        return process

    return launch


def said(process: subprocess.Popen[str], beginning: str) -> str:
    """The next line that begins so, on standard error."""
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(beginning):
            return line
    raise AssertionError(f"it never said {beginning!r}")


def connected(path: Path) -> socket.socket:
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(PATIENCE)
    client.connect(str(path))
    return client


def test_the_status_of_a_running_node_is_a_page_or_a_line_of_json(launch: Launch, invoke: Invoke, state: Path) -> None:
    launch()
    page = invoke("status", "--state", state)
    assert page.code == ExitCode.DONE
    assert page.out.startswith("127.0.0.1:")
    assert "living contacts" in page.out
    _, status, _ = invoke("status", "--state", state, "--json").records
    assert status["event"] == "status"
    assert status["addresses"][0]["local"].startswith("127.0.0.1:")


def test_10_where_no_node_runs(invoke: Invoke, tmp_path: Path) -> None:
    result = invoke("status", "--state", tmp_path / "nowhere")
    assert result.code == ExitCode.NO_NODE
    assert "nowhere" in result.err


def test_10_where_a_node_was_killed_and_the_next_takes_its_place(launch: Launch, invoke: Invoke, state: Path) -> None:
    process = launch()
    process.kill()
    process.wait(PATIENCE)
    assert (state / "control.sock").exists()
    assert invoke("status", "--state", state).code == ExitCode.NO_NODE
    launch()
    assert invoke("status", "--state", state).code == ExitCode.DONE


@pytest.mark.parametrize(
    "answer", [b"", b"SSH-2.0\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}", b"HTTP/1.1 404 \r\n\r\n"]
)
def test_another_program_at_the_socket_is_not_taken_for_a_node(start: Start, tmp_path: Path, answer: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "s"))
        other.listen()
        process = start("status", "--control", tmp_path / "s")
        client, _ = other.accept()
        with client:
            client.recv(1000)
            client.sendall(answer)
        _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == ExitCode.FAILED
    assert "Traceback" not in err
    assert str(tmp_path / "s") in err


def test_a_second_node_with_the_same_folder_is_refused(launch: Launch, invoke: Invoke, state: Path) -> None:
    process = launch()
    result = invoke("node", "--state", state, *LONER)
    assert result.code == ExitCode.FILES
    assert f"process {process.pid}" in result.err
    assert invoke("status", "--state", state).code == ExitCode.DONE, "the first has not noticed"


def test_a_node_whose_socket_somebody_uses_is_refused(invoke: Invoke, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "s"))
        other.listen()
        result = invoke("node", "--state", tmp_path / "state", *LONER, "--control", tmp_path / "s")
    assert result.code == ExitCode.NETWORK
    assert str(tmp_path / "s") in result.err


def test_metrics_are_served_where_they_were_asked_for(launch: Launch) -> None:
    port = free_port()
    launch("--metrics", f"127.0.0.1:{port}")
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE) as answer:
        assert b"\nmagnetite_dht_usable{" in answer.read()


def test_6_for_metrics_on_a_port_that_is_taken(invoke: Invoke, state: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        result = invoke("node", "--state", state, *LONER, "--metrics", f"127.0.0.1:{port}")
    assert result.code == ExitCode.NETWORK
    assert str(port) in result.err
    assert "--metrics" in result.err


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_node_leaves_at_once_whoever_is_connected(launch: Launch, state: Path, number: signal.Signals) -> None:
    port = free_port()
    process = launch("--metrics", f"127.0.0.1:{port}")
    silent, reading = connected(state / "control.sock"), connected(state / "control.sock")
    scraping = socket.create_connection(("127.0.0.1", port))
    body = json.dumps({"info_hash": "00" * 20})
    reading.sendall(f"POST /get_peers HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
    assert reading.recv(1000).startswith(b"HTTP/1.1 200 ")
    with silent, reading, scraping:
        process.send_signal(number)
        _, err = process.communicate(timeout=2)
    assert process.returncode == (ExitCode.INTERRUPTED if number is signal.SIGINT else ExitCode.DONE)
    assert "Traceback" not in err
    assert sorted(path.name for path in state.iterdir()) == ["node.lock"], "it knows nobody, so there is no dht.state"


def test_sighup_reads_the_blocklist_again_and_a_bad_one_changes_nothing(launch: Launch, tmp_path: Path) -> None:
    path = tmp_path / "blocklist"
    path.write_text("192.0.2.0/24\n")
    process = launch("--blocklist", path)
    for text, said_then in [
        ("192.0.2.0/24\n198.51.100.0/24\n", "blocklist: 2 ranges"),
        ("192.0.2.0/24\nnonsense\n", f"magnetite: {path}: line 2: 'nonsense'"),
        ("", "blocklist: 0 ranges"),
        (None, f"magnetite: {path}: there is no such file"),
    ]:
        if text is None:
            path.unlink()
        else:
            path.write_text(text)
        process.send_signal(signal.SIGHUP)
        said(process, said_then)
    assert process.poll() is None


def test_sighup_without_a_blocklist_ends_nothing(launch: Launch) -> None:
    process = launch()
    process.send_signal(signal.SIGHUP)
    said(process, "SIGHUP: ")
    assert process.poll() is None


@pytest.mark.parametrize("text", ["nonsense", None])
def test_8_for_a_blocklist_that_cannot_be_read_at_the_start(invoke: Invoke, tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "blocklist").write_text(text)
    result = invoke("node", "--state", tmp_path / "state", *LONER, "--blocklist", tmp_path / "blocklist")
    assert result.code == ExitCode.FILES
    assert "blocklist: " in result.err


def test_a_node_at_several_addresses_names_each(start: Start, state: Path) -> None:
    process = start("node", "--state", state, *LONER, "--bind", "127.0.0.2")
    assert "127.0.0.1:" in said(process, "node ")
    assert "127.0.0.2:" in said(process, "node ")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may connect to everything")
def test_a_socket_of_somebody_else_is_named_as_such(invoke: Invoke, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "s"))
        (tmp_path / "s").chmod(0)
        assert "permission denied" in invoke("status", "--control", tmp_path / "s").err


def test_other_verbs_do_not_pay_for_what_only_a_node_needs() -> None:
    heavy = ("starlette", "h11", "httpx", "prometheus_client", "tomllib", "cryptography", "rich")
    verbs = "magnetite.cli.get, magnetite.cli.node, magnetite.cli.item"
    program = f"import sys, {verbs}; print([each for each in {heavy} if each in sys.modules])"
    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "[]"


@pytest.mark.parametrize("name", ["magnetite.service", "compose.yaml", "Dockerfile"])
def test_the_examples_start_a_node_with_flags_that_there_are(name: str) -> None:
    text = Path(__file__).parents[2].joinpath("docs", "examples", name).read_text()
    words = re.findall(r"[^\s\",\[\]]+", re.findall(r"^.*\bnode\b.*--state.*$", text, re.MULTILINE)[0])
    context = node.make_context("node", words[words.index("node") + 1 :])
    assert context.params["state"] == Path("/var/lib/magnetite")
