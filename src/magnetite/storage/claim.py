"""Who writes the files of a torrent in a folder: one at a time, or each would undo what the other does. Blocks."""

from __future__ import annotations

import errno
import os
import socket
import sys
from hashlib import sha1
from pathlib import Path

from magnetite.errors import Reason, StorageError
from magnetite.ids import InfoHash


class Claim:
    """To be taken before the first write, and kept until there is nothing to write any more.

    It is a name among those that Linux keeps for sockets and forgets with the process that holds it, so nothing is left
    behind, and a folder that is only read needs nothing written. Elsewhere, and among containers, nobody is stopped.
    """

    def __init__(self, info_hash: InfoHash) -> None:
        self._info_hash = info_hash
        self._held: dict[str, socket.socket] = {}

    def take(self, folder: Path) -> None:
        """Returns when it is ours, as it may have been before. Raises StorageError where another has it."""
        place = os.path.realpath(folder)
        if sys.platform != "linux" or place in self._held:
            return
        digest = sha1(os.fsencode(place) + bytes(self._info_hash)).hexdigest()
        name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            name.bind(f"\0magnetite-{os.getuid()}-{digest}")
        except OSError as error:
            name.close()
            if error.errno != errno.EADDRINUSE:
                return  # a system without such names: as elsewhere
            raise StorageError(
                f"{folder}: another magnetite is downloading this torrent there; wait for it, or name another folder",
                Reason.FILES_IN_THE_WAY,
            ) from None
        self._held[place] = name

    def drop(self) -> None:
        while self._held:
            self._held.popitem()[1].close()
