"""`magnetite status`: how the node on this machine is doing."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, Final

import click

from magnetite.cli.node_page import describe_node
from magnetite.cli.options import CONTROL_SOCKET, control_option, report_options, state_option
from magnetite.cli.report import Report
from magnetite.errors import MagnetiteError, Reason, RemoteProtocolError, StorageError

PATIENCE: Final = 10.0  # seconds for a node to answer


@click.command(epilog="Example:  magnetite status --state /var/lib/magnetite")
@state_option
@control_option
@report_options
def status(state: Path, control: Path | None, run: Callable[..., None]) -> None:
    """Show how a running node is doing: its contacts, traffic, lookups and stores.

    Name the state folder that the node was started with.
    """
    run(partial(_status, control or state / CONTROL_SOCKET))


async def _status(control: Path, report: Report) -> None:
    node = await _ask(control)
    try:
        text = describe_node(node)
    except (KeyError, TypeError, ValueError):
        message = f"{control}: another program, or another version of magnetite, listens there"
        raise RemoteProtocolError(message) from None
    await report.result(text, "status", **node)


async def _ask(control: Path) -> dict[str, Any]:
    """What the node says of itself. Raises MagnetiteError if there is none, or none that answers."""
    import httpx  # a fifth of a second that other verbs need not pay

    transport = httpx.AsyncHTTPTransport(uds=os.fspath(control))
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://node", timeout=PATIENCE) as client:
            answer = await client.get("/status")
            node = answer.raise_for_status().json()
    except httpx.ConnectError:
        raise _nobody_at(control) from None
    except httpx.TimeoutException:
        raise MagnetiteError(f"{control}: no answer within {PATIENCE:.0f} s", Reason.TIMEOUT) from None
    except (httpx.HTTPError, ValueError) as error:
        raise RemoteProtocolError(f"{control}: no node answers there: {error}") from None
    return dict(node)


def _nobody_at(control: Path) -> MagnetiteError:
    if control.exists() and not os.access(control, os.W_OK):
        message = f"{control}: permission denied; ask as the user whom the node belongs to"
        return StorageError(message, Reason.NOT_READABLE)
    message = f"no node listens at {control}; start one with `magnetite node`, or name its folder with --state"
    return MagnetiteError(message, Reason.NO_NODE)
