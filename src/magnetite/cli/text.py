"""Sizes, times and names as people read them. Pure."""

from __future__ import annotations

from collections.abc import Sized

_UNITS = ("KiB", "MiB", "GiB", "TiB", "PiB")
_LONGEST_NAME = 28  # characters of a name in a line that says other things, too


def size(length: float) -> str:
    """`1023 B`, `1.5 KiB`, `32.0 MiB`."""
    if length < 1024:
        return f"{length:.0f} B"
    for unit in _UNITS:
        length /= 1024
        if length < 1023.95 or unit == _UNITS[-1]:
            break
    return f"{length:.1f} {unit}"


def duration(seconds: float) -> str:
    """`40 ms`, `4.0 s`, `12 s`, `3:05 min`, `2:03 h`, `5 days`."""
    if seconds < 0.9995:
        return f"{1000 * seconds:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes == 0:
        return f"{rest} s"
    if minutes < 60:
        return f"{minutes}:{rest:02} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02} h" if hours < 48 else f"{hours // 24} days"


def count(things: int | Sized, noun: str) -> str:
    """`1 peer`, `2 peers`."""
    number = things if isinstance(things, int) else len(things)
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def printable(text: str) -> str:
    """Text from strangers without what would steer a terminal: control and unassigned characters, lone surrogates."""
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)


def shortened(text: str) -> str:
    """A name that leaves room for the rest of the line: its beginning and its end, where names of one kind differ."""
    text = printable(text)
    half = _LONGEST_NAME // 2
    return text if len(text) <= _LONGEST_NAME else f"{text[:half]}…{text[1 - half :]}"
