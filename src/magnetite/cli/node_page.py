"""A running node described for people, from what its control API says. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from magnetite.cli.text import count, duration, printable, size

LABEL = 12  # characters of the first column


def describe_node(node: Mapping[str, Any]) -> str:
    """A page of text. Raises KeyError, TypeError or ValueError for what no node of this version says."""
    counters = node["counters"]
    return "\n".join(
        [
            *(line for address in node["addresses"] for line in _address(address)),
            _row("up", f"{duration(node['uptime'])}, magnetite {printable(node['version'])}"),
            "",
            *_traffic(counters),
            _row("ignored", _listed(counters["ignored"])),
            "",
            _row("lookups", _lookups(node["lookups"], counters)),
            _row("stored", _stored(node["stored"])),
            _row("blocklist", count(node["blocked_ranges"], "range")),
        ]
    )


def _address(address: Mapping[str, Any]) -> list[str]:
    contacts = f"{count(address['verified'], 'living contact')} of {address['contacts']:,}"
    if address["network_size"]:
        contacts += f"; the DHT has about {_rounded(address['network_size'])} nodes"
    return [
        f"{printable(address['local'])}  {_state(address)}",
        _row("node id", printable(address["node_id"])),
        _row("seen as", printable(address["external"]) if address["external"] else "not known yet"),
        _row("contacts", contacts),
        _row("waiting for", f"{count(address['pending'], 'answer')}; slow after {duration(address['stall'])}"),
    ]


def _state(address: Mapping[str, Any]) -> str:
    if not address["is_usable"]:
        return "looking for a first node of the DHT"
    return "joined; answers nobody (read-only)" if address["is_read_only"] else "joined"


def _traffic(counters: Mapping[str, Any]) -> list[str]:
    received, sent = counters["queries_received"], counters["queries_sent"]
    return [
        _row(
            "received",
            f"{size(counters['bytes_received'])}: {sum(received.values()):,} queries, "
            f"{counters['responses_received']:,} answers, {counters['errors_received']:,} errors",
        ),
        _row("", _listed(received)),
        _row(
            "sent",
            f"{size(counters['bytes_sent'])}: {sum(sent.values()):,} queries ({counters['timeouts']:,} timed out), "
            f"{counters['answers_sent']:,} answers, {counters['errors_sent']:,} errors",
        ),
        _row("", _listed(sent)),
    ]


def _lookups(active: int, counters: Mapping[str, Any]) -> str:
    finished = counters["lookups"]
    text = f"{active:,} under way, {finished:,} finished"
    if finished:
        queries, seconds = counters["lookup_queries"] / finished, counters["lookup_seconds"] / finished
        text += f", on average {queries:.0f} queries in {duration(seconds)}"
    return text


def _stored(stored: Mapping[str, Any]) -> str:
    peers = f"{count(stored['peers'], 'peer')} of {count(stored['info_hashes'], 'torrent')}"
    return f"{peers}, {count(stored['items'], 'item')}"


def _listed(numbers: Mapping[str, int]) -> str:
    """`ping 3, get_peers 1`, the most first; what is zero is left out."""
    listed = sorted(((number, name) for name, number in numbers.items() if number), reverse=True)
    return ", ".join(f"{printable(name)} {number:,}" for number, name in listed) or "none"


def _rounded(number: int) -> str:
    """An estimate, in no more digits than it is good for."""
    digits = max(len(str(number)) - 2, 0)
    return f"{round(number, -digits):,}"


def _row(label: str, text: str) -> str:
    return f"  {label:<{LABEL}}{text}"
