"""CPU microseconds for each answer of the DHT's hot path, without sockets: decode, look up, encode.

The measure is the ratio to the same answer through bencoding alone, both timed in turns in this process. Run it as a
script: `python tests/benchmarks/dht_answers.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from statistics import median
from time import process_time

from magnetite import bencoding
from magnetite.dht.contact import Contact, Family
from magnetite.dht.decoding import decode, decode_any
from magnetite.dht.encoding import encode_query
from magnetite.dht.item_store import ItemStore
from magnetite.dht.messages import GetPeers, IncomingQuery, Message
from magnetite.dht.peer_store import PeerStore
from magnetite.dht.responder import Responder
from magnetite.dht.routing_table import RoutingTable
from magnetite.dht.tokens import Tokens
from magnetite.endpoint import Endpoint, Scope
from magnetite.events import Event
from magnetite.ids import InfoHash, NodeId

QUERIES = 20_000
ROUNDS = 5
SOURCE = Endpoint("8.8.8.8", 6881)


def ignore(event: Event) -> None: ...


def main() -> None:
    rng = Random(1)
    table = RoutingTable(NodeId(rng.getrandbits(160)), Scope.GLOBAL, ignore)
    for number in range(5_000):
        node_id = NodeId(table.own_id ^ rng.getrandbits(160 - rng.randrange(20)))
        table.on_response(Contact(node_id, Endpoint(f"1.{number // 256}.{number % 256}.1", 1)), 0.1, 0)
    responder = Responder(table.own_id, {Family.IPV4: table}, PeerStore(rng, 0), ItemStore(), Tokens(rng, 0), ignore)
    queries = [
        encode_query(b"aa", NodeId(rng.getrandbits(160)), GetPeers(InfoHash(rng.getrandbits(160))))
        for _ in range(QUERIES)
    ]

    def answer_all(decode: Callable[[bytes], Message], again: bool) -> float:
        started = process_time()
        for query in queries:
            message = decode(query)
            assert isinstance(message, IncomingQuery)
            answer = responder.answer(message, SOURCE, len(query), 0)
            if again:
                bencoding.encode(bencoding.decode(answer))
        return (process_time() - started) / QUERIES * 1e6

    timings = [(answer_all(decode, False), answer_all(decode_any, True)) for _ in range(ROUNDS)]
    fast, slow = (median(column) for column in zip(*timings, strict=True))
    print(f"{len(table)} contacts: {fast:.1f} us an answer; {slow / fast:.1f} times that through bencoding")


if __name__ == "__main__":
    main()
