"""Which bytes of a file an HTTP request asks for (RFC 9110, section 14). Pure."""

from __future__ import annotations

import re
from typing import Final

_RANGE: Final = re.compile(r"\s*bytes\s*=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII | re.IGNORECASE)


class Unsatisfiable(ValueError):
    """None of the bytes asked for exist: the answer is 416."""


def parse_range(header: str, length: int) -> range | None:
    """The bytes that the header `Range` names, of a file of `length` bytes.

    None where it is to be ignored and the whole file sent: another unit, several ranges (which a server need not
    give), or nonsense. Raises Unsatisfiable.
    """
    match = _RANGE.fullmatch(header)
    if match is None or not (match[1] or match[2]):
        return None
    if not match[1]:  # so many bytes at the end
        first, last = max(length - int(match[2]), 0), length - 1
    else:
        first, last = int(match[1]), int(match[2] or length)
        if last < first and match[2]:
            return None
    if first >= length:
        raise Unsatisfiable(header)
    return range(first, min(last + 1, length))
