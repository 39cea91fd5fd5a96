"""What is not installed with magnetite itself, and how to get it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from magnetite.errors import StudyError


@contextmanager
def needing(extra: str) -> Iterator[None]:
    """Around imports of what an extra brings. Raises StudyError with the command that installs it."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise StudyError(f"this needs {error.name}: pip install 'magnetite[{extra}]'") from error
