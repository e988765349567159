"""What an actor is in the middle of, in a file that outlives its crash."""

from __future__ import annotations

import mmap
import os
from pathlib import Path

_BYTES = 64


class CrashMark:
    """Keeps the name of the plugin's function that is being called in a mapped file.

    A write costs no system call, so that it can be done for each block; the kernel keeps the page
    whatever ends the process.

    Attributes:
        symbol: the function that is being called; "" for none.

    Raises:
        OSError: the file cannot be made.
    """

    def __init__(self, path: Path) -> None:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.ftruncate(descriptor, _BYTES)
            self._page = mmap.mmap(descriptor, _BYTES)
        finally:
            os.close(descriptor)
        self._path = path
        self._names: dict[str, bytes] = {}
        self.symbol = ""

    def enter(self, symbol: str) -> None:
        """Note what is called next; "" for nothing."""
        name = self._names.get(symbol)
        if name is None:
            name = symbol.encode()[:_BYTES].ljust(_BYTES, b"\0")
            self._names[symbol] = name
        self._page[:] = name
        self.symbol = symbol

    def remove(self) -> None:
        """Remove the file: nothing went wrong."""
        self._path.unlink(missing_ok=True)
