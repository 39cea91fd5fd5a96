"""The private key that signs mutable items (BEP 44), in a file: PEM, PKCS #8, Ed25519. Everything here blocks."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from magnetite.cli.torrent_argument import read_file
from magnetite.errors import Reason, StorageError
from magnetite.storage.atomic import sync_folder
from magnetite.storage.failures import naming

LARGEST = 64 << 10  # bytes; a longer file is something else by mistake


@dataclass(frozen=True, slots=True)
class Key:
    """Both halves of a key, 32 bytes each."""

    public: bytes
    private: bytes

    def __repr__(self) -> str:
        return f"Key({self.public.hex()})"  # what is secret reaches no log


def create_key(path: Path) -> Key:
    """A new key in a new file that nobody but its owner may read. Raises StorageError; a file there stays as it is."""
    # Imported where it is needed, here and below: it takes 50 ms, which every verb would pay.
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = Ed25519PrivateKey.generate()
    data = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with naming(path):
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        except FileExistsError:
            message = f"{path}: there is a file already, and keys are never overwritten; choose another name"
            raise StorageError(message, Reason.FILES_IN_THE_WAY) from None
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(descriptor)
        except OSError:
            os.unlink(path)
            raise
        sync_folder(path.parent)
    return Key(key.public_key().public_bytes_raw(), key.private_bytes_raw())


def read_key(path: Path) -> Key:
    """The key in a file. Raises StorageError if it cannot be read, or holds no such key."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data = read_file(path, LARGEST)
    try:
        key = load_pem_private_key(data, password=None)
    except TypeError:  # the library's way to ask for a password
        raise StorageError(f"{path}: the key is encrypted; decrypt it first", Reason.NOT_READABLE) from None
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, Ed25519PrivateKey):
        message = f"{path}: no Ed25519 private key in PEM; make one with `magnetite item key FILE`"
        raise StorageError(message, Reason.NOT_READABLE)
    return Key(key.public_key().public_bytes_raw(), key.private_bytes_raw())
