"""The least HTTP tracker there can be, for aria2, which takes no peers from its command line."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socket import inet_aton
from threading import Thread


def compact(endpoint: str) -> bytes:
    """`host:port` as in BEP 23: address and port, big-endian."""
    host, _, port = endpoint.rpartition(":")
    return inet_aton(host) + int(port).to_bytes(2, "big")


@contextmanager
def tracking(peers: Sequence[str]) -> Iterator[str]:
    """The announce URL of a tracker that names `peers` to everybody."""
    listed = b"".join(map(compact, peers))
    answer = b"d8:intervali1800e5:peers%d:%be" % (len(listed), listed)

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/announce"
        finally:
            server.shutdown()
            thread.join()
