"""Production's constants under other values for a while: how a study finds what one design choice is worth."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pkgutil import resolve_name

from magnetite.errors import StudyError


@contextmanager
def altered(values: Mapping[str, object]) -> Iterator[None]:
    """While the block lasts, `{"dht.lookup.ALPHA": 1}` holds for all nodes of the process; then what was there before.

    Names are of modules and classes of magnetite, methods too. A module that imports a constant has one of its own: it
    is to be altered where it is read. Raises StudyError for a name that is not there, for that would change nothing.
    """
    before: list[tuple[object, str, object]] = []
    for path in values:
        place, _, name = path.rpartition(".")
        try:
            owner = resolve_name(f"magnetite.{place}")
            before.append((owner, name, vars(owner)[name]))
        except (ImportError, AttributeError, KeyError, ValueError) as error:
            raise StudyError(f"magnetite has no {path} to alter") from error
    try:
        for (owner, name, _), value in zip(before, values.values(), strict=True):
            setattr(owner, name, value)
        yield
    finally:
        for owner, name, value in before:
            setattr(owner, name, value)
