"""A network of which only some of our addresses are used."""

from __future__ import annotations

from collections.abc import Sequence

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError, Reason
from magnetite.net.base import ByteStream, DatagramSocket, Listener, Network
from magnetite.net.ports import ANYWHERE


class BoundNetwork:
    """Implements net.base.Network on another: whatever is sent comes from one of `ips`, or is not sent.

    Of a family's addresses the first is the one that streams are dialled from.
    """

    def __init__(self, network: Network, ips: Sequence[str]) -> None:
        self._network = network
        self._ips = tuple(ips)

    async def open_udp(self, local: Endpoint) -> DatagramSocket:
        return await self._network.open_udp(self._bound(local))

    async def listen(self, local: Endpoint) -> Listener:
        return await self._network.listen(self._bound(local))

    async def connect(self, remote: Endpoint, local_ip: str | None = None) -> ByteStream:
        return await self._network.connect(remote, local_ip or self._ip_for(remote))

    async def resolve(self, host: str, port: int) -> list[Endpoint]:
        return await self._network.resolve(host, port)

    def _bound(self, local: Endpoint) -> Endpoint:
        """`local`, its address replaced by ours of that family where it names none."""
        if local.ip not in ANYWHERE:
            return local
        ip = next((ip for ip in self._ips if (":" in ip) is local.is_ipv6), None)
        if ip is None:
            raise NetworkError(f"{local}: bound to {', '.join(self._ips)} only", Reason.ADDRESS_UNAVAILABLE)
        return Endpoint(ip, local.port)

    def _ip_for(self, remote: Endpoint) -> str | None:
        """The address to dial from; None where any of the family's will do."""
        ip = next((ip for ip in self._ips if (":" in ip) is remote.is_ipv6), None)
        if ip is None:
            raise NetworkError(f"no route to {remote}: bound to {', '.join(self._ips)} only", Reason.UNREACHABLE)
        return None if ip in ANYWHERE else ip
