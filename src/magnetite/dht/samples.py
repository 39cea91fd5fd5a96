"""What a node tells an indexer about the info-hashes it stores peers for (BEP 51). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from magnetite.ids import InfoHash

MAX_INTERVAL: Final = 6 * 60 * 60  # seconds; "the permissible range is between 0 and 21600" (BEP 51)


@dataclass(frozen=True, slots=True)
class Samples:
    """Some of the `num` info-hashes a node stores; others may be given after `interval` seconds."""

    info_hashes: tuple[InfoHash, ...]
    num: int
    interval: int
