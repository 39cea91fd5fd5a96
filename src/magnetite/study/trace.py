"""What happened in a simulation, in order: typed events on their way into a digest, and into a file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Final, Protocol, TypeAlias

from magnetite.events import Event, as_record

Plain: TypeAlias = str | int | float | bool | None
"""What a cell of a table may be."""

Row: TypeAlias = dict[str, Plain]

DIGEST: Final = 16  # bytes
BATCH: Final = 5_000  # events that are written at once


class Noted(Event, frozen=True):
    """Something a study says itself, by `World.note`."""

    what: str
    values: Mapping[str, Plain]

    @property
    def kind(self) -> str:
        return self.what


class TraceFile(Protocol):
    """Where events are kept: `SqliteTrace` and `ParquetTrace`."""

    def write(self, records: list[tuple[float, str, str, str]]) -> None:
        """Rows of time, host, kind and the event's fields as JSON, in order."""
        ...

    def close(self, facts: Mapping[str, Plain]) -> None:
        """There will be no more; `facts` say of which run it was."""
        ...


class Trace:
    """The events of one run, in order.

    The digest is over time, host and fields of each, exactly: two runs with the same digest did the same. It does not
    depend on whether there is a file.
    """

    def __init__(self, file: TraceFile | None = None) -> None:
        self.count = 0
        self._hash = blake2b(digest_size=DIGEST)
        self._file = file
        self._waiting: list[tuple[float, str, str, str]] = []

    def add(self, host: str, event: Event) -> None:
        self.count += 1
        self._hash.update(f"{host} {event!r}\n".encode())
        if self._file is not None:
            self._waiting.append((event.time, host, event.kind, json.dumps(_fields(event))))
            if len(self._waiting) >= BATCH:
                self._flush(self._file)

    def add_row(self, row: Row) -> None:
        """A measurement is part of what happened, too."""
        self._hash.update(f"{row!r}\n".encode())

    @property
    def digest(self) -> str:
        """Of all so far, in hexadecimal digits."""
        return self._hash.hexdigest()

    def close(self, facts: Mapping[str, Plain]) -> None:
        if self._file is not None:
            self._flush(self._file)
            self._file.close(facts)

    def _flush(self, file: TraceFile) -> None:
        file.write(self._waiting)
        self._waiting = []


def open_trace(path: Path) -> TraceFile:
    """A new file of events: Parquet where the name ends in `.parquet`, SQLite otherwise. What was there is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        from magnetite.study.parquet import ParquetTrace

        return ParquetTrace(path)
    from magnetite.study.sqlite import SqliteTrace

    return SqliteTrace(path)


def _fields(event: Event) -> Mapping[str, object]:
    if isinstance(event, Noted):
        return event.values
    record = as_record(event)
    return {name: record[name] for name in record if name not in ("v", "event", "time")}
