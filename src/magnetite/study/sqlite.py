"""Events of a run in an SQLite file, readable while it runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from magnetite.study.trace import Plain

_TABLES: Final = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = OFF;
CREATE TABLE events (number INTEGER PRIMARY KEY, time REAL, host TEXT, kind TEXT, fields TEXT);
CREATE TABLE facts (name TEXT PRIMARY KEY, value);
"""


class SqliteTrace:
    """A table `events` in their order, their fields as JSON, and a table `facts`, filled at the end."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._database = sqlite3.connect(path)
        self._database.executescript(_TABLES)

    def write(self, records: list[tuple[float, str, str, str]]) -> None:
        with self._database:
            self._database.executemany("INSERT INTO events (time, host, kind, fields) VALUES (?, ?, ?, ?)", records)

    def close(self, facts: Mapping[str, Plain]) -> None:
        with self._database:
            self._database.executemany("INSERT INTO facts VALUES (?, ?)", facts.items())
        self._database.execute("PRAGMA journal_mode = DELETE")
        self._database.close()
