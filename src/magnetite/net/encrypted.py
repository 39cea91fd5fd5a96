"""A stream inside another: encrypted with RC4 on its way out, decrypted where it arrives."""

from __future__ import annotations

from magnetite.endpoint import Endpoint
from magnetite.net.base import Buffer, ByteStream
from magnetite.wire.mse.rc4 import Rc4


class EncryptedStream:
    """Implements net.base.ByteStream.

    What is received is decrypted where it lies. What is sent is copied once, encrypted: the caller's buffers may be
    those of somebody else, and the bytes of a torrent.
    """

    def __init__(self, stream: ByteStream, receiving: Rc4, sending: Rc4) -> None:
        self._stream = stream
        self._receiving = receiving
        self._sending = sending

    @property
    def local(self) -> Endpoint:
        return self._stream.local

    @property
    def remote(self) -> Endpoint:
        return self._stream.remote

    async def receive_into(self, buffer: bytearray | memoryview) -> int:
        count = await self._stream.receive_into(buffer)
        if count:
            self._receiving.apply_in_place(memoryview(buffer)[:count])
        return count

    async def send_all(self, *buffers: Buffer) -> None:
        sealed = memoryview(bytearray(sum(map(len, buffers))))
        at = 0
        for buffer in buffers:
            self._sending.apply_into(buffer, sealed[at:])
            at += len(buffer)
        await self._stream.send_all(sealed)

    async def aclose(self) -> None:
        await self._stream.aclose()
