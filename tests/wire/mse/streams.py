"""Both roles of the encrypted handshake, talking to each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import chain, repeat

from magnetite.wire.mse.initiator import Initiator
from magnetite.wire.mse.receiver import Receiver


def chunks(data: bytes, sizes: Iterator[int]) -> Iterable[bytes]:
    at = 0
    while at < len(data):
        size = next(sizes)
        yield data[at : at + size]
        at += size


def talk(caller: Initiator, called: Receiver, sizes: Iterable[int] = ()) -> None:
    """Until neither has anything to say; what each says arrives in pieces of these sizes, and then whole."""
    cuts = chain(sizes, repeat(1 << 16))
    to_called, to_caller = caller.opening, b""
    while to_called or to_caller:
        to_caller += b"".join([called.received(chunk) for chunk in chunks(to_called, cuts)])
        to_called = b"".join([caller.received(chunk) for chunk in chunks(to_caller, cuts)])
        to_caller = b""
