"""What the operating system says about a socket, in our words."""

from __future__ import annotations

import errno

from magnetite.errors import NetworkError, Reason


def connect_failure(error: OSError, what: str) -> NetworkError:
    """Why a connection could not be made: REFUSED, CONNECT_TIMEOUT, or else UNREACHABLE."""
    match error.errno:
        case errno.ECONNREFUSED:
            reason = Reason.REFUSED
        case errno.ETIMEDOUT:
            reason = Reason.CONNECT_TIMEOUT
        case _:
            reason = Reason.UNREACHABLE
    return _failure(error, what, reason)


def bind_failure(error: OSError, what: str) -> NetworkError:
    """Why an address cannot be listened on."""
    return _failure(error, what, Reason.ADDRESS_UNAVAILABLE)


def lost(error: OSError, what: str) -> NetworkError:
    """Why an open socket cannot be used any more."""
    return _failure(error, what, Reason.CONNECTION_LOST)


def _failure(error: OSError, what: str, reason: Reason) -> NetworkError:
    return NetworkError(f"{what}: {error.strerror or error}", reason)
