"""A machine with an address of each family, made of two hosts of the virtual network."""

from __future__ import annotations

from magnetite.endpoint import Endpoint
from magnetite.errors import NetworkError
from magnetite.net.base import ByteStream, DatagramSocket, Listener
from magnetite.simnet import Fabric, Host


class TwoHomed:
    """Implements net.base.Network."""

    def __init__(self, fabric: Fabric, ip4: str, ip6: str) -> None:
        self.hosts = {False: fabric.host(ip4), True: fabric.host(ip6)}

    async def open_udp(self, local: Endpoint) -> DatagramSocket:
        return await self._host(local).open_udp(local)

    async def listen(self, local: Endpoint) -> Listener:
        return await self._host(local).listen(local)

    async def connect(self, remote: Endpoint, local_ip: str | None = None) -> ByteStream:
        return await self._host(remote).connect(remote, local_ip)

    async def resolve(self, host: str, port: int) -> list[Endpoint]:
        try:
            return await self.hosts[False].resolve(host, port)
        except NetworkError:
            return await self.hosts[True].resolve(host, port)

    def _host(self, endpoint: Endpoint) -> Host:
        return self.hosts[endpoint.is_ipv6]
