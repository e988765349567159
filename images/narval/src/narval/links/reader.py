"""The reading end of a link."""

from __future__ import annotations

import os
import select

from narval.links.frame import HEADER_BYTES, Kind, LinkCutError, parse_header


class LinkReader:
    """Reads blocks from a non-blocking descriptor, which it owns, into one buffer.

    Attributes:
        name: of the link, for messages: `ACTOR.BUFFER`.
        has_ended: the run's end mark came, or the link was lost.
        is_lost: the link ended without that mark, or carries something else.
    """

    def __init__(self, descriptor: int, name: str, size_bytes: int) -> None:
        self.name = name
        self.has_ended = True  # until a run begins
        self.is_lost = False
        self._is_stale = False  # what comes is of a run that was not read to its end
        self._descriptor = descriptor
        self._size = size_bytes
        self._block = memoryview(bytearray(size_bytes))
        self._header = bytearray(HEADER_BYTES)
        self._header_view = memoryview(self._header)
        self._header_got = 0
        self._length: int | None = None  # of the block under way
        self._got = 0  # bytes of it

    @property
    def descriptor(self) -> int:
        """What becomes readable when something comes."""
        return self._descriptor

    def receive(self) -> memoryview | None:
        """Return a block if a whole one has come; it is valid until the next call.

        Reads at most what belongs to this block and the next one's header: one system call a block
        while the writer keeps up.

        Raises:
            LinkCutError: the link is lost; says how much of a block is lost with it.
        """
        while True:
            if self._length is None and self._header_got == HEADER_BYTES and self._open_header():
                return None  # the end mark
            if self._length is not None and self._got >= self._length:
                block = self._block[: self._length]
                self._length, self._got = None, 0
                if self._is_stale:
                    continue
                return block
            count = self._read()
            if count is None:
                return None
            if count == 0:
                self._lose()
            self._account(count)

    def begin_run(self) -> None:
        """Expect a run's blocks; what is left of an earlier run is passed over."""
        if not self.is_lost:
            self._is_stale = not self.has_ended
            self.has_ended = False

    def close(self) -> None:
        """Give the descriptor back; the writer sees that nobody reads. Again: no change."""
        if self._descriptor >= 0:
            descriptor, self._descriptor = self._descriptor, -1
            os.close(descriptor)

    def _open_header(self) -> bool:
        """Take the header that has come; tell whether it is the end mark."""
        self._header_got = 0
        try:
            kind, length = parse_header(self._header, self._size)
        except LinkCutError as error:
            self.is_lost = self.has_ended = True
            raise LinkCutError(f"{self.name}: {error}") from None
        if kind is Kind.END and not self._is_stale:
            self.has_ended = True
            return True
        if kind is Kind.END:
            self._is_stale = False
        if kind is Kind.DATA:
            self._length, self._got = length, 0
        return False

    def _read(self) -> int | None:
        parts = [self._header_view[self._header_got :]]
        if self._length is not None:
            parts.insert(0, self._block[self._got : self._length])
        try:
            return os.readv(self._descriptor, parts)
        except BlockingIOError:
            return None
        except ConnectionError:
            return 0

    def _account(self, count: int) -> None:
        if self._length is not None:
            of_block = min(count, self._length - self._got)
            self._got += of_block
            count -= of_block
        self._header_got += count

    def _lose(self) -> None:
        self.is_lost = self.has_ended = True
        got = self._header_got if self._length is None else HEADER_BYTES + self._got
        if got:
            length = "" if self._length is None else f" of {HEADER_BYTES + self._length}"
            what = f"in the middle of a block: {got}{length} bytes of it had come and are dropped"
        else:
            what = "without the mark of the run's end"
        raise LinkCutError(f"{self.name}: the link was cut {what}")


READABLE = select.POLLIN | select.POLLHUP | select.POLLERR
