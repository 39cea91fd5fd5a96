"""What bytes from outside can do to a node (A5): every datagram of a corpus, timed one by one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from time import thread_time
from typing import NoReturn

import trio

from magnetite.dht.limiter import AnswerLimits
from magnetite.dht.node import open_node
from magnetite.endpoint import Endpoint
from magnetite.net.base import Datagram, Take
from magnetite.net.real import RealNetwork
from tests.benchmarks.figures import Figure

ID = b"2:id20:abcdefghij0123456789"
END = b"1:t2:aa1:y1:qe"
REPEATS = 3  # of which the fastest counts for each datagram: the rest is the machine's
NO_LIMITS = AnswerLimits(1e9, 1e9, 1e12)


def junk(rng: Random, count: int) -> Iterator[bytes]:
    """Nothing of this is a KRPC message, and nothing of it may be answered."""
    yield from (b"", b"d", b"de", b"le", b"d1:ai1e-6:", b"d1:ai1e-6:e", b"d3:abci10e-7:", b"d3:abci10e-7:e")
    yield from (b"d" * 1400, b"l" * 1400, b"d1:a" * 350, b"d0:" * 1300 + b"e", b"d1:a" + b"l" * 690 + b"e" * 691)
    yield b"d1:ad" + ID + b"1:x" + b"l" * 600 + b"e" * 600 + b"e1:q4:ping" + END
    for flood in (b"le", b"de", b"0:", b"i0e", b"1:a", b"d0:lee"):
        times = 4000 // len(flood)
        yield b"d1:al" + flood * times + b"e1:q4:ping" + END
        yield flood * times
    yield b"d" + b"".join(b"4:%04di0e" % number for number in range(400)) + b"e"
    yield from (b"d1:ai" + b"9" * 4000 + b"e" + END, b"d" + b"9" * 4000 + b":ae", b"d99999999999:" + b"x" * 2000 + b"e")
    yield b"d1:ad" + ID + b"e1:q4:ping1:t2000:" + bytes(2000) + b"1:y1:qe"
    for _ in range(count):
        data = rng.randbytes(rng.randrange(1, 1400))
        yield data
        yield b"d" + data + b"e"


def packets(rng: Random) -> list[bytes]:
    """One of each kind, as real nodes send them, and answers to nothing, as long as they may be."""
    target = b"6:target20:" + rng.randbytes(20)
    info_hash = b"9:info_hash20:" + rng.randbytes(20)
    key, signature = b"1:k32:" + rng.randbytes(32), b"3:seqi1e3:sig64:" + rng.randbytes(64)
    queries = [
        (b"", b"4:ping"),
        (target + b"4:wantl2:n42:n6e", b"9:find_node"),
        (info_hash + b"6:noseedi1e6:scrapei1e", b"9:get_peers"),
        (b"12:implied_porti1e" + info_hash + b"4:porti6881e5:token8:abcdefgh", b"13:announce_peer"),
        (b"3:seqi1e" + target, b"3:get"),
        (b"3:casi0e" + key + signature + b"5:token8:abcdefgh1:v12:Hello World!", b"3:put"),
        (target, b"17:sample_infohashes"),
        (b"", b"4:vote"),
    ]
    returned = [
        b"5:nodes3900:" + rng.randbytes(3900),
        b"6:nodes63876:" + rng.randbytes(3876),
        b"5:token4:abcd6:valuesl" + b"".join(b"6:" + rng.randbytes(6) for _ in range(490)) + b"e",
        b"5:token4:abcd6:valuesl" + b"".join(b"18:" + rng.randbytes(18) for _ in range(180)) + b"e",
        b"8:intervali1e5:nodes0:3:numi9e7:samples3800:" + rng.randbytes(3800),
    ]
    return [
        *(b"d1:ad%b%be1:q%b%b" % (ID, arguments, name, END) for arguments, name in queries),
        *(b"d1:rd%b%be1:t4:aaaa1:y1:re" % (ID, each) for each in returned),
        b"d1:eli201e3000:" + bytes(3000) + b"e1:t4:aaaa1:y1:ee",
    ]


def mutated(rng: Random, count: int) -> Iterator[bytes]:
    """Real packets, cut, lengthened, and with some bytes changed."""
    originals = packets(rng)
    yield from originals
    for _ in range(count):
        data = bytearray(rng.choice(originals))
        for _ in range(rng.randrange(1, 4)):
            at = rng.randrange(len(data))
            match rng.randrange(4):
                case 0:
                    data[at] = rng.randrange(256)
                case 1:
                    data[at] = rng.choice(b"deil:0123456789-")
                case 2:
                    data[at:at] = rng.choice([b"e", b"le", b"de", b"i-1e", b"0:", b"-", b"9"])
                case _:
                    del data[at : at + rng.randrange(1, 20)]
        yield bytes(data)


class Script:
    """A socket that hands over one datagram at a time, each from another address, and notes what became of it."""

    def __init__(self, corpus: list[bytes], on_end: Callable[[], None]) -> None:
        self.local = Endpoint("127.0.0.1", 6881)
        self.seconds = [1e9] * len(corpus)  # the node took for each
        self.answers = [b""] * len(corpus)
        self.at = -1
        self._corpus = corpus
        self._left = REPEATS * len(corpus)
        self._on_end = on_end
        self._started = 0.0

    def send(self, data: bytes, to: Endpoint) -> bool:
        if to.port == 7:  # no query of its own, which it may send at any time
            self.answers[self.at] = data
        return True

    async def receive_batch(self) -> list[Datagram]:
        if self.at >= 0:
            self.seconds[self.at] = min(self.seconds[self.at], thread_time() - self._started)
        await trio.lowlevel.checkpoint()
        if self._left == 0:
            self._on_end()
            await trio.sleep_forever()
        self._left -= 1
        self.at = (self.at + 1) % len(self._corpus)
        source = Endpoint(f"127.{self.at >> 16}.{self.at >> 8 & 255}.{self.at & 255}", 7)
        self._started = thread_time()
        return [Datagram(self._corpus[self.at], source)]

    async def feed(self, take: Take) -> NoReturn:
        while True:
            take(await self.receive_batch())

    async def aclose(self) -> None:
        await trio.lowlevel.checkpoint()


def play(corpus: list[bytes]) -> Script:
    """Hand a corpus to a node. An exception in it comes out here."""

    async def main() -> None:
        over = trio.Event()
        scripts.append(Script(corpus, over.set))
        async with open_node(
            RealNetwork(),
            scripts,
            rng=Random(5),
            emit=lambda event: None,
            bootstrap=[],
            read_only=False,
            limits=NO_LIMITS,
        ):
            await over.wait()

    scripts: list[Script] = []
    trio.run(main)
    return scripts[0]


def hostile_corpus(count: int = 3_000) -> list[Figure]:
    """A5."""
    rng = Random(5)
    nonsense, modified = list(junk(rng, count)), list(mutated(rng, count))
    script = play(nonsense + modified)
    answers = sum(map(bool, script.answers[: len(nonsense)]))
    slowest = max(script.seconds)
    worst = (nonsense + modified)[script.seconds.index(slowest)]
    return [
        Figure(
            f"A5 hostile corpus of {len(script.seconds):,} datagrams",
            "no hang, no exception, < 0.2 ms each, no answer to junk",
            f"slowest {slowest * 1e3:.3f} ms (`{worst[:60]!r}`), {answers} answers to junk",
            slowest < 0.2e-3 and not answers,
        )
    ]
