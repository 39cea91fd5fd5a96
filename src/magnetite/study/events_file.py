"""Reading the events of a run back, for pandas. Needs the extra `study`."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from magnetite.errors import StudyError
from magnetite.study.needed import needing

if TYPE_CHECKING:
    import pandas


def read_events(path: Path | str, *kinds: str) -> pandas.DataFrame:
    """Events in their order: `time` in seconds, `host`, `kind`, and a column for each of their fields.

    Of all kinds, or of those that are named, such as "piece_verified". Raises StudyError if it is no trace.
    """
    with needing("study"):
        import pandas

    frame = _read(Path(path))
    if kinds:
        frame = frame[frame["kind"].isin(kinds)]
    fields = pandas.json_normalize([json.loads(text) for text in frame["fields"]], max_level=0)
    return pandas.concat([frame.drop(columns="fields").reset_index(drop=True), fields], axis=1)


def _read(path: Path) -> pandas.DataFrame:
    import pandas

    if path.suffix == ".parquet":
        return pandas.read_parquet(path)
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
            return pandas.read_sql("SELECT time, host, kind, fields FROM events ORDER BY number", database)
    except (sqlite3.Error, pandas.errors.DatabaseError) as error:
        raise StudyError(f"{path}: is no trace of a study: {error}") from error
