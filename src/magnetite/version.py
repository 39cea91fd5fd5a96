"""Which version this is. The package's own metadata says so, too, but to read it takes 20 ms of every start."""

from __future__ import annotations

from typing import Final

VERSION: Final = "0.1.0"
