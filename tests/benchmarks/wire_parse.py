"""PeerWire against plain memcpy: 1 GiB of 16 KiB blocks in reads of 256 KiB, each block copied out by its receiver.

    python tests/benchmarks/wire_parse.py

memcpy does the two copies that cannot be saved, into the receive buffer and out of it. Both run interleaved; medians.
"""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import process_time

from magnetite.ids import InfoHash, PeerId
from magnetite.wire.handshake import Handshake
from magnetite.wire.messages import BLOCK_LENGTH, Block, encode
from magnetite.wire.peer_wire import LARGE_BUFFER, PeerWire, new_landing

PIECE = 1 << 20  # bytes
BATCH = 64 << 20  # bytes of blocks sent again and again
TOTAL = 1 << 30
ROUNDS = 5


def blocks() -> memoryview:
    data = bytes(range(256)) * (BLOCK_LENGTH // 256)
    places = (divmod(offset, PIECE) for offset in range(0, BATCH, BLOCK_LENGTH))
    return memoryview(b"".join(encode(Block(piece, begin, data)) for piece, begin in places))


def parse(source: memoryview, piece: bytearray) -> None:
    wire = PeerWire()
    wire.land_in(new_landing())
    handshake = Handshake(InfoHash(1), PeerId(bytes(20))).encode()
    wire.buffer()[: len(handshake)] = handshake
    wire.received(len(handshake))
    for _ in range(TOTAL // BATCH):
        at = 0
        while at < len(source):
            buffer = wire.buffer()
            chunk = source[at : at + len(buffer)]
            buffer[: len(chunk)] = chunk
            at += len(chunk)
            for message in wire.received(len(chunk)):
                if isinstance(message, Block):
                    piece[message.begin : message.begin + len(message.data)] = message.data


def memcpy(source: memoryview, piece: bytearray) -> None:
    buffer = memoryview(bytearray(LARGE_BUFFER))
    out = memoryview(piece)
    for _ in range(TOTAL // BATCH):
        for at in range(0, len(source), LARGE_BUFFER):
            chunk = source[at : at + LARGE_BUFFER]
            buffer[: len(chunk)] = chunk
            begin = at % PIECE
            out[begin : begin + len(chunk)] = buffer[: len(chunk)]


def seconds(run: Callable[[memoryview, bytearray], None], source: memoryview) -> float:
    """CPU seconds."""
    piece = bytearray(PIECE)
    start = process_time()
    run(source, piece)
    return process_time() - start


def main() -> None:
    source = blocks()
    rounds = [(seconds(parse, source), seconds(memcpy, source)) for _ in range(ROUNDS)]
    parsing, copying = median(r[0] for r in rounds), median(r[1] for r in rounds)
    for name, cost in (("PeerWire", parsing), ("memcpy", copying)):
        print(f"{name:8} {TOTAL / cost / 1e6:8.0f} MB/s {cost * 1e9 / TOTAL:6.3f} CPU s/GB")
    print(f"PeerWire costs {parsing / copying:.2f} times the memcpy of the same bytes")


if __name__ == "__main__":
    main()
