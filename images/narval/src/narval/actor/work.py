"""What each kind of actor does with blocks. In the data thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from narval.actor.counters import Counters
from narval.errors import NarvalError
from narval.links.frame import Kind, LinkCutError
from narval.links.output import Output
from narval.links.reader import READABLE, LinkReader
from narval.links.waiting import AbortedError, Bell, wait_for
from narval.plugins.plugin import Consumer, EndOfData, Filter, Merger, Plugin, Producer
from narval.plugins.returned import used_bytes

_NOTHING_YET_S = 0.01
_MERGER_POLL_S = 0.05  # a merger has patience with silent inputs, and must look at its clock

logger = logging.getLogger(__name__)


class Worker:
    """The common part: outputs, and what has come to its end.

    Attributes:
        drained: set when no more block of this run can come.
    """

    def __init__(self, outputs: Sequence[Output], abort: Bell) -> None:
        self.drained = threading.Event()
        self.counters = Counters()
        self._outputs = tuple(outputs)
        self._abort = abort
        self._has_told_end = False
        sizes = [output.buffer.size_bytes for output in outputs]
        self._out = memoryview(bytearray(min(sizes, default=0)))

    def begin(self) -> None:
        """Begin a run."""
        self.counters = Counters()
        self.drained.clear()
        self._has_told_end = False

    def end(self) -> None:
        """Tell the readers that the run is over. Again: no change."""
        if not self._has_told_end:
            self._has_told_end = True
            for output in self._outputs:
                output.send(b"", Kind.END)

    def step(self, bell: Bell) -> None:
        """Do a little: see `narval.actor.thread.Work`."""
        raise NotImplementedError

    def send(self, size: int) -> None:
        """Give what is in the output buffer to all readers."""
        block = self._out[:size]
        for output in self._outputs:
            output.send(block)
        self.counters.blocks_out += 1
        self.counters.bytes_out += size

    def rest(self, events: dict[int, int], limit_s: float | None, bell: Bell) -> None:
        """Wait for one of these descriptors, or an order.

        Raises:
            AbortedError: the links are given up.
        """
        wait_for(events, limit_s, bell, self._abort)
        if self._abort.is_rung:
            raise AbortedError


class ProducerWorker(Worker):
    """Fills buffers until it is stopped or has no more. Several outputs get the same."""

    def __init__(self, plugin: Producer, outputs: Sequence[Output], abort: Bell) -> None:
        super().__init__(outputs, abort)
        self._plugin = plugin

    def step(self, bell: Bell) -> None:
        """Produce one block."""
        if self.drained.is_set():
            self.rest({}, None, bell)
            return
        try:
            returned = self._plugin.produce(self._out)
        except EndOfData:
            logger.info("there is no more data")
            self.end()
            self.drained.set()
            return
        if size := used_bytes(returned, len(self._out), self._plugin, "produce"):
            self.send(size)
        else:
            self.rest({}, _NOTHING_YET_S, bell)


class ReadingWorker(Worker):
    """Reads blocks from all inputs in turn."""

    def __init__(
        self, readers: Sequence[LinkReader], outputs: Sequence[Output], abort: Bell
    ) -> None:
        super().__init__(outputs, abort)
        self.readers = tuple(readers)

    def begin(self) -> None:
        """Begin a run: all inputs that are not lost will have blocks."""
        super().begin()
        for reader in self.readers:
            reader.begin_run()

    def take(self, index: int, block: memoryview) -> None:
        """Have the plugin take a block of an input."""
        raise NotImplementedError

    def finish(self) -> None:
        """Have the plugin give what it still has; all inputs have ended."""

    def ended(self, index: int) -> None:
        """Take note that an input has ended."""

    def wanted(self) -> Sequence[int]:
        """Return the inputs to read from, besides those that have ended."""
        return range(len(self.readers))

    def step(self, bell: Bell) -> None:
        """Take a block of each input that has one."""
        if self.drained.is_set():
            self.rest({}, None, bell)
            return
        took = False
        waiting: dict[int, int] = {}
        for index in self.wanted():
            reader = self.readers[index]
            if reader.has_ended:
                continue
            block = self._receive(index, reader)
            if block is not None:
                took = True
                self.counters.blocks_in += 1
                self.counters.bytes_in += len(block)
                self.take(index, block)
            elif reader.has_ended:
                took = True
            else:
                waiting[reader.descriptor] = READABLE
        if all(reader.has_ended for reader in self.readers):
            self.finish()
            self.drained.set()
        elif not took:
            self.idle(waiting, bell)

    def idle(self, waiting: dict[int, int], bell: Bell) -> None:
        """Wait for a block."""
        self.rest(waiting, None, bell)

    def _receive(self, index: int, reader: LinkReader) -> memoryview | None:
        try:
            block = reader.receive()
        except LinkCutError as error:
            self.counters.lost_links += 1
            logger.warning("%s", error)
            block = None
        if reader.has_ended:
            self.ended(index)
        return block


class ConsumerWorker(ReadingWorker):
    """Gives each block to a consumer."""

    def __init__(self, plugin: Consumer, readers: Sequence[LinkReader], abort: Bell) -> None:
        super().__init__(readers, (), abort)
        self._plugin = plugin

    def take(self, index: int, block: memoryview) -> None:  # noqa: ARG002
        """Have it consumed."""
        self._plugin.consume(block)


class FilterWorker(ReadingWorker):
    """Gives each block to a filter, and what that makes of it to the readers."""

    def __init__(
        self,
        plugin: Filter,
        readers: Sequence[LinkReader],
        outputs: Sequence[Output],
        abort: Bell,
    ) -> None:
        super().__init__(readers, outputs, abort)
        self._plugin = plugin

    def take(self, index: int, block: memoryview) -> None:  # noqa: ARG002
        """Have it filtered."""
        returned = self._plugin.filter(block, self._out)
        if size := used_bytes(returned, len(self._out), self._plugin, "filter"):
            self.send(size)


class MergerWorker(ReadingWorker):
    """Gives blocks to a merger as it wants them, and what it makes of them to the readers."""

    def __init__(
        self,
        plugin: Merger,
        readers: Sequence[LinkReader],
        outputs: Sequence[Output],
        abort: Bell,
    ) -> None:
        super().__init__(readers, outputs, abort)
        self._plugin = plugin

    def wanted(self) -> Sequence[int]:
        """Return what the merger wants."""
        return self._plugin.wanted()

    def take(self, index: int, block: memoryview) -> None:
        """Have it merged."""
        self._plugin.take(index, block)
        self._give()

    def ended(self, index: int) -> None:
        """Tell the merger."""
        self._plugin.end(index)
        self._give()

    def finish(self) -> None:
        """Have the merger give the rest."""
        self._give()

    def idle(self, waiting: dict[int, int], bell: Bell) -> None:
        """Wait for a block, and have the merger look at its clock."""
        self.rest(waiting, _MERGER_POLL_S, bell)
        self._give()

    def _give(self) -> None:
        while size := used_bytes(
            self._plugin.give(self._out), len(self._out), self._plugin, "give"
        ):
            self.send(size)


def make_worker(
    plugin: Plugin, readers: Sequence[LinkReader], outputs: Sequence[Output], abort: Bell
) -> Worker:
    """Return the worker for a plugin.

    Raises:
        NarvalError: the plugin does not fit the actor's inputs and outputs.
    """
    name = type(plugin).__name__
    match plugin:
        case Producer() if outputs and not readers:
            return ProducerWorker(plugin, outputs, abort)
        case Consumer() if readers and not outputs:
            return ConsumerWorker(plugin, readers, abort)
        case Filter() if readers and outputs:
            return FilterWorker(plugin, readers, outputs, abort)
        case Merger() if readers and outputs:
            return MergerWorker(plugin, readers, outputs, abort)
        case _:
            has = f"{len(readers)} inputs and {len(outputs)} outputs"
            raise NarvalError(f"{name} does not fit an actor with {has}")
