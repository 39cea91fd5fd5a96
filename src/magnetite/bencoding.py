"""Bencoding, strict and bounded: the only door through which bytes from outside reach bencode.py. Pure.

The library's decoder accepts what BEP 3 does not (`i+5e`, `1_0:`, negative key lengths that never end, trailing text
taken for numbers) and knows neither limits nor where a value lay. The subclass here overrides the methods that read
numbers, strings, lists and dictionaries; the library keeps the dispatch and the encoder.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from bencodepy import BencodeDecoder, BencodeEncoder

from magnetite.errors import BencodeError, LocalProtocolError

Value: TypeAlias = "int | bytes | list[Value] | dict[bytes, Value]"
Encodable: TypeAlias = "int | bytes | str | Sequence[Encodable] | Mapping[bytes, Encodable] | Mapping[str, Encodable]"
Span: TypeAlias = tuple[int, int]

INT64 = 1 << 63  # integers beyond 64 bits have no use in any BEP

# Canonical numbers only: no leading zeros, no minus zero, nothing but a sign and digits (BEP 3)
_INTEGER = re.compile(rb"i(0|-?[1-9][0-9]{0,18})e").match
_LENGTH = re.compile(rb"(0|[1-9][0-9]{0,18}):").match


@dataclass(frozen=True, slots=True)
class Limits:
    """What one encoded value may cost us: nesting depth, and how many items there are in all."""

    depth: int = 32
    items: int = 1 << 20


DATAGRAM = Limits(depth=8, items=512)  # a KRPC message nests 4 deep; 1,400 bytes of `le` must not become 700 lists
QUERY = Limits(depth=8, items=80)  # a query has 20 and those of an item's value; so many take 0.2 ms
METAINFO = Limits(depth=32, items=1 << 20)
EXTENSION = Limits(depth=8, items=1024)  # the payload of an extension message (BEP 10)


class _Decoder(BencodeDecoder):  # type: ignore[misc]  # the library has no type hints
    """One decoding run: counts items, and notes where the values of the outermost dictionary lie."""

    def __init__(self, limits: Limits, sorted_keys: bool) -> None:
        super().__init__(max_depth=limits.depth)
        self._left = limits.items
        self._sorted_keys = sorted_keys
        self.spans: dict[bytes, Span] = {}

    def read(self, data: bytes, start: int) -> tuple[Value, int]:
        """To be called once."""
        try:
            value, end = self.decode_func[data[start : start + 1]](data, start, depth=0)
        except KeyError:
            raise BencodeError("a bencoded value starts with a digit, i, l or d") from None
        except IndexError:
            raise BencodeError("bencoded data ends too early") from None
        finally:
            self.decode_func.clear()  # a ring of the decoder and its methods, which only the collector would free
        return value, end

    def decode_int(self, data: bytes, start: int, **_: Any) -> tuple[int, int]:
        digits = _INTEGER(data, start)
        if digits is None:
            raise BencodeError(f"bad integer at byte {start}")
        value = int(digits[1])
        if not -INT64 <= value < INT64:
            raise BencodeError(f"integer beyond 64 bits at byte {start}")
        return value, digits.end()

    def decode_string(self, data: bytes, start: int, kind: str = "value", **_: Any) -> tuple[bytes, int]:
        digits = _LENGTH(data, start)
        if digits is None:
            raise BencodeError(f"bad string length at byte {start}")
        begin = digits.end()
        end = begin + int(digits[1])
        if end > len(data):
            raise BencodeError(f"string at byte {start} is longer than what is left")
        return data[begin:end], end

    def decode_list(self, data: bytes, start: int, depth: int = 0, **_: Any) -> tuple[list[Value], int]:
        self._enter(depth, start)
        result: list[Value] = []
        functions: dict[bytes, Callable[..., tuple[Value, int]]] = self.decode_func
        at = start + 1
        while data[at : at + 1] != b"e":
            self._count(at)
            value, at = functions[data[at : at + 1]](data, at, depth=depth + 1)
            result.append(value)
        return result, at + 1

    def decode_dict(self, data: bytes, start: int, depth: int = 0, **_: Any) -> tuple[dict[bytes, Value], int]:
        self._enter(depth, start)
        result: dict[bytes, Value] = {}
        functions: dict[bytes, Callable[..., tuple[Value, int]]] = self.decode_func
        at, last = start + 1, None
        while data[at : at + 1] != b"e":
            self._count(at)
            key, value_at = self.decode_string(data, at)
            if key in result:
                raise BencodeError(f"key {key[:40]!r} stands twice")
            if self._sorted_keys and last is not None and key < last:
                raise BencodeError(f"key {key[:40]!r} is out of order")
            value, end = functions[data[value_at : value_at + 1]](data, value_at, depth=depth + 1)
            if depth == 0:
                self.spans[key] = (value_at, end)
            result[key], at, last = value, end, key
        return result, at + 1

    def _enter(self, depth: int, start: int) -> None:
        if depth >= self.max_depth:
            raise BencodeError(f"nested more than {self.max_depth} deep at byte {start}")

    def _count(self, at: int) -> None:
        self._left -= 1
        if self._left < 0:
            raise BencodeError(f"too many items at byte {at}")


def decode(data: bytes, limits: Limits = METAINFO, *, sorted_keys: bool = False) -> Value:
    """The one value that `data` holds, all of it.

    `sorted_keys` demands the order BEP 3 prescribes, for what is hashed or signed; other clients' messages and real
    torrents do not always keep to it. Duplicate keys are never accepted. Raises BencodeError.
    """
    value, end = decode_prefix(data, limits, sorted_keys=sorted_keys)
    if end != len(data):
        raise BencodeError(f"{len(data) - end} bytes after the end of the value")
    return value


def decode_prefix(
    data: bytes, limits: Limits = METAINFO, *, start: int = 0, sorted_keys: bool = False
) -> tuple[Value, int]:
    """The value that begins at `start`, and where it ends: BEP 9 puts raw bytes behind it. Raises BencodeError."""
    return _Decoder(limits, sorted_keys).read(data, start)


def decode_dict(data: bytes, limits: Limits = METAINFO) -> tuple[dict[bytes, Value], dict[bytes, Span]]:
    """The dictionary that `data` holds, and the span of each of its values.

    `data[slice(*spans[b"info"])]` are the bytes to hash: never a re-encoding, for real torrents are unsorted.
    Raises BencodeError, also when it is no dictionary.
    """
    decoder = _Decoder(limits, sorted_keys=False)
    value, end = decoder.read(data, 0)
    if not isinstance(value, dict):
        raise BencodeError("not a bencoded dictionary")
    if end != len(data):
        raise BencodeError(f"{len(data) - end} bytes after the end of the dictionary")
    return value, decoder.spans


def encode(value: Encodable) -> bytes:
    """`value` in canonical bencoding, keys sorted as raw bytes. Raises LocalProtocolError for any other type."""
    try:
        return _ENCODER.encode(value)  # type: ignore[no-any-return]
    except (KeyError, TypeError, UnicodeEncodeError) as error:
        raise LocalProtocolError(f"cannot be bencoded: {error}") from None


_ENCODER = BencodeEncoder()
