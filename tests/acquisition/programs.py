"""What tests of the control plane share: topologies, polling, programs as processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import narval
from narval.client import Access, SubSystem
from narval.config import Address, ensure_secret
from narval.control.naming import serve_names
from narval.control.service import LISTENING
from narval.coordinator.coordinator import coordinate
from narval.coordinator.settings import Settings
from narval.states import State

LOCAL = Address("127.0.0.1", 0)
STARTING = ("configure", "load", "initialise", "start")
SOURCES = Path(narval.__file__).parent.parent

MODULES = {
    "narval_naming_service": "narval.control.programs:naming_service",
    "central_log": "narval.control.programs:central_log",
    "narval_coordinator": "narval.coordinator.program:main",
    "aws_shell": "narval.shell.server:main",
    "narval_shell": "narval.shell.program:main",
    "narval": "narval.cli.main:main",
}
"""The console scripts, as pyproject.toml is to have them."""


def chain(**arguments: str) -> str:
    """A producer, a filter and a consumer; arguments by actor: `{"writer": "fail_at=load"}`."""

    def lines(name: str) -> str:
        words = arguments.get(name, "").split()
        return "".join(f"<argument>{word}</argument>" for word in words)

    return f"""<configuration>
  <producer>
    <name>writer</name><hostname>localhost</hostname><binary_code>generic_producer</binary_code>
    <output_buffer_name>data</output_buffer_name>
    <size output_buffer="data">1_000</size><port output_buffer="data">fifo</port>
    {lines("writer")}
  </producer>
  <intermediary>
    <name>copier</name><hostname>localhost</hostname><binary_code>generic_filter</binary_code>
    <data_source source_port="fifo" source_buffer="data">writer</data_source>
    <output_buffer_name>copy</output_buffer_name>
    <size output_buffer="copy">2_000</size><port output_buffer="copy">fifo</port>
    {lines("copier")}
  </intermediary>
  <consumer>
    <name>reader</name><hostname>localhost</hostname><binary_code>generic_consumer</binary_code>
    <data_source source_port="fifo" source_buffer="copy">copier</data_source>
    {lines("reader")}
  </consumer>
</configuration>
"""


async def until(condition, seconds: float = 60.0):
    """Poll until `condition` (it may be a coroutine function) is true; return its value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if asyncio.iscoroutine(value):
            value = await value
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {seconds} s: {condition}"
        await asyncio.sleep(0.02)


async def act(client: SubSystem, *actions: str) -> State:
    for action in actions:
        state = await client.act(action)
    return state


async def actors(client: SubSystem) -> dict[str, Mapping[str, Any]]:
    return {actor["name"]: actor for actor in (await client.status()).actors}


async def in_error(client: SubSystem) -> str:
    async def error():
        status = await client.status()
        return status.state is State.ERROR and status.error

    return await until(error)


def command(program: str, *words: str) -> list[str]:
    """The command of one of our programs, as its console script runs it."""
    module, function = MODULES[program].split(":")
    code = f"import sys; from {module} import {function} as main; sys.exit(main())"
    return [sys.executable, "-c", code, *words]


class Service(subprocess.Popen[str]):
    """The process of a service."""

    port: int


@contextlib.contextmanager
def service(program: str, *words: str) -> Iterator[Service]:
    """A service as a process, once it listens; ends it by SIGTERM."""
    process = Service(
        command(program, *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        line = process.stdout.readline()
        assert line.startswith(LISTENING), (line, process.stderr.read())
        process.port = int(line.rpartition(":")[2])
        yield process
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=30)


def run(program: str, *words: str, **more) -> subprocess.CompletedProcess[str]:
    """Run a program to its end."""
    return subprocess.run(
        command(program, *words), capture_output=True, text=True, check=False, timeout=60, **more
    )


def is_running(pid: int) -> bool:
    """Whether there is such a process, and it is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def kill(pid: int, number: int = signal.SIGKILL) -> None:
    os.kill(pid, number)


@contextlib.asynccontextmanager
async def open_sub_systems(
    folder: Path, kept: Path | None = None
) -> AsyncIterator[Callable[[Path], Awaitable[SubSystem]]]:
    """Give a function that begins the sub-system `tandem` with a topology; it returns a client.

    Args:
        folder: of the acquisition.
        kept: where the naming service keeps its names; None: nowhere.
    """
    async with contextlib.AsyncExitStack() as ends:

        async def begin(file: Path) -> SubSystem:
            secret = ensure_secret(folder)
            service = await serve_names(LOCAL, secret, kept)
            ends.callback(service.close)
            naming = Address("127.0.0.1", service.server.port)
            coordinator = await coordinate(Settings("tandem", LOCAL, naming, secret, folder))
            ends.push_async_callback(coordinator.close)
            coordinator.set_configuration_file(file)
            client = await SubSystem.find("tandem", Access(naming, secret))
            ends.callback(client.close)
            return client

        yield begin
