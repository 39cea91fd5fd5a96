"""The file in which a node remembers itself: read at the start, replaced as a whole, set aside when damaged."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path

from magnetite.dht.contact import Contact
from magnetite.dht.snapshot import Snapshot, decode_snapshot, encode_snapshot
from magnetite.errors import StorageError
from magnetite.ids import NodeId
from magnetite.storage.atomic import write_atomically

log = logging.getLogger(__name__)


def load_state(path: Path | None) -> Snapshot:
    """What was saved at `path`; nothing where there is nothing, or nothing readable: a damaged file is set aside."""
    if path is None:
        return Snapshot()
    try:
        return decode_snapshot(path.read_bytes())
    except FileNotFoundError:
        pass
    except OSError as error:
        log.warning("starting without the DHT state in %s: %s", path, error)
    except StorageError as error:
        aside = path.with_name(path.name + ".damaged")
        log.warning("%s; starting without it, it is kept as %s", error, aside)
        _set_aside(path, aside)
    return Snapshot()


def save_state(path: Path | None, node_ids: Mapping[str, NodeId], contacts: Sequence[Contact]) -> None:
    """Write what `load_state` will read. A disk that refuses is no reason to stop: it is logged.

    Without contacts nothing is saved: older ones are better than none.
    """
    if path is None or not contacts:
        return
    try:
        write_atomically(path, encode_snapshot(node_ids, contacts))
    except (OSError, StorageError) as error:
        log.warning("could not save the DHT state to %s: %s", path, error)


def _set_aside(path: Path, aside: Path) -> None:
    try:
        path.replace(aside)
    except OSError as error:
        log.warning("could not rename %s: %s", path, error)
