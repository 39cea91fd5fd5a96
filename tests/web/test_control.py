"""The control API, called without sockets and in virtual time, of a node in a small DHT."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from random import Random
from typing import Any

import httpx
import pytest
import trio
from trio.testing import memory_stream_pair

from magnetite import bencoding
from magnetite.dht.items import sign
from magnetite.dht.node import DhtNode
from magnetite.opening import open_dht_node
from magnetite.simnet import Fabric
from magnetite.web.control import TIMEOUT, control_app
from magnetite.web.lookup_log import LookupLog
from magnetite.web.server import App, serve_connection

PORT = 6881
INFO_HASH = "2c6b6858d61da9543d4231a71db4b1c9264b0685"
SEED = bytes(range(32))
VALUE = bencoding.encode(b"Hello World!")


@dataclass
class Api:
    """A node, and somebody who asks it."""

    node: DhtNode
    other: DhtNode
    app: App
    client: httpx.AsyncClient

    async def get(self, path: str) -> Any:
        return (await self.client.get(path)).json()

    async def post(self, path: str, **fields: object) -> Any:
        return (await self.client.post(path, json=fields)).json()


@asynccontextmanager
async def opened(fabric: Fabric, count: int = 12) -> AsyncIterator[Api]:
    async with AsyncExitStack() as stack:
        lookups = LookupLog()
        nodes: list[DhtNode] = []
        for number in range(count):
            ip = f"{20 + number}.1.1.7"
            node = open_dht_node(
                port=PORT,
                bind=ip,
                bootstrap=[("20.1.1.7", PORT)] if number else [],
                observe=lookups.observe if number == count - 1 else None,
                read_only=False,
                network=fabric.host(ip),
                rng=Random(number),
            )
            nodes.append(await stack.enter_async_context(node))
        await trio.sleep(60)
        app = control_app(nodes[-1], lookups, lambda: 7)
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://node"))
        yield Api(nodes[-1], nodes[0], app, client)


async def test_the_status_says_what_the_node_counts(fabric: Fabric) -> None:
    async with opened(fabric) as api:
        status = await api.get("/status")
        assert status["addresses"][0]["local"] == "31.1.1.7:6881"
        assert status["addresses"][0]["is_usable"] is True
        assert status["addresses"][0]["node_id"] == str(api.node.node_id)
        assert status["counters"]["queries_sent"]["find_node"] > 0
        assert status["blocked_ranges"] == 7
        assert set(status["stored"]) == {"info_hashes", "peers", "items"}


async def test_the_table_names_every_contact(fabric: Fabric) -> None:
    async with opened(fabric) as api:
        contacts = (await api.get("/table"))["contacts"]
        assert {each["endpoint"] for each in contacts} == {str(each.contact.endpoint) for each in api.node.contacts()}
        living = next(each for each in contacts if each["verified"])
        assert 0 < living["round_trip"] < 1
        assert living["answered"] >= 0


async def test_a_ping_finds_who_is_there(fabric: Fabric) -> None:
    async with opened(fabric) as api:
        answer = await api.post("/ping", endpoint=str(api.other.local))
        assert answer["node_id"] == str(api.other.node_id)
        assert answer["round_trip"] == pytest.approx(0.04, abs=0.01)


async def test_a_ping_of_nobody_is_a_timeout(fabric: Fabric) -> None:
    async with opened(fabric) as api:
        answer = await api.client.post("/ping", json={"endpoint": "99.1.1.7:6881"}, timeout=None)
        assert answer.status_code == 504
        assert answer.json()["error"]["reason"] == "timeout"
        assert "99.1.1.7" in answer.json()["error"]["message"]


async def test_find_node_finds_the_closest(fabric: Fabric) -> None:
    async with opened(fabric) as api:
        answer = await api.post("/find_node", target=str(api.other.node_id))
        assert answer["closest"][0] == {"node_id": str(api.other.node_id), "endpoint": str(api.other.local)}


async def test_who_is_announced_is_found_line_by_line_and_lookups_are_remembered(fabric: Fabric) -> None:
    async with opened(fabric) as api:
        assert (await api.post("/announce", info_hash=INFO_HASH, port=7000))["nodes"] > 0
        answer = await api.client.post("/get_peers", json={"info_hash": INFO_HASH})
        *peers, last = [json.loads(line) for line in answer.text.splitlines()]
        assert answer.headers["content-type"] == "application/x-ndjson"
        assert peers == [{"peer": "31.1.1.7:7000"}]
        assert last["peers"] == 1
        assert last["closest"]
        recent = (await api.get("/lookups"))["recent"]
        assert recent[0]["target"] == INFO_HASH
        assert recent[0]["peers"] == 1


async def test_a_lookup_ends_when_nobody_reads_it_any_more(fabric: Fabric) -> None:
    async with opened(fabric) as api, trio.open_nursery() as nursery:
        client, server = memory_stream_pair()
        nursery.start_soon(serve_connection, api.app, server)
        body = json.dumps({"info_hash": INFO_HASH}).encode()
        await client.send_all(
            b"POST /get_peers HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)
        )
        await trio.sleep(0.01)
        assert [each["target"] for each in (await api.get("/lookups"))["active"]] == [INFO_HASH]
        await client.aclose()
        await trio.sleep(0.001)
        assert (await api.get("/lookups"))["active"] == []


async def test_who_cannot_join_is_told_so_in_the_end(fabric: Fabric) -> None:
    async with opened(fabric, count=1) as api:
        answer = await api.client.post("/find_node", json={"target": INFO_HASH}, timeout=None)
        assert answer.status_code == 504
        lines = (await api.client.post("/get_peers", json={"info_hash": INFO_HASH}, timeout=None)).text
        assert json.loads(lines)["error"] == {"reason": "timeout", "message": f"not finished after {TIMEOUT:.0f} s"}


async def test_items_are_put_and_got(fabric: Fabric) -> None:
    async with opened(fabric) as api:
        put = await api.post("/item/put", value=VALUE.hex())
        assert put["nodes"] > 0
        assert (await api.post("/item/get", target=put["target"]))["item"] == {"value": VALUE.hex()}
        assert (await api.post("/item/get", target=INFO_HASH))["item"] is None


async def test_signed_items_are_put_and_got(fabric: Fabric) -> None:
    item = sign(SEED, VALUE, seq=3, salt=b"salt")
    fields = {
        "value": VALUE.hex(),
        "key": item.key.hex(),
        "seq": 3,
        "signature": item.signature.hex(),
        "salt": b"salt".hex(),
    }
    async with opened(fabric) as api:
        put = await api.post("/item/put", **fields)
        assert put["target"] == str(item.target)
        assert put["nodes"] > 0
        assert (await api.post("/item/get", target=put["target"], salt=b"salt".hex()))["item"] == fields


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("/ping", {}),
        ("/ping", {"endpoint": 5}),
        ("/ping", {"endpoint": "router.bittorrent.com:6881"}),
        ("/ping", {"endpoint": "1.2.3.4"}),
        ("/ping", {"endpoint": "1.2.3.4:6881", "more": 1}),
        ("/find_node", {"target": "abc"}),
        ("/find_node", {"target": "é" * 40}),
        ("/get_peers", {"info_hash": INFO_HASH[:-2]}),
        ("/announce", {"info_hash": INFO_HASH}),
        ("/announce", {"info_hash": INFO_HASH, "port": 0}),
        ("/announce", {"info_hash": INFO_HASH, "port": True}),
        ("/announce", {"info_hash": INFO_HASH, "port": 65536}),
        ("/announce", {"info_hash": INFO_HASH, "port": "6881"}),
        ("/item/get", {}),
        ("/item/get", {"target": INFO_HASH, "salt": 5}),
        ("/item/put", {"value": "xyz"}),
        ("/item/put", {"value": b"not bencoded".hex()}),
        ("/item/put", {"value": bencoding.encode(b"x" * 1000).hex()}),
        ("/item/put", {"value": VALUE.hex(), "seq": 1}),
        ("/item/put", {"value": VALUE.hex(), "key": "00" * 32, "seq": 1, "signature": "00" * 64}),
        ("/item/put", {"value": VALUE.hex(), "key": "00" * 31, "seq": 1, "signature": "00" * 64}),
    ],
)
async def test_what_makes_no_sense_is_refused_with_the_reason(fabric: Fabric, path: str, fields: dict) -> None:
    async with opened(fabric, count=1) as api:
        answer = await api.client.post(path, json=fields)
        assert answer.status_code == 400
        assert answer.json()["error"]["reason"] == "invalid_argument"
        assert answer.json()["error"]["message"]


@pytest.mark.parametrize("body", [b"", b"nonsense", b"[]", b"5", b"\xff", b"[" * 50_000, b'{"endpoint": 1e999}'])
async def test_a_body_that_is_no_json_object_is_refused(fabric: Fabric, body: bytes) -> None:
    async with opened(fabric, count=1) as api:
        assert (await api.client.post("/ping", content=body)).status_code == 400


@pytest.mark.parametrize(
    ("method", "path", "code"), [("GET", "/ping", 405), ("POST", "/table", 405), ("GET", "/", 404)]
)
async def test_what_there_is_not_is_an_error_in_json(fabric: Fabric, method: str, path: str, code: int) -> None:
    async with opened(fabric, count=1) as api:
        answer = await api.client.request(method, path)
        assert answer.status_code == code
        assert answer.json()["error"]["reason"] == "invalid_argument"


async def test_a_bug_of_ours_is_told_as_one(fabric: Fabric, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened(fabric, count=1) as api:
        monkeypatch.setattr(api.node, "statistics", lambda: 1 / 0)
        answer = await api.client.get("/status")
        assert answer.status_code == 500
        assert "bug" in answer.json()["error"]["message"]
