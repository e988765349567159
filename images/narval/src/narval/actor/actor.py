"""One actor: the coordinator's orders, the plugin in its thread, the links."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from narval.actor.counters import Counters, Rates
from narval.actor.links import Links, LinkSettings
from narval.actor.thread import DataThread
from narval.actor.work import ReadingWorker, Worker, make_worker
from narval.actors.generic import GenericActor
from narval.actors.refusals import make_fitting_plugin, set_arguments
from narval.errors import NarvalError
from narval.links.output import FAN_OUT, parse_fan_out
from narval.plugins.crash_mark import CrashMark
from narval.plugins.plugin import Merger, Plugin, Run
from narval.plugins.python import describe
from narval.runs import run_name
from narval.runtime import symbol_file
from narval.states import State
from narval.topology.model import OutputBuffer, Role

DRAIN_DEADLINE_S = 25.0
"""How long after the last block the mark of a run's end may take to come."""
_DRAIN_POLL_S = 0.5
_BUSY_S = 1.0  # a call that is longer is told with its place

logger = logging.getLogger(__name__)


class Actor:
    """What a coordinator leads.

    Args:
        on_change: called in the event loop when the status should be told.

    Attributes:
        state: as the status tells it.
        error: why it is in state Error.
    """

    def __init__(self, uuid: str, secret: str, on_change: Callable[[], None]) -> None:
        self.state = State.INITIAL
        self.error: str | None = None
        self.name = ""
        self._uuid, self._secret = uuid, secret
        self._on_change = on_change
        self._loop = asyncio.get_running_loop()
        self._thread = DataThread(self._fail)
        self._plugin: Plugin | None = None
        self._worker: Worker | None = None
        self._links = Links(LinkSettings("", "", "", secret), (), self._thread.abort)
        self._runs = Path()
        self._rates = Rates()
        self._mark: CrashMark | None = None

    @property
    def orders(self) -> dict[str, Callable[..., Awaitable[Any]]]:
        """The handlers of the coordinator's orders, `finish` excepted."""
        return {
            "configure": self.configure,
            "set_argument": self.set_argument,
            "get_argument": self.get_argument,
            "arguments": self.arguments,
            "load": self.load,
            "open_outputs": self.open_outputs,
            "connect_inputs": self.connect_inputs,
            "initialise": self.initialise,
            "start": self.start,
            "stop": self.stop,
            "pause": self.pause,
            "resume": self.resume,
            "reset": self.reset,
            "unload": self.unload,
            "ask": self.ask,
        }

    # -- what it is ----------------------------------------------------------------------------

    async def configure(
        self, actor: Mapping[str, Any], sub_system: str, run_folder: str, **_: Any
    ) -> None:
        """Become this actor; arguments of the form NAME=VALUE set parameters."""
        self.name, self._runs = actor["name"], Path(run_folder)
        settings = LinkSettings(self.name, sub_system, actor["hostname"], self._secret)
        buffers = [OutputBuffer(e["name"], e["size_bytes"], e["port"]) for e in actor["outputs"]]
        self._links = Links(settings, buffers, self._thread.abort)
        self._plugin = make_fitting_plugin(actor["binary_code"], Role(actor["role"]))
        if isinstance(self._plugin, GenericActor):
            try:
                self._mark = CrashMark(symbol_file(sub_system, self._uuid))
            except OSError as error:
                raise NarvalError(f"no file for the name of a crash: {error.strerror}") from error
            self._plugin.enter = self._mark.enter
        if isinstance(self._plugin, Merger):
            self._plugin.inputs = len(actor["sources"])
            self._plugin.names = [source["actor"] for source in actor["sources"]]
        refused = set_arguments(actor["arguments"], self._set)
        if refused:
            raise NarvalError("\n".join(refused))
        self._change(State.CONFIGURED)

    async def set_argument(self, name: str, value: str) -> None:
        """Set a parameter of the plugin, in its thread."""
        await self._thread.do(lambda: self._set(name, value))

    async def get_argument(self, name: str) -> Any:
        """Return a parameter's value."""
        values = await self.arguments()
        if name not in values:
            raise NarvalError(f"there is no parameter {name[:60]!r}; known: {', '.join(values)}")
        return values[name]

    async def arguments(self) -> dict[str, Any]:
        """Return all parameters' values, and what is counted."""
        plugin = self._have_plugin()
        values = plugin.all_values() if isinstance(plugin, GenericActor) else plugin.values
        return {**values, **self._fan_out(), **self.status()}

    # -- life ----------------------------------------------------------------------------------

    async def load(self) -> None:
        """Have the plugin read its configuration; a plugin in C or Python is loaded."""
        plugin = self._have_plugin()
        self.error = None
        await self._thread.do(lambda: plugin.config(""))
        self._change(State.LOADED)

    async def open_outputs(self, readers: Mapping[str, Sequence[str]]) -> list[dict[str, object]]:
        """Make the links' writing ends; return where each reader finds its own."""
        return self._links.open_outputs(readers)

    async def connect_inputs(self, inputs: Sequence[Mapping[str, Any]]) -> None:
        """Connect to the buffers that this actor reads."""
        await self._links.connect_inputs(inputs)

    async def initialise(self) -> None:
        """Complete the links and have the plugin make ready."""
        plugin = self._have_plugin()
        links = self._links
        worker = make_worker(plugin, links.readers, links.outputs, self._thread.abort)

        def job() -> None:
            links.complete()
            plugin.initialise()

        await self._thread.do(job)
        self._worker = worker
        self._change(State.STOPPED)

    async def start(self, run_number: int) -> None:
        """Begin a run."""
        plugin, worker = self._have_plugin(), self._have_worker()
        run = Run(run_number, self._runs / run_name(run_number))

        def job() -> None:
            worker.begin()
            self._rates.begin()
            try:
                plugin.start(run)
            except Exception as error:
                told = str(error) if isinstance(error, NarvalError) else describe(error)
                self._fail(told)  # readers must not wait for us
                raise
            self._thread.work = worker

        await self._thread.do(job)
        self._change(State.RUNNING)

    async def stop(self) -> None:
        """End a run: a producer at once, others when all has come.

        Raises:
            NarvalError: the end did not come on all inputs in time; the run is ended all the same.
        """
        if self.state not in {State.RUNNING, State.PAUSED}:
            return  # it has failed, or was stopped before
        plugin, worker = self._have_plugin(), self._have_worker()
        late: list[str] = []
        if isinstance(worker, ReadingWorker):
            if self.state is State.PAUSED:
                await self._thread.do(lambda: self._set_work(worker))
            if not await self._drain(worker):
                late = [reader.name for reader in worker.readers if not reader.has_ended]

        def job() -> None:
            self._thread.work = None
            try:
                plugin.stop()
            finally:  # readers wait for it
                worker.end()

        await self._thread.do(job)
        self._rates.end()
        self._change(State.STOPPED)
        if late:
            raise NarvalError(
                f"{', '.join(late)}: the run's end did not come within {DRAIN_DEADLINE_S:g} s of "
                "the last block; what was still under way is lost"
            )

    async def _drain(self, worker: ReadingWorker) -> bool:
        """Wait until all has come, however long data flow; tell whether it has."""
        blocks, since = worker.counters.blocks_in, time.monotonic()
        while not await asyncio.to_thread(worker.drained.wait, _DRAIN_POLL_S):
            if worker.counters.blocks_in != blocks or self._thread.seconds_busy():
                blocks, since = worker.counters.blocks_in, time.monotonic()
            elif time.monotonic() - since > DRAIN_DEADLINE_S:
                return False
        return True

    async def pause(self) -> None:
        """Stand still; what comes waits in the links."""
        plugin = self._have_plugin()

        def job() -> None:
            self._thread.work = None
            plugin.pause()

        await self._thread.do(job)
        self._change(State.PAUSED)

    async def resume(self) -> None:
        """Go on. Again: no change."""
        if self.state is not State.PAUSED:
            return
        plugin, worker = self._have_plugin(), self._have_worker()

        def job() -> None:
            plugin.resume()
            self._thread.work = worker

        await self._thread.do(job)
        self._change(State.RUNNING)

    async def reset(self) -> None:
        """Give up all that is under way, the links included."""
        self._thread.abort.ring()
        plugin = self._plugin

        def job() -> None:
            self._thread.work = None
            try:
                if plugin is not None:
                    plugin.reset()
            finally:
                self._close_links()
                self._thread.abort.clear()

        await self._thread.do(job)
        self._rates.end()
        self.error = None
        self._change(State.LOADED)

    async def unload(self) -> None:
        """Have the plugin give back everything."""
        plugin = self._plugin

        def job() -> None:
            self._thread.work = None
            self._close_links()
            if plugin is not None:
                plugin.unload()

        self.error = None
        await self._thread.do(job)
        self._change(State.CONFIGURED)

    async def ask(self, what: str, **order: Any) -> Any:
        """Ask the plugin for something bigger than a status; the question's facts are in `with`."""
        plugin = self._have_plugin()
        return await asyncio.to_thread(plugin.ask, what, order.get("with") or {})

    async def end(self, limit_s: float) -> None:
        """Give back everything, as far as the plugin lets us within this time. Again: no change."""
        self._thread.abort.ring()
        try:
            async with asyncio.timeout(limit_s):
                if self.state not in {State.INITIAL, State.CONFIGURED}:
                    await self.unload()
        except (TimeoutError, NarvalError) as error:
            logger.warning("%s: its end was not clean: %s", self.name, error or "no answer")
        self._thread.end()
        if self._mark is not None:
            self._mark.remove()

    # -- what it tells -------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """Return what the note `status` holds."""
        worker = self._worker
        counters = Counters() if worker is None else worker.counters
        rate_in, rate_out = self._rates.look(counters)
        busy_s = self._thread.seconds_busy()
        return {
            "state": self.state,
            "error": self.error,
            "blocks_in": counters.blocks_in,
            "blocks_out": counters.blocks_out,
            "bytes_in": counters.bytes_in,
            "bytes_out": counters.bytes_out,
            "bytes_per_s_in": rate_in,
            "bytes_per_s_out": rate_out,
            "run_s": round(self._rates.seconds(), 1),
            "lost_links": counters.lost_links + self._links.lost,
            "busy_s": round(busy_s, 1),
            "busy_in": self._place() if busy_s > _BUSY_S else "",
            "has_ended": worker is not None and worker.drained.is_set(),
            "buffers": self._links.describe(),
            "lost": self._lost(),
            "monitor": self._monitor(),
        }

    def _lost(self) -> dict[str, int]:
        """Return what the plugin has lost; what is not a count is left out, as in `_monitor`."""
        if self._plugin is None:
            return {}
        try:
            counts = self._plugin.losses()
            return {str(kind): int(count) for kind, count in counts.items() if count}
        except Exception as error:  # of a plugin in Python, which may raise anything
            logger.debug("a plugin's losses are not known", exc_info=error)
            return {"unknown": 1}

    def _place(self) -> str:
        """Return what of the plugin the data thread is in: a function in C, a line in Python."""
        return (self._mark.symbol if self._mark else "") or self._thread.place()

    def _monitor(self) -> Any:
        """Return the plugin's numbers; what is wrong with them is no reason to tell nothing."""
        if self._plugin is None:
            return None
        try:
            numbers = self._plugin.monitor()
            json.dumps(numbers)
        except Exception as error:  # noqa: BLE001 - of a plugin in Python, which may raise anything
            return {"error": describe(error)}
        return numbers

    # -- parts ---------------------------------------------------------------------------------

    def _have_plugin(self) -> Plugin:
        if self._plugin is None:
            raise NarvalError("it was not configured")
        return self._plugin

    def _have_worker(self) -> Worker:
        if self._worker is None:
            raise NarvalError("it was not initialised")
        return self._worker

    def _set(self, name: str, value: str) -> None:
        """Set a parameter: ours, or the plugin's."""
        if name == FAN_OUT:
            self._links.fan_out = parse_fan_out(value)
        else:
            self._have_plugin().set(name, value)

    def _fan_out(self) -> dict[str, str]:
        return {FAN_OUT: self._links.fan_out} if self._links.has_outputs else {}

    def _set_work(self, worker: Worker) -> None:
        self._thread.work = worker

    def _close_links(self) -> None:
        self._links.close()
        if self._worker is not None:
            self._worker.drained.set()  # nothing comes any more: a stop must not wait for it
        self._worker = None

    def _fail(self, error: str) -> None:
        """Take note that a step failed. In the data thread."""
        # Others must not wait for us: what they would write here is lost, and they count it.
        self._close_links()
        self._rates.end()
        self.error = error
        logger.error("%s: %s", self.name, error)
        self._loop.call_soon_threadsafe(self._change, State.ERROR)

    def _change(self, state: State) -> None:
        """Be in a state, or in Error while there is one: it may come in the middle of an order."""
        self.state = State.ERROR if self.error else state
        self._on_change()
