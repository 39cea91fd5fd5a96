"""A UDP socket of the operating system, read in batches.

Waiting for every datagram costs more than answering it (38 us against 16), so the socket is drained without waiting
and the scheduler is met once a batch.
"""

from __future__ import annotations

import errno
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from struct import Struct
from typing import Final, NoReturn

import trio

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError
from magnetite.net.base import BATCH, Datagram, Take
from magnetite.net.failure import bind_failure
from magnetite.net.sockets import Tie, endpoint_of, new_socket

KERNEL_BUFFER = 4 << 20  # bytes; asked for, the kernel may give less. A busy node gets bursts of hundreds of datagrams
LONGEST = 4096  # bytes of a datagram; KRPC and uTP stay under an Ethernet frame, what is longer is cut

SOL_UDP: Final = 17  # linux/udp.h
UDP_SEGMENT: Final = 103
MOST_SEGMENTS: Final = 64  # of one call (UDP_MAX_SEGMENTS)
LONGEST_RUN: Final = 65_000  # bytes of one call: an IP packet's, less the headers
_LENGTH: Final = Struct("=H")
_WHOLE: Final = {  # by whether it is IPv6: level, option, the value and the usual one (linux/in.h, in6.h)
    False: (socket.IPPROTO_IP, 10, 3, 1),  # IP_MTU_DISCOVER: IP_PMTUDISC_PROBE, IP_PMTUDISC_WANT
    True: (socket.IPPROTO_IPV6, 23, 3, 1),  # IPV6_MTU_DISCOVER, the same
}
_FRAGMENTS: Final = {
    False: (socket.IPPROTO_IP, 10, 0, 1),  # IP_MTU_DISCOVER: IP_PMTUDISC_DONT, IP_PMTUDISC_WANT
    True: (socket.IPPROTO_IPV6, 24, 1280, 0),  # IPV6_MTU; routers cut nothing there, so what every link takes
}

_new = tuple.__new__  # the constructor of a named tuple is Python, and takes three times as long


class UdpSocket:
    """Implements net.base.DatagramSocket. Made by `open_udp`. A cancelled `receive_batch` has taken nothing."""

    def __init__(self, bound: socket.socket) -> None:
        self.local = endpoint_of(bound.getsockname())
        self._socket = bound
        self._is_closed = False
        self._can_cut = sys.platform == "linux"

    def send(self, data: bytes, to: Endpoint) -> bool:
        try:
            self._socket.sendto(data, to)
        except OSError:  # no route, no room, a firewall, an address of the other family, or closed
            return False
        return True

    def send_many(self, datagrams: Sequence[bytes], to: Endpoint) -> bool:
        """Send datagrams, none of them empty, to the same place; False if the network refused all of them.

        A run of one length, of which the last may be shorter, goes to the kernel at once, which cuts it (UDP
        segmentation offload): for packets of uTP that takes a third of the time.
        """
        begin, taken = 0, False
        while begin < len(datagrams):
            end = _end_of_run(datagrams, begin)
            taken |= self._send_run(datagrams[begin:end], to)
            begin = end
        return taken

    def _send_run(self, run: Sequence[bytes], to: Endpoint) -> bool:
        if len(run) > 1 and self._can_cut:
            cut = (SOL_UDP, UDP_SEGMENT, _LENGTH.pack(len(run[0])))
            try:
                self._socket.sendmsg(run, (cut,), 0, to)
            except BlockingIOError:
                return False
            except OSError as error:
                # Some drivers cannot (EIO), a length beyond the path's is refused (EINVAL); one by one both may go.
                self._can_cut = error.errno in (errno.EINVAL, errno.EMSGSIZE)
            else:
                return True
        return any([self.send(data, to) for data in run])  # noqa: C419  # all are to be sent

    def send_in_fragments(self, data: bytes, to: Endpoint) -> bool:
        """Send a datagram that routers may cut where it is too long for the path, and that says nothing of it.

        Linux otherwise forbids it, and relies on being told of narrow links, which some routers never do.
        """
        return self._send_with(_FRAGMENTS[self.local.is_ipv6], data, to)

    def send_whole(self, data: bytes, to: Endpoint) -> bool:
        """Send a datagram that nobody may cut, nor this machine, so that its arrival tells that the path takes it."""
        return self._send_with(_WHOLE[self.local.is_ipv6], data, to)

    def _send_with(self, setting: tuple[int, int, int, int], data: bytes, to: Endpoint) -> bool:
        level, option, value, usual = setting
        with suppress(OSError):
            self._socket.setsockopt(level, option, value)
        try:
            return self.send(data, to)
        finally:
            with suppress(OSError):
                self._socket.setsockopt(level, option, usual)

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

    async def feed(self, take: Take) -> NoReturn:
        while True:
            take(await self.receive_batch())

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


def _end_of_run(datagrams: Sequence[bytes], begin: int) -> int:
    """Up to where the kernel takes them at once."""
    length = len(datagrams[begin])
    most = min(len(datagrams), begin + MOST_SEGMENTS, begin + LONGEST_RUN // max(1, length))
    end = begin + 1
    while end < most and len(datagrams[end]) == length:
        end += 1
    return end + 1 if end < most and len(datagrams[end]) < length else end


def open_udp(local: Endpoint, tie: Tie | None = None) -> UdpSocket:
    """Bind. Raises NetworkError(ADDRESS_UNAVAILABLE)."""
    try:
        with new_socket(socket.SOCK_DGRAM, local, tie) as opened:
            for buffer in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                with suppress(OSError):
                    opened.setsockopt(socket.SOL_SOCKET, buffer, KERNEL_BUFFER)
            opened.bind(local)
            return UdpSocket(opened)
    except OSError as error:
        raise bind_failure(error, f"cannot open UDP port {local}") from error
