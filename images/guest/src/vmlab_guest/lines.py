"""Cutting a byte stream into lines with a limit. Pure."""

from __future__ import annotations


class LineSplitter:
    """Collects bytes and gives out whole lines.

    A line longer than the limit is dropped as a whole, however it arrives, so that no peer can
    make the agent keep more than `max_bytes`.

    Attributes:
        dropped: how many overlong lines were thrown away.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._rest = bytearray()
        self._skipping = False
        self.dropped = 0

    def feed(self, data: bytes) -> list[bytes]:
        """Return the lines that `data` completes, without their newline and without empty ones."""
        lines: list[bytes] = []
        *complete, rest = data.split(b"\n")
        for piece in complete:
            self._keep(piece)
            if not self._skipping and self._rest:
                lines.append(bytes(self._rest))
            self.reset()
        self._keep(rest)
        return lines

    def reset(self) -> None:
        """Forget an unfinished line: its sender is gone."""
        self._rest.clear()
        self._skipping = False

    def _keep(self, piece: bytes) -> None:
        if self._skipping:
            return
        if len(self._rest) + len(piece) > self._max_bytes:
            self._rest.clear()
            self._skipping = True
            self.dropped += 1
            return
        self._rest += piece
