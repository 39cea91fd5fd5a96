"""The port at which others are told to reach us. Pure."""

from __future__ import annotations


class Reach:
    """Our own port; on IPv4, where routers translate, the one that a router forwards to it, as long as one does.

    None where nobody can dial us.
    """

    def __init__(self, port: int | None) -> None:
        self._own = port
        self._mapped: int | None = None

    def port(self, *, is_ipv6: bool) -> int | None:
        return self._own if is_ipv6 or self._mapped is None else self._mapped

    def map(self, port: int | None) -> bool:
        """A router forwards `port` to ours, or none does any more. Whether that is news for others."""
        before = self.port(is_ipv6=False)
        self._mapped = port
        return self.port(is_ipv6=False) != before
