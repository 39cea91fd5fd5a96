"""Addresses a node has nothing to do with, read from a list as people publish them. Pure."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from socket import AF_INET, AF_INET6, inet_pton  # conversions only: no socket is opened here
from typing import Final, TypeAlias

Range: TypeAlias = tuple[int, int]
"""The first and the last address, as numbers."""

ALLOWED_FROM: Final = 128  # in ipfilter.dat a level above 127 says that a range is allowed, not blocked
MAPPED: Final = bytes(10) + b"\xff\xff"  # what an IPv4 address begins with where it is written as IPv6 (RFC 4291)

_DAT = re.compile(r"([^,]+),\s*(\d+)\s*(?:,.*)?")  # eMule's ipfilter.dat: 001.002.003.004 - 001.002.003.255 , 0 , name
_COMMENT = re.compile(r"(?:^|\s)(?:#|;|//).*")
_PADDING = re.compile(r"\b0+(?=\d)")


class Blocklist:
    """Ranges of addresses.

    Invariant: in each family they are sorted by their first address, and neither overlap nor touch.
    """

    def __init__(self, ranges4: Iterable[Range] = (), ranges6: Iterable[Range] = ()) -> None:
        joined4, joined6 = _joined(ranges4), _joined(ranges6)
        self._firsts4 = array("I", (first for first, _ in joined4))  # 8 bytes a range; a list of ints takes 80
        self._lasts4 = array("I", (last for _, last in joined4))
        self._firsts6 = [first for first, _ in joined6]
        self._lasts6 = [last for _, last in joined6]
        self._is_empty = not joined4 and not joined6

    def __len__(self) -> int:
        """Ranges, after those that overlap or touch were joined."""
        return len(self._firsts4) + len(self._firsts6)

    def blocks(self, ip: str) -> bool:
        """Whether the list has the address; text that is none is on no list."""
        if self._is_empty:
            return False
        try:
            number, is_ipv6 = _number(ip)
        except (OSError, ValueError):
            return False
        if is_ipv6:
            return _is_in(number, self._firsts6, self._lasts6)
        return _is_in(number, self._firsts4, self._lasts4)


def parse_blocklist(lines: Iterable[str]) -> Blocklist:
    """A list with one entry a line: `1.2.3.0/24`, `1.2.3.4`, `1.2.3.4-1.2.3.9`, IPv6 alike.

    PeerGuardian's `name:1.2.3.4-1.2.3.9` (.p2p) and eMule's ipfilter.dat are understood, too. Empty lines and comments
    (`#`, `;` or `//` to the end of the line) do not count. Raises ValueError that names the line.
    """
    ranges: dict[bool, list[Range]] = {False: [], True: []}
    for at, line in enumerate(lines, 1):
        try:
            entry = _parse(line)
        except (OSError, ValueError):
            text = line.strip()
            shown = text if len(text) <= 60 else text[:60] + "…"
            raise ValueError(
                f"line {at}: {shown!r} is no address, no network (1.2.3.0/24) and no range (1.2.3.4-1.2.3.9)"
            ) from None
        if entry is not None:
            span, is_ipv6 = entry
            ranges[is_ipv6].append(span)
    return Blocklist(ranges[False], ranges[True])


def _parse(line: str) -> tuple[Range, bool] | None:
    """The range of a line and whether it is of IPv6 addresses; None if the line has none."""
    text = line.strip()
    if not text or text.startswith(("#", ";", "//")):
        return None
    try:
        return _span(text)
    except (OSError, ValueError):  # a remark behind it, or another format
        pass
    if "," in text and (dat := _DAT.fullmatch(text)):
        return None if int(dat[2]) >= ALLOWED_FROM else _span(_PADDING.sub("", dat[1]))
    try:
        return _span(text.rpartition(":")[2])  # a name may hold anything, comment signs and colons included
    except (OSError, ValueError):
        return _span(_COMMENT.sub("", text))


def _span(text: str) -> tuple[Range, bool]:
    """Raises OSError or ValueError for what is no address, network or range."""
    first_text, dash, last_text = text.partition("-")
    if dash:
        (first, is_ipv6), (last, last_is_ipv6) = _number(first_text.strip()), _number(last_text.strip())
        if is_ipv6 is not last_is_ipv6 or first > last:
            raise ValueError
        return (first, last), is_ipv6
    address, slash, prefix = text.partition("/")
    number, is_ipv6 = _number(address.strip())
    if not slash:
        return (number, number), is_ipv6
    # An IPv4 address in IPv6's clothes has become one of IPv4: its prefix counts from there.
    length = int(prefix) - (96 if ":" in address and not is_ipv6 else 0)
    free = (128 if is_ipv6 else 32) - length
    if length < 0 or free < 0:
        raise ValueError
    first = number >> free << free
    return (first, first | (1 << free) - 1), is_ipv6


def _number(ip: str) -> tuple[int, bool]:
    """The address as a number, and whether it is of IPv6. Raises OSError, or ValueError for what text cannot be."""
    if ":" not in ip:
        return int.from_bytes(inet_pton(AF_INET, ip), "big"), False
    packed = inet_pton(AF_INET6, ip)
    if packed.startswith(MAPPED):
        return int.from_bytes(packed[12:], "big"), False
    return int.from_bytes(packed, "big"), True


def _joined(ranges: Iterable[Range]) -> list[Range]:
    joined: list[Range] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = joined[-1][0], max(last, joined[-1][1])
        else:
            joined.append((first, last))
    return joined


def _is_in(number: int, firsts: Sequence[int], lasts: Sequence[int]) -> bool:
    at = bisect_right(firsts, number) - 1
    return at >= 0 and number <= lasts[at]
