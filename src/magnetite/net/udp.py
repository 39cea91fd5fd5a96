"""A UDP socket of the operating system, read in batches.

Waiting for every datagram costs more than answering it (38 us against 16), so the socket is drained without waiting
and the scheduler is met once a batch.
"""

from __future__ import annotations

import socket
from contextlib import suppress

import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError
from magnetite.net.base import BATCH, Datagram
from magnetite.net.failure import bind_failure
from magnetite.net.sockets import endpoint_of, new_socket

KERNEL_BUFFER = 4 << 20  # bytes; asked for, the kernel may give less. A busy node gets bursts of hundreds of datagrams
LONGEST = 4096  # bytes of a datagram; KRPC and uTP stay under an Ethernet frame, what is longer is cut

_new = tuple.__new__  # the constructor of a named tuple is Python, and takes three times as long


class UdpSocket:
    """Implements net.base.DatagramSocket. Made by `open_udp`. A cancelled `receive_batch` has taken nothing."""

    def __init__(self, bound: socket.socket) -> None:
        self.local = endpoint_of(bound.getsockname())
        self._socket = bound
        self._is_closed = False

    def send(self, data: bytes, to: Endpoint) -> bool:
        try:
            self._socket.sendto(data, to)
        except OSError:  # no route, no room, a firewall, an address of the other family, or closed
            return False
        return True

    async def receive_batch(self) -> list[Datagram]:
        await trio.lowlevel.checkpoint_if_cancelled()
        batch = self._drain()
        if batch:
            await trio.lowlevel.cancel_shielded_checkpoint()
        while not batch:
            with suppress(trio.ClosedResourceError):  # told by _drain
                await trio.lowlevel.wait_readable(self._socket)
            batch = self._drain()
        return batch

    def _drain(self) -> list[Datagram]:
        """What is there now, up to BATCH; perhaps nothing."""
        if self._is_closed:
            raise NetworkError(f"the socket {self.local} is closed")
        batch: list[Datagram] = []
        receive, is_ipv6 = self._socket.recvfrom, self.local.is_ipv6
        for _ in range(BATCH):
            try:
                data, source = receive(LONGEST)
            except BlockingIOError:
                break
            except OSError:
                continue  # an ICMP error about something we sent: that datagram is lost, the socket is not
            batch.append(_new(Datagram, (data, endpoint_of(source) if is_ipv6 else _new(Endpoint, source))))
        return batch

    async def aclose(self) -> None:
        if not self._is_closed:
            self._is_closed = True
            trio.lowlevel.notify_closing(self._socket)
            self._socket.close()
        await trio.lowlevel.cancel_shielded_checkpoint()


def open_udp(local: Endpoint) -> UdpSocket:
    """Bind. Raises NetworkError(ADDRESS_UNAVAILABLE)."""
    try:
        with new_socket(socket.SOCK_DGRAM, local) as opened:
            for buffer in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                with suppress(OSError):
                    opened.setsockopt(socket.SOL_SOCKET, buffer, KERNEL_BUFFER)
            opened.bind(local)
            return UdpSocket(opened)
    except OSError as error:
        raise bind_failure(error, f"cannot open UDP port {local}") from error
