"""What all formats of frames share: each frame tells its size at its beginning. Pure."""

from __future__ import annotations

from collections.abc import Callable

from narval.errors import NarvalError

Data = bytes | memoryview
SizeAt = Callable[[Data, int], int]
"""Returns the size of the frame that begins at a place; raises FrameError where none can be."""


class FrameError(NarvalError):
    """Bytes that are no frame; says which byte."""

    def __init__(self, reason: str, at: int | None = None) -> None:
        self.reason = reason
        self.at = at  # None: a value that cannot be packed
        super().__init__(reason if at is None else f"byte {at}: {reason}")

    def moved(self, by: int) -> FrameError:
        """Return the same error for data that begins that many bytes later."""
        return FrameError(self.reason, None if self.at is None else self.at + by)


def check_whole(data: Data, at: int, size_bytes: int) -> None:
    """Raise FrameError unless a frame of this size is there to its end."""
    left = len(data) - at
    if size_bytes > left:
        raise FrameError(f"a frame of {size_bytes} bytes, {left} are left", at)


def whole_bytes(data: Data, size_at: SizeAt, header_bytes: int) -> int:
    """Return how many bytes at the buffer's beginning are whole frames.

    Raises:
        FrameError: a frame in it cannot be, wherever it ends.
    """
    at = 0
    while len(data) - at >= header_bytes:
        size_bytes = size_at(data, at)
        if at + size_bytes > len(data):
            break
        at += size_bytes
    return at
