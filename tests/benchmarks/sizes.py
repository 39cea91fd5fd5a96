"""The longest answer (A6), and what memory others can make a node use (A7)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from hashlib import sha1
from random import Random

from tests.benchmarks.answering import Subject
from tests.benchmarks.figures import Figure
from tests.benchmarks.load import Crowd, Shot, Tally, token_of

STRANGERS = 2_000  # the first source that is no member
PADDING = (0, 100, 600)  # bytes of an unknown argument: longer queries may have longer answers
WANT = b"4:wantl2:n42:n6e"


def info_hash(number: int) -> bytes:
    return b"9:info_hash20:" + sha1(b"%d" % number).digest()


def announce(crowd: Crowd, info_hashes: int, peers: int, seconds: float = 120.0) -> Tally:
    """Announce so many peers, each from an address of its own, of each info-hash; those that were given a token."""
    tokens: list[tuple[int, int, bytes]] = []

    def ask() -> Iterator[Shot]:
        for peer in range(peers):
            for number in range(info_hashes):
                take = partial(_take_token, tokens, STRANGERS + peer, number)
                yield Shot(STRANGERS + peer, b"9:get_peers", info_hash(number), take)

    def tell() -> Iterator[Shot]:
        for source, number, token in tokens:
            yield Shot(source, b"13:announce_peer", info_hash(number) + b"4:porti6881e5:token" + token)

    crowd.saturate(ask(), seconds=seconds)
    return crowd.saturate(tell(), seconds=seconds)


def _take_token(tokens: list[tuple[int, int, bytes]], source: int, number: int, answer: bytes) -> None:
    if token := token_of(answer):
        tokens.append((source, number, token))


def put_items(crowd: Crowd, items: int) -> Tally:
    """Store so many immutable items, the longest there may be (BEP 44)."""
    tokens: list[tuple[int, int, bytes]] = []
    values = [b"996:%b" % Random(number).randbytes(996) for number in range(items)]

    def ask() -> Iterator[Shot]:
        for number, value in enumerate(values):
            take = partial(_take_token, tokens, STRANGERS + number, number)
            yield Shot(STRANGERS + number, b"3:get", b"6:target20:" + sha1(value).digest(), take)

    crowd.saturate(ask(), seconds=10)
    return crowd.saturate(
        [Shot(source, b"3:put", b"5:token%b1:v%b" % (token, values[number])) for source, number, token in tokens],
        seconds=10,
    )


def every_question(rng: Random, rounds: int) -> Iterator[Shot]:
    """Of each kind: for what is stored and for what is not, of short and long queries, with and without extras."""
    for padding in PADDING:
        junk = b"7:padding%d:%b" % (padding, bytes(padding)) if padding else b""
        for number in range(rounds):
            stored = info_hash(number % 10)
            value = b"996:%b" % Random(number % 50).randbytes(996)
            yield Shot(number, b"4:ping", junk)
            for want in (b"", WANT):
                yield Shot(number, b"9:find_node", junk + b"6:target20:" + rng.randbytes(20) + want)
                yield Shot(number, b"9:get_peers", stored + junk + want)
                yield Shot(number, b"9:get_peers", stored + b"6:noseedi1e" + junk + b"6:scrapei1e" + want)
                yield Shot(number, b"9:get_peers", b"9:info_hash20:" + rng.randbytes(20) + junk + want)
                yield Shot(number, b"3:get", junk + b"6:target20:" + sha1(value).digest() + want)
                yield Shot(number, b"17:sample_infohashes", junk + b"6:target20:" + rng.randbytes(20) + want)
            yield Shot(number, b"13:announce_peer", stored + junk + b"4:porti1e5:token3:bad")
            yield Shot(number, b"3:put", junk + b"5:token3:bad1:v" + value)
            yield Shot(number, b"3:put", junk + b"5:token3:bad1:v1500:" + bytes(1500))
            yield Shot(number, b"%d:%b" % (100, b"x" * 100), junk)
            yield Shot(number, b"0:", junk)
            yield Shot(number, b"9:get_peers", b"9:info_hash0:" + junk)


def longest_answer(patience: float = 30.0, rounds: int = 300) -> list[Figure]:
    """A6. A full table, ten torrents of 500 peers, 50 items."""
    with ExitStack() as stack:
        subject = Subject(stack, "raised", patience)
        stored = announce(subject.crowd, 10, 500).answered
        items = put_items(subject.crowd, 50).answered
        tally = subject.crowd.saturate(every_question(Random(6), rounds), window=16, seconds=60)
    is_met = tally.longest <= 1_400 and tally.amplification <= 8
    measured = f"{tally.longest} bytes, {tally.amplification:.1f} x"
    return [
        Figure(
            f"A6 longest answer of {tally.answered:,}, {stored:,} peers and {items} items stored",
            "<= 1,400 bytes, <= 8 x its query",
            measured,
            is_met,
        )
    ]


def memory(info_hashes: int = 1_000, peers: int = 100, contacts: int = 10_000) -> list[Figure]:
    """A7."""
    with ExitStack() as stack:
        subject = Subject(stack, "raised", patience=0)
        readings = [subject.node.resident_bytes()]
        stored = announce(subject.crowd, info_hashes, peers).answered
        readings.append(subject.node.resident_bytes())
        shots = (Shot(STRANGERS + number, b"4:ping") for number in range(contacts))
        [seen] = subject.crowd.offer(shots, rate=2_000, seconds=contacts / 2_000, read_only=False)
        readings.append(subject.node.resident_bytes())
    start, filled, visited = (reading / 1e6 for reading in readings)
    return [
        Figure("A7 memory at the start", "<= 45 MB", f"{start:.1f} MB", start <= 45),
        Figure(f"A7 and with {stored:,} peers stored", "<= + 5 MB", f"+ {filled - start:.1f} MB", filled - start <= 5),
        Figure(
            f"A7 and with {seen.answered:,} contacts seen",
            "<= + 5 MB",
            f"+ {visited - filled:.1f} MB",
            visited - filled <= 5,
        ),
    ]
