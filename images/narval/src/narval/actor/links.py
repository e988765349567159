"""All links of one actor."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from narval.links import fifo, tcp
from narval.links.output import FanOut, Output
from narval.links.reader import LinkReader
from narval.links.waiting import Bell
from narval.runtime import runtime_folder
from narval.topology.model import FIFO, OutputBuffer, is_loopback


@dataclass(frozen=True)
class LinkSettings:
    """What all links of an actor share."""

    actor: str
    sub_system: str
    hostname: str
    secret: str


class Links:
    """Outputs and inputs. Used by the data thread while a run is under way; `describe` by any.

    Attributes:
        fan_out: what several readers of one buffer get, from the next `open_outputs` on.
        outputs: in the topology's order, as `readers`.
    """

    def __init__(
        self, settings: LinkSettings, buffers: Sequence[OutputBuffer], abort: Bell
    ) -> None:
        self.fan_out = FanOut.BROADCAST
        self.outputs: list[Output] = []
        self.readers: list[LinkReader] = []
        self._settings = settings
        self._buffers = tuple(buffers)
        self._abort = abort

    @property
    def has_outputs(self) -> bool:
        """Whether the topology gives the actor any."""
        return bool(self._buffers)

    @property
    def lost(self) -> int:
        """How many readers have gone."""
        return sum(output.lost_links for output in self.outputs)

    def open_outputs(self, readers: Mapping[str, Sequence[str]]) -> list[dict[str, object]]:
        """Make the links' writing ends; return where each reader finds its own.

        Raises:
            NarvalError: one cannot be made.
        """
        answer: list[dict[str, object]] = []
        for output in self.outputs:
            output.close()
        self.outputs = [self._make_output(buffer) for buffer in self._buffers]
        for output in self.outputs:
            answer += output.offer(self._settings.actor, readers.get(output.buffer.name, ()))
        return answer

    async def connect_inputs(self, inputs: Sequence[Mapping[str, Any]]) -> None:
        """Connect to the buffers that this actor reads.

        Raises:
            NarvalError: one cannot be reached.
        """
        for reader in self.readers:
            reader.close()
        self.readers = []
        for each in inputs:
            size, at = each["size_bytes"], each["at"]
            if "path" in at:
                descriptor = fifo.open_to_read(Path(at["path"]))
            else:
                who = (self._settings.secret, self._settings.actor)
                link = await asyncio.to_thread(tcp.connect, at, *who, size)
                descriptor = link.detach()
            self.readers.append(LinkReader(descriptor, f"{each['actor']}.{each['buffer']}", size))

    def complete(self) -> None:
        """Have all readers of our outputs; raises as `Output.complete`."""
        for output in self.outputs:
            output.complete()

    def describe(self) -> list[dict[str, object]]:
        """Return how full each output is, as a status tells it."""
        return [
            {
                "name": output.buffer.name,
                "reader": fill.reader,
                "filled_bytes": fill.filled_bytes,
                "size_bytes": fill.size_bytes,
            }
            for output in self.outputs
            for fill in output.fills()
        ]

    def close(self) -> None:
        """End all links. Again: no change."""
        for output in self.outputs:
            output.close()
        for reader in self.readers:
            reader.close()
        self.outputs, self.readers = [], []

    def _make_output(self, buffer: OutputBuffer) -> Output:
        is_fifo = buffer.port == FIFO
        return Output(
            buffer,
            folder=runtime_folder(self._settings.sub_system) if is_fifo else Path(),
            host=self._address(buffer.port),
            secret=self._settings.secret,
            abort=self._abort,
            fan_out=self.fan_out,
        )

    def _address(self, port: str) -> str:
        """Return where links of a network port are offered: its interface, or this host's name."""
        hostname = self._settings.hostname
        if is_loopback(hostname):
            return "127.0.0.1"
        return tcp.address_of_interface(port) or socket.gethostbyname(hostname)
