"""narval run: a whole acquisition on this machine, in one command."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from narval.cli.table import format_table
from narval.client import read_status
from narval.config import LOOPBACK, Address, config_folder, ensure_secret
from narval.console import complain, say
from narval.control.central_log import NAME as CENTRAL_LOG
from narval.control.central_log import serve_log
from narval.control.naming import serve_names
from narval.control.peer import connect
from narval.control.registration import connect_naming, look_up
from narval.control.server import PortError
from narval.control.service import unless_stopped
from narval.coordinator.coordinator import Coordinator, coordinate
from narval.coordinator.settings import Settings, check_sub_system
from narval.errors import NarvalError
from narval.states import Action, State
from narval.topology.model import LogLevel

_REFRESH_S = 0.5
_STARTING = (Action.CONFIGURE, Action.LOAD, Action.INITIALISE, Action.START)


@dataclass(frozen=True)
class RunRequest:
    """What is to be run.

    Attributes:
        seconds: how long; None: until it is interrupted.
        run_number: the run's; None: one more than the highest.
        naming: where the naming service is, or is started.
    """

    file: Path
    sub_system: str
    seconds: float | None
    run_number: int | None
    naming: Address
    log_level: LogLevel


async def run(request: RunRequest, stop: asyncio.Event) -> int:
    """Run it until it is time, `stop` is set, or it fails; return the exit code.

    Raises:
        NarvalError: it could not be started or ended as it should; says why.
    """
    check_sub_system(request.sub_system)
    folder = config_folder()
    secret = ensure_secret(folder)
    async with _services(request, secret, folder) as naming:
        at = Address(LOOPBACK, 0)
        settings = Settings(request.sub_system, at, naming, secret, folder, is_all_here=True)
        coordinator = await coordinate(settings)
        try:
            coordinator.set_configuration_file(request.file)
            if request.run_number is not None:
                coordinator.set_run_number(request.run_number)
            return await _lead(coordinator, request, stop)
        except asyncio.CancelledError:
            coordinator.kill()
            raise
        finally:
            await coordinator.close()


@contextlib.asynccontextmanager
async def _services(request: RunRequest, secret: str, folder: Path) -> AsyncIterator[Address]:
    """Have a naming service and a central log: those that run already, else our own."""
    with contextlib.ExitStack() as stack:
        naming = request.naming
        try:
            names = await serve_names(naming, secret, None)
        except PortError as error:
            await _expect_naming_service(naming, secret, error)
        else:
            stack.callback(names.close)
            naming = Address(naming.host, names.server.port)
        try:
            await _expect_log(naming, secret)
        except NarvalError:
            log = await serve_log(Address(LOOPBACK, 0), secret, folder, request.log_level)
            stack.callback(log.close)
            await log.register(naming, secret, CENTRAL_LOG)
        yield naming


async def _expect_log(naming: Address, secret: str) -> None:
    """Raise NarvalError unless there is a central log that takes connections."""
    at = await look_up(naming, secret, CENTRAL_LOG)
    (await connect(at.host, at.port, secret, {"hello": "client"})).close()


async def _expect_naming_service(naming: Address, secret: str, reason: PortError) -> None:
    try:
        (await connect_naming(naming, secret)).close()
    except NarvalError as error:
        raise NarvalError(
            f"{reason}; it is not a naming service of this acquisition ({error}); "
            f"--naming_service {LOOPBACK}:0 takes a free port"
        ) from error


async def _lead(coordinator: Coordinator, request: RunRequest, stop: asyncio.Event) -> int:
    for action in _STARTING:
        if not await unless_stopped(stop, coordinator.act(action)):
            complain("narval run", f"{action} was given up: a signal asked narval to end")
            return 1
    number, naming = coordinator.status()["run_number"], coordinator.settings.naming
    say(f"{request.sub_system}: Running, run {number}; naming service {naming}")
    screen = _Screen()
    await _watch(coordinator, request.seconds, stop, screen)
    if coordinator.state in {State.RUNNING, State.PAUSED}:
        if stop.is_set():
            complain("narval run", f"run {number} is ending; Ctrl-C again ends it at once")
        await _stop(coordinator, screen)
    final = read_status(coordinator.status())
    for line in format_table(final, is_over=True):
        say(line)
    if final.state is not State.STOPPED:
        complain("narval run", final.error or f"it is {final.state}")
        return 1
    return 0


async def _stop(coordinator: Coordinator, screen: _Screen) -> None:
    """End the run, and show the rates while data still flow."""
    stopping = asyncio.ensure_future(coordinator.act(Action.STOP))
    try:
        while not stopping.done():
            await asyncio.wait({stopping}, timeout=_REFRESH_S)
            if not stopping.done():
                screen.show(coordinator, "the run is ending; Ctrl-C ends it at once")
    finally:
        stopping.cancel()
        screen.clear()
    await stopping


async def _watch(
    coordinator: Coordinator, seconds: float | None, stop: asyncio.Event, screen: _Screen
) -> None:
    """Show the rates on a terminal until it is time, somebody stops it, or it leaves Running."""
    loop = asyncio.get_running_loop()
    end = None if seconds is None else loop.time() + seconds
    while coordinator.state in {State.RUNNING, State.PAUSED}:
        left = _REFRESH_S if end is None else min(_REFRESH_S, end - loop.time())
        if left <= 0:
            break
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(left):
                await stop.wait()
        if stop.is_set():
            break
        screen.show(coordinator, "Ctrl-C ends the run")
    screen.clear()


class _Screen:
    """A table that is written over itself; nothing where there is no terminal."""

    def __init__(self) -> None:
        self._is_terminal = sys.stdout.isatty()
        self._height = 0

    def show(self, coordinator: Coordinator, last_line: str) -> None:
        if not self._is_terminal:
            return
        size = shutil.get_terminal_size()
        lines = format_table(read_status(coordinator.status()), size.columns - 1)
        lines = [*lines[: size.lines - 2], last_line]
        self.clear()
        sys.stdout.write("\n".join(lines) + "\n")
        sys.stdout.flush()
        self._height = len(lines)

    def clear(self) -> None:
        if self._height:
            sys.stdout.write(f"\x1b[{self._height}A\x1b[J")
            self._height = 0
