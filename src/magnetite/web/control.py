"""The control API of a running node, JSON over HTTP. docs/node.md describes it for its callers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import fields
from functools import wraps
from importlib.metadata import version
from math import isfinite
from typing import Any, Final

import trio
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from magnetite.dht.contact import Contact
from magnetite.dht.items import ImmutableItem, Item
from magnetite.dht.node import DhtNode
from magnetite.dht.routing_entry import RoutingEntry
from magnetite.dht.statistics import AddressStatistics, Counters, Ignored, NodeStatistics
from magnetite.errors import MagnetiteError, Reason
from magnetite.web import requests
from magnetite.web.lookup_log import ActiveLookup, LookupLog
from magnetite.web.server import App
from magnetite.web.streaming import LinesResponse, WriteLine, described

TIMEOUT: Final = 120.0  # seconds for an answer; a lookup takes a few, joining first may take as long as it likes

_STATUS: Final = {
    Reason.INVALID_ARGUMENT: 400,
    Reason.TIMEOUT: 504,  # of the node that was asked, or ours
}  # all others: 502, it is not this program that failed


def control_app(node: DhtNode, lookups: LookupLog, blocked_ranges: Callable[[], int]) -> App:
    """The API for `node`. It is for its owner: whoever can connect may do everything."""
    control = Control(node, lookups, blocked_ranges, trio.current_time())
    routes = [
        Route("/status", control.status),
        Route("/table", control.table),
        Route("/lookups", control.lookups),
        Route("/ping", control.ping, methods=["POST"]),
        Route("/find_node", control.find_node, methods=["POST"]),
        Route("/get_peers", control.get_peers, methods=["POST"]),
        Route("/announce", control.announce, methods=["POST"]),
        Route("/item/get", control.get_item, methods=["POST"]),
        Route("/item/put", control.put_item, methods=["POST"]),
    ]
    return Starlette(
        routes=routes,
        exception_handlers={HTTPException: _no_such_route, Exception: _our_bug},
    )


def _in_time(method: Callable[[Control, Request], Awaitable[App]]) -> Any:
    """What a method raises is told its caller, and nobody waits for ever."""

    @wraps(method)
    async def endpoint(control: Control, request: Request) -> App:
        try:
            with trio.fail_after(TIMEOUT):
                return await method(control, request)
        except trio.TooSlowError:
            return _error(504, Reason.TIMEOUT, f"not finished after {TIMEOUT:.0f} s")
        except MagnetiteError as error:
            return _error(_STATUS.get(error.reason, 502), error.reason, str(error))

    return endpoint


class Control:
    """The methods of the API."""

    def __init__(self, node: DhtNode, lookups: LookupLog, blocked_ranges: Callable[[], int], started: float) -> None:
        self._node = node
        self._lookups = lookups
        self._blocked_ranges = blocked_ranges
        self._started = started

    @_in_time
    async def status(self, request: Request) -> Response:
        uptime = trio.current_time() - self._started
        return JSONResponse(node_record(self._node.statistics(), self._blocked_ranges(), uptime))

    @_in_time
    async def table(self, request: Request) -> Response:
        now = trio.current_time()
        return JSONResponse({"contacts": [_entry(each, now) for each in self._node.contacts()]})

    @_in_time
    async def lookups(self, request: Request) -> Response:
        now = trio.current_time()
        recent = [
            {
                "target": str(each.target),
                "ended": round(now - each.time, 3),
                "asked": each.asked,
                "answered": each.answered,
                "peers": each.peers,
                "hops": each.hops,
                "duration": round(each.duration, 3),
            }
            for each in self._lookups.recent
        ]
        return JSONResponse({"active": [_active(each, now) for each in self._lookups.active], "recent": recent})

    @_in_time
    async def ping(self, request: Request) -> Response:
        endpoint = requests.endpoint_in(requests.parse_fields(await request.body(), ["endpoint"]))
        began = trio.current_time()
        contact = await self._node.ping(endpoint)
        return JSONResponse(_contact(contact) | {"round_trip": round(trio.current_time() - began, 4)})

    @_in_time
    async def find_node(self, request: Request) -> Response:
        target = requests.target_in(requests.parse_fields(await request.body(), ["target"]))
        return JSONResponse({"closest": _contacts(await self._node.find_node(target))})

    @_in_time
    async def get_peers(self, request: Request) -> App:
        info_hash = requests.info_hash_in(requests.parse_fields(await request.body(), ["info_hash"]))

        async def produce(write: WriteLine) -> None:
            async with self._node.get_peers(info_hash) as search:
                peers = 0
                async for endpoint in search:
                    peers += 1
                    await write(peer=str(endpoint))
                await write(peers=peers, closest=_contacts(search.closest))

        return LinesResponse(produce, TIMEOUT)

    @_in_time
    async def announce(self, request: Request) -> Response:
        asked = requests.parse_fields(await request.body(), ["info_hash", "port"])
        nodes = await self._node.announce(requests.info_hash_in(asked), requests.port_in(asked))
        return JSONResponse({"nodes": nodes})

    @_in_time
    async def get_item(self, request: Request) -> Response:
        asked = requests.parse_fields(await request.body(), ["target", "salt"])
        item = await self._node.items.get(requests.target_in(asked), requests.salt_in(asked))
        return JSONResponse({"item": None if item is None else _item(item)})

    @_in_time
    async def put_item(self, request: Request) -> Response:
        allowed = ["value", "key", "seq", "signature", "salt", "cas"]
        asked = requests.parse_fields(await request.body(), allowed)
        item = requests.item_in(asked)
        stored = await self._node.items.put(item, requests.cas_in(asked))
        return JSONResponse({"target": str(item.target), "nodes": stored.accepted, "refusals": stored.refusals})


def node_record(statistics: NodeStatistics, blocked_ranges: int, uptime: float) -> dict[str, object]:
    """A node at one moment, as plain JSON values."""
    return {
        "version": version("magnetite"),
        "uptime": round(uptime, 1),
        "addresses": [_address(each) for each in statistics.addresses],
        "lookups": statistics.searches,
        "stored": {"info_hashes": statistics.info_hashes, "peers": statistics.peers, "items": statistics.items},
        "blocked_ranges": blocked_ranges,
        "counters": _counters(statistics.counters),
    }


def _address(address: AddressStatistics) -> dict[str, object]:
    return {
        "local": str(address.local),
        "external": None if address.external is None else str(address.external),
        "node_id": str(address.node_id),
        "is_usable": address.is_usable,
        "is_read_only": address.is_read_only,
        "contacts": address.contacts,
        "verified": address.verified,
        "pending": address.pending,
        "stall": round(address.stall, 4),
        "network_size": address.network_size,
    }


def _counters(counters: Counters) -> dict[str, object]:
    return {field.name: getattr(counters, field.name) for field in fields(counters)} | {
        "ignored": {reason.value: counters.ignored[reason] for reason in Ignored},
        "lookup_seconds": round(counters.lookup_seconds, 3),
    }


def _entry(entry: RoutingEntry, now: float) -> dict[str, object]:
    return _contact(entry.contact) | {
        "verified": entry.is_verified,
        "round_trip": round(entry.round_trip, 4) if isfinite(entry.round_trip) else None,
        "answered": round(now - entry.last_response, 1) if entry.is_verified else None,
        "failures": entry.failures,
    }


def _active(lookup: ActiveLookup, now: float) -> dict[str, object]:
    return {
        "target": str(lookup.target),
        "running": lookup.running,
        "for": round(now - lookup.started, 3),
        "asked": lookup.asked,
        "answered": lookup.answered,
        "peers": lookup.peers,
    }


def _item(item: Item) -> dict[str, object]:
    if isinstance(item, ImmutableItem):
        return {"value": item.value.hex()}
    return {
        "value": item.value.hex(),
        "key": item.key.hex(),
        "seq": item.seq,
        "signature": item.signature.hex(),
        "salt": item.salt.hex(),
    }


def _contacts(contacts: Sequence[Contact]) -> list[dict[str, object]]:
    return [_contact(each) for each in contacts]


def _contact(contact: Contact) -> dict[str, object]:
    return {"node_id": str(contact.node_id), "endpoint": str(contact.endpoint)}


def _error(status: int, reason: Reason, message: str) -> Response:
    return JSONResponse({"error": described(reason, message)}, status)


async def _no_such_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    message = f"{error.detail}: {request.method} {request.url.path[:60]}"
    return _error(error.status_code, Reason.INVALID_ARGUMENT, message)


async def _our_bug(request: Request, error: Exception) -> Response:
    return _error(500, Reason.PROTOCOL_ERROR, "a bug in magnetite; its log has the details")
