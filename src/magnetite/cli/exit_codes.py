"""What the exit status says: one code for each cause a script may want to tell apart. Pure."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from magnetite.errors import Reason


class ExitCode(IntEnum):
    """The documented codes; docs/cli.md has them with examples."""

    DONE = 0
    FAILED = 1
    USAGE = 2  # what click uses for its own errors, too
    INVALID_TORRENT = 3
    PRIVATE_TORRENT = 4
    UNSUPPORTED = 5
    NETWORK = 6
    DISK_FULL = 7
    FILES = 8
    TIMEOUT = 9
    NO_NODE = 10
    NOT_FOUND = 11
    CONFLICT = 12
    DIFFERS = 13
    INTERRUPTED = 130  # 128 + SIGINT, as shells count
    BROKEN_PIPE = 141  # 128 + SIGPIPE
    TERMINATED = 143  # 128 + SIGTERM


MEANINGS: Final = {
    ExitCode.DONE: "done",
    ExitCode.FAILED: "failed for a reason that has no code of its own",
    ExitCode.USAGE: "an argument makes no sense",
    ExitCode.INVALID_TORRENT: "not a valid magnet link or torrent",
    ExitCode.PRIVATE_TORRENT: "a private torrent: it forbids the DHT",
    ExitCode.UNSUPPORTED: "a kind of torrent that is not supported yet",
    ExitCode.NETWORK: "cannot listen on that address, no network, or a proxy that does not do it",
    ExitCode.DISK_FULL: "the disk is full",
    ExitCode.FILES: "a file or folder cannot be read or written, or is in the way",
    ExitCode.TIMEOUT: "out of time",
    ExitCode.NO_NODE: "no node is running there",
    ExitCode.NOT_FOUND: "nobody in the DHT has it",
    ExitCode.CONFLICT: "somebody else has written meanwhile",
    ExitCode.DIFFERS: "what is on disk is not what the torrent holds",
    ExitCode.INTERRUPTED: "interrupted by Ctrl-C; what was verified is saved",
    ExitCode.BROKEN_PIPE: "whoever read the output has gone",
    ExitCode.TERMINATED: "ended by SIGTERM; what was verified is saved",
}

_CODES: Final = {
    Reason.DONE: ExitCode.DONE,
    Reason.INVALID_ARGUMENT: ExitCode.USAGE,
    Reason.INVALID_MAGNET: ExitCode.INVALID_TORRENT,
    Reason.INVALID_METAINFO: ExitCode.INVALID_TORRENT,
    Reason.METADATA_MISMATCH: ExitCode.INVALID_TORRENT,
    Reason.PRIVATE_TORRENT: ExitCode.PRIVATE_TORRENT,
    Reason.UNSUPPORTED: ExitCode.UNSUPPORTED,
    Reason.ADDRESS_UNAVAILABLE: ExitCode.NETWORK,
    Reason.PROXY_FAILED: ExitCode.NETWORK,
    Reason.NAME_NOT_FOUND: ExitCode.NETWORK,
    Reason.NO_BOOTSTRAP: ExitCode.NETWORK,
    Reason.UNREACHABLE: ExitCode.NETWORK,
    Reason.CONNECTION_LOST: ExitCode.NETWORK,
    Reason.DISK_FULL: ExitCode.DISK_FULL,
    Reason.NOT_WRITABLE: ExitCode.FILES,
    Reason.NOT_READABLE: ExitCode.FILES,
    Reason.FILES_IN_THE_WAY: ExitCode.FILES,
    Reason.NOT_STORABLE: ExitCode.FILES,
    Reason.DISK_ERROR: ExitCode.FILES,
    Reason.TIMEOUT: ExitCode.TIMEOUT,
    Reason.NO_NODE: ExitCode.NO_NODE,
    Reason.NOT_FOUND: ExitCode.NOT_FOUND,
    Reason.CONFLICT: ExitCode.CONFLICT,
    Reason.CONTENT_DIFFERS: ExitCode.DIFFERS,
    Reason.INTERRUPTED: ExitCode.INTERRUPTED,
    Reason.SHUTTING_DOWN: ExitCode.TERMINATED,
}


def exit_code(reason: Reason) -> ExitCode:
    """The code of a cause; FAILED for one that a script need not tell apart."""
    return _CODES.get(reason, ExitCode.FAILED)
