"""What verbs have in common that ask the DHT something: a node, and a line that says what it is busy with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from magnetite.cli.networking import Networking
from magnetite.cli.report import Report
from magnetite.cli.status import DhtTally, Phase, Status
from magnetite.dht.node import DhtNode
from magnetite.events import Event


@asynccontextmanager
async def asking(
    networking: Networking, report: Report, words: Callable[[], str], *, stays: bool = False
) -> AsyncIterator[DhtNode]:
    """A node on any free port; once it has joined, `words` say what is being done.

    Unless it `stays` others are asked not to remember it (BEP 43): it would be a dead contact in their tables soon.
    """
    tally = DhtTally()

    def observe(event: Event) -> None:
        tally.observe(event)
        report.observe(event)

    def status() -> Status:
        return Status(Phase.SEARCHING, words()) if tally.has_joined else Status(Phase.JOINING, tally.joining())

    async with (
        networking.open_node(observe, default_port=0, read_only=None if stays else True) as node,
        report.showing(status),
    ):
        yield node
