"""160-bit identifiers of the DHT and of torrents, and the id a peer shows on the wire. Pure."""

from __future__ import annotations

from typing import Self

ID_LENGTH = 20  # bytes, of each of the three


class _Id160(int):
    """160 bits as an integer, so that the XOR metric is `^` and the common prefix a `bit_length` (BEP 5, Overview).

    `bytes(id)` gives the 20 bytes of the wire, `str(id)` 40 hexadecimal digits.
    """

    __slots__ = ()

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """The id in exactly 20 bytes, big-endian. Raises ValueError for any other length."""
        if len(data) != ID_LENGTH:
            raise ValueError(f"an id is 20 bytes, not {len(data)}")
        return cls(int.from_bytes(data, "big"))

    def __bytes__(self) -> bytes:
        return self.to_bytes(ID_LENGTH, "big")

    def __str__(self) -> str:
        return f"{int(self):040x}"

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self})"


class NodeId(_Id160):
    """A node's place in the DHT's key space."""

    __slots__ = ()


class InfoHash(_Id160):
    """The SHA-1 of a torrent's info dictionary, as its publisher wrote it (BEP 3)."""

    __slots__ = ()


class PeerId(bytes):
    """The 20 bytes a peer shows in its handshake; by convention client and version, then chance (BEP 20)."""

    __slots__ = ()

    def __new__(cls, value: bytes) -> Self:
        if len(value) != ID_LENGTH:
            raise ValueError(f"a peer id is 20 bytes, not {len(value)}")
        return super().__new__(cls, value)
