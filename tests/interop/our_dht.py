"""A small DHT of nodes of ours, as a process: one on each of the addresses of links.sh, of both families."""

from __future__ import annotations

import sys
from contextlib import AsyncExitStack

import trio

from magnetite import open_dht_node
from magnetite.endpoint import Address

PORT = 6881


async def main(count: int) -> None:
    routers: list[Address] = [("11.1.0.1", PORT), ("2a00:1::1", PORT)]
    async with AsyncExitStack() as stack:
        nodes = [
            await stack.enter_async_context(
                open_dht_node(port=PORT, bind=[f"11.{number}.0.1", f"2a00:{number}::1"], bootstrap=routers)
            )
            for number in range(1, count + 1)
        ]
        while True:
            print("nodes known", sum(len(node.contacts()) for node in nodes), flush=True)
            await trio.sleep(0.2)


if __name__ == "__main__":
    trio.run(main, int(sys.argv[1]))
