"""An actor's output buffer: one link to each reader."""

from __future__ import annotations

import contextlib
import logging
import select
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from narval.control.proof import Side, new_challenge, prove
from narval.errors import NarvalError
from narval.links import fifo, tcp
from narval.links.frame import Kind
from narval.links.waiting import AbortedError, Bell, wait_for
from narval.links.writer import Carrier, LinkWriter
from narval.topology.model import FIFO, OutputBuffer

logger = logging.getLogger(__name__)


FAN_OUT = "fan_out"
"""The argument that every actor has besides its own."""


class FanOut(StrEnum):
    """What several readers of one buffer get. The sources do not say."""

    BROADCAST = "broadcast"  # each gets all; the slowest holds the others back
    SHARE = "share"  # each block goes to one that has room


def parse_fan_out(value: str) -> FanOut:
    """Return what several readers are to get.

    Raises:
        NarvalError: it is not one of the two.
    """
    try:
        return FanOut(value)
    except ValueError:
        raise NarvalError(f"{FAN_OUT}: {value[:60]!r} is not {' or '.join(FanOut)}") from None


@dataclass(frozen=True)
class Fill:
    """How full a link is."""

    reader: str
    filled_bytes: int
    size_bytes: int


class Output:
    """The links of one buffer. Used by the data thread, `fills` by any.

    Args:
        buffer: as the topology has it.
        folder: where named pipes are made.
        host: the address to listen on for links over TCP.
        secret: what readers over TCP prove.
    """

    def __init__(
        self,
        buffer: OutputBuffer,
        *,
        folder: Path,
        host: str,
        secret: str,
        abort: Bell,
        fan_out: FanOut = FanOut.BROADCAST,
    ) -> None:
        self.buffer = buffer
        self.fan_out = fan_out
        self.lost_links = 0
        self._folder, self._host, self._secret, self._abort = folder, host, secret, abort
        self._proofs: dict[str, str] = {}
        self._paths: dict[str, Path] = {}
        self._listener: socket.socket | None = None
        self._links: list[LinkWriter] = []
        self._turn = 0

    def offer(self, actor: str, readers: Sequence[str]) -> list[dict[str, object]]:
        """Make what the readers connect to; return where, as `open_outputs` answers it.

        Raises:
            NarvalError: it cannot be made.
        """
        self.close()
        answer: list[dict[str, object]] = []
        if self.buffer.port != FIFO:
            self._listener = tcp.listen(self._host, self.buffer.size_bytes)
            host, port = self._listener.getsockname()
            challenge = new_challenge()
            at = {"host": host, "port": port, "challenge": challenge}
            self._proofs = {
                name: prove(self._secret, Side.READER, challenge, name) for name in readers
            }
            return [{"buffer": self.buffer.name, "reader": name, **at} for name in readers]
        for name in readers:
            path = self._folder / f"{actor}.{self.buffer.name}.{name}.fifo"
            fifo.make_fifo(path)
            self._paths[name] = path
            answer.append({"buffer": self.buffer.name, "reader": name, "path": str(path)})
        return answer

    def complete(self) -> None:
        """Open the links; all readers have connected. Again: no change.

        Raises:
            NarvalError: a reader is missing.
            AbortedError: the wait was given up.
        """
        if self._links:
            return
        if self._listener is not None:
            links = tcp.accept_readers(self._listener, self._proofs, self._abort)
            for name, link in links.items():
                writer = LinkWriter(link.detach(), name, Carrier.SOCKET, self._abort)
                self._links.append(writer)
        for name, path in self._paths.items():
            descriptor = fifo.open_to_write(path, self.buffer.size_bytes)
            self._links.append(LinkWriter(descriptor, name, Carrier.PIPE, self._abort))
            path.unlink(missing_ok=True)  # both ends are open: nobody else needs its name

    def send(self, block: memoryview | bytes, kind: Kind = Kind.DATA) -> None:
        """Give a block to the readers, waiting for room; a reader that has gone is left out.

        Raises:
            AbortedError: the wait was given up.
        """
        if self.fan_out is FanOut.SHARE and kind is Kind.DATA:
            links = self._next_with_room()
        else:
            links = self._links
        for link in links:
            if not link.send(block, kind):
                self._lose(link)

    def fills(self) -> list[Fill]:
        """Return how full each link is."""
        found = []
        for link in list(self._links):
            with contextlib.suppress(OSError, ValueError):  # it is being closed
                found.append(Fill(link.reader, link.filled_bytes(), link.capacity_bytes()))
        return found

    def close(self) -> None:
        """End all links. Again: no change."""
        for link in self._links:
            link.close()
        if self._listener is not None:
            self._listener.close()
        for path in self._paths.values():
            path.unlink(missing_ok=True)
        self._links, self._listener, self._paths = [], None, {}

    def _lose(self, link: LinkWriter) -> None:
        self.lost_links += 1
        logger.warning("%s: its reader %s has gone", self.buffer.name, link.reader)
        self._links = [each for each in self._links if each is not link]
        link.close()

    def _next_with_room(self) -> list[LinkWriter]:
        """Return the next link in turn that has room, waiting for one."""
        while self._links:
            count = len(self._links)
            for step in range(count):
                index = (self._turn + step) % count
                if self._links[index].has_room():
                    self._turn = index + 1
                    return [self._links[index]]
            wait_for({link.descriptor: select.POLLOUT for link in self._links}, None, self._abort)
            if self._abort.is_rung:
                raise AbortedError
        return []
