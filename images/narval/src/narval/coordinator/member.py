"""One actor's process, as the coordinator has it."""

from __future__ import annotations

import asyncio
import logging
import time
from asyncio.subprocess import Process
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

from narval.control.log_handler import as_actor
from narval.control.peer import Peer, PeerClosedError
from narval.coordinator.launch import read_lines, start_process
from narval.death import reason_of_end
from narval.errors import NarvalError
from narval.runtime import take_symbol
from narval.states import State
from narval.topology.model import Actor

FINISH_DEADLINE_S = 5.0
_KILL_AFTER_S = 2.0
_KILL_SSH_AFTER_S = 15.0  # it ends, and says what of, after all that it started there has ended

logger = logging.getLogger(__name__)


class ActorError(NarvalError):
    """An actor failed or has died; names it, and the order that it was given."""


class Member:
    """One actor: its process, its connection, and what it last said.

    Attributes:
        status: its last note `status`.
        error: why it failed or has died; None while it is well.
    """

    def __init__(self, actor: Actor, sub_system: str, on_trouble: Callable[[], None]) -> None:
        self.actor = actor
        self.uuid = uuid4().hex
        self.status: dict[str, Any] = {}
        self.error: str | None = None
        self._sub_system = sub_system
        self._on_trouble = on_trouble
        self._process: Process | None = None
        self._peer: Peer | None = None
        self._by_ssh = False
        self._is_finishing = False
        self._told_at = 0.0
        self._last_line = ""
        self._last_words: str | None = None  # of its note `died`
        self._connected = asyncio.Event()
        self._ended = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_alive(self) -> bool:
        """Whether it can be given orders."""
        return self._peer is not None and not self._peer.is_closed and not self._ended.is_set()

    @property
    def pid(self) -> int | None:
        """Of the actor, on its host."""
        return None if self._peer is None else self._peer.hello.get("pid")

    async def launch(
        self, command: Sequence[str], secret: str, *, by_ssh: bool, deadline_s: float
    ) -> None:
        """Start the process and wait until it has connected.

        Raises:
            NarvalError: it cannot be started, ends at once, or does not connect in time.
        """
        self._by_ssh = by_ssh
        self._process = await start_process(command, secret)
        self._spawn(self._watch(self._process))
        either = [asyncio.ensure_future(e.wait()) for e in (self._connected, self._ended)]
        try:
            await asyncio.wait(either, timeout=deadline_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for waiting in either:
                waiting.cancel()
        if self._ended.is_set():
            raise ActorError(f"{self.actor.name}: it ended while it was launched: {self.error}")
        if not self._connected.is_set():
            self.kill()
            where = f" from {self.actor.hostname}" if by_ssh else ""
            text = f"it did not connect{where} within {deadline_s:g} s"
            raise ActorError(f"{self.actor.name}: {text}")

    def attach(self, peer: Peer) -> None:
        """Take the connection of the actor.

        Raises:
            ActorError: it has one already.
        """
        if self._peer is not None:
            raise ActorError(f"{self.actor.name} is connected already")
        self._peer, self._told_at = peer, time.monotonic()
        peer.what = f"the actor {self.actor.name}"
        peer.handlers = {"status": self._take_status, "died": self._take_last_words}
        peer.when_closed(self._disconnected)
        self._connected.set()

    async def order(self, name: str, /, *, deadline_s: float | None = None, **with_: Any) -> Any:
        """Give the actor an order and wait until it has done it.

        Args:
            deadline_s: None: `narval.coordinator.settle` has it.

        Raises:
            ActorError: it failed, died, or did not answer in time; names the order.
        """
        about = f"{self.actor.name}: {name}"
        if self._peer is None or not self.is_alive:
            if self._peer is not None:
                await self._wait_for_end(2 * _KILL_AFTER_S)  # then it is known why
            raise ActorError(f"{about}: it is not running: {self.error or 'it was not launched'}")
        try:
            return await self._peer.call(name, deadline_s=deadline_s, **with_)
        except PeerClosedError as error:
            await self._wait_for_end(2 * _KILL_AFTER_S)
            raise ActorError(f"{about}: it died: {self.error or error}") from error
        except NarvalError as error:
            raise ActorError(f"{about}: {error}") from error

    async def finish(self) -> None:
        """End the process: asked first, killed if need be. Again: no change."""
        self._is_finishing = True
        if self.is_alive:
            try:
                await self.order("finish", deadline_s=FINISH_DEADLINE_S)
            except ActorError as error:
                logger.warning("%s; it is killed", error, extra=as_actor(self.actor.name))
                self.kill()
        elif self._peer is None:
            self.kill()
        if not await self._wait_for_end(FINISH_DEADLINE_S):
            self.kill()
            await self._wait_for_end(FINISH_DEADLINE_S)

    def seconds_hung(self) -> float:
        """Return for how long its plugin has not returned from a call, as far as it can tell.

        What holds Python's lock holds the status back, too.
        """
        silent_s = time.monotonic() - self._told_at
        return float(self.status.get("busy_s", 0.0)) + silent_s

    def kill(self, reason: str = "") -> None:
        """End the process at once. Again: no change.

        Args:
            reason: what it did; empty: it is not its fault.
        """
        if reason:
            self._last_words = reason
        else:
            self._is_finishing = True
        if self._process is not None and self._process.returncode is None:
            self._process.kill()
        if self._peer is not None:
            self._peer.close()  # of one on another host: it ends by this

    def forgive(self) -> None:
        """Forget an error that the actor has reported."""
        self.error = None

    def describe(self) -> dict[str, Any]:
        """Return its status as the coordinator tells it to clients."""
        return {
            **self.status,
            "state": self.status.get("state", State.INITIAL) if self.is_alive else State.ERROR,
            "name": self.actor.name,
            "role": self.actor.role,
            "hostname": self.actor.hostname,
            "binary_code": self.actor.binary_code,
            "pid": self.pid,
            "error": self.error,
        }

    async def _take_status(self, **status: Any) -> None:
        self.status, self._told_at = status, time.monotonic()
        error = status.get("error")
        if status.get("state") == State.ERROR and self.error is None:
            self._blame(str(error or "it is in state Error and does not say why"))

    async def _take_last_words(self, error: str) -> None:
        self._last_words = error

    async def _watch(self, process: Process) -> None:
        assert process.stdout is not None, "a pipe was asked for"  # noqa: S101
        reading = asyncio.ensure_future(read_lines(process.stdout, self._take_line))
        code = await process.wait()
        if self._peer is not None:  # its last words come before the end of its connection
            await _within(1.0, self._peer.closed())
            self._peer.close()
        await _within(1.0, reading)  # longer: a child of the plugin has the pipe
        reading.cancel()
        self._ended.set()
        self._end(code)

    def _end(self, code: int) -> None:
        symbol = "" if self._by_ssh else take_symbol(self._sub_system, self.uuid)
        if self._is_finishing:
            return
        reason = reason_of_end(code, symbol=symbol, by_ssh=self._by_ssh, last_line=self._last_line)
        self.error = None  # what it died of counts for more than what it complained of before
        self._blame(self._last_words or reason)

    def _blame(self, reason: str) -> None:
        if self.error is None:
            self.error = reason
            logger.error("%s: %s", self.actor.name, reason, extra=as_actor(self.actor.name))
            self._on_trouble()

    def _take_line(self, line: str) -> None:
        if line:
            self._last_line = line
            logger.info("%s", line, extra=as_actor(self.actor.name))

    def _disconnected(self) -> None:
        self._spawn(self._end_disconnected())

    async def _end_disconnected(self) -> None:
        patience_s = _KILL_SSH_AFTER_S if self._by_ssh else _KILL_AFTER_S
        if not await self._wait_for_end(patience_s) and self._process is not None:
            self._last_words = self._last_words or "its control connection ended; it was killed"
            if self._process.returncode is None:
                self._process.kill()

    async def _wait_for_end(self, seconds: float) -> bool:
        if self._process is None:
            return True
        await _within(seconds, self._ended.wait())
        return self._ended.is_set()

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _within(seconds: float, work: Any) -> None:
    """Wait for something at most so long."""
    await asyncio.wait([asyncio.ensure_future(work)], timeout=seconds)
