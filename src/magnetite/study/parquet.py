"""Parquet files: the events of a run, and the rows of one, with the facts of the run in the file's metadata.

Needs the extra `study`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from magnetite.errors import StudyError
from magnetite.study.needed import needing
from magnetite.study.report import Report
from magnetite.study.trace import Plain, Row

with needing("study"):
    import pyarrow
    from pyarrow import parquet

FACTS: Final = b"magnetite"  # the key of the metadata
_EVENTS: Final = pyarrow.schema(
    [("time", pyarrow.float64()), ("host", pyarrow.string()), ("kind", pyarrow.string()), ("fields", pyarrow.string())]
)


class ParquetTrace:
    """Events in their order, their fields as JSON."""

    def __init__(self, path: Path) -> None:
        self._writer = parquet.ParquetWriter(path, _EVENTS, compression="zstd")

    def write(self, records: list[tuple[float, str, str, str]]) -> None:
        if records:
            columns = [list(column) for column in zip(*records, strict=True)]
            self._writer.write_table(pyarrow.table(columns, schema=_EVENTS))

    def close(self, facts: Mapping[str, Plain]) -> None:
        self._writer.add_key_value_metadata({FACTS.decode(): json.dumps(facts)})
        self._writer.close()


def write_report(report: Report, path: Path) -> None:
    """One run's rows; the file is there as a whole or not at all. Raises StudyError for columns of mixed kinds."""
    table = _table(report.rows).replace_schema_metadata({FACTS: json.dumps(report.facts).encode()})
    unfinished = path.with_name(path.name + ".part")
    parquet.write_table(table, unfinished)
    unfinished.replace(path)


def read_report(path: Path) -> Report:
    """What `write_report` wrote. Raises StudyError for a file that is none of it."""
    try:
        table = parquet.read_table(path)
        facts = json.loads((table.schema.metadata or {})[FACTS])
        parameters, versions = json.loads(facts.pop("parameters")), json.loads(facts.pop("versions"))
        return Report(**facts, parameters=parameters, versions=versions, rows=table.to_pylist())
    except (OSError, KeyError, TypeError, ValueError, pyarrow.ArrowException) as error:
        raise StudyError(f"{path}: is no finished run of a study; remove it to have it run again: {error}") from error


def _table(rows: list[Row]) -> pyarrow.Table:
    names = list(dict.fromkeys(name for row in rows for name in row))
    columns = []
    for name in names:
        try:
            columns.append(pyarrow.array([row.get(name) for row in rows]))
        except pyarrow.ArrowException as error:
            raise StudyError(f"the column {name!r} mixes values of different kinds: {error}") from error
    return pyarrow.table(columns, names=names)
