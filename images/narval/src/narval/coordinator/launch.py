"""Starting processes, on this host and by ssh on others."""

from __future__ import annotations

import asyncio
import shlex
import socket
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import Callable, Sequence

from narval.errors import NarvalError
from narval.topology.model import HOST_NAME, is_loopback

_LONGEST_LINE = 4096


class LaunchError(NarvalError):
    """A process that could not be started."""


def check_host(host: str) -> str:
    """Return a host's name or address.

    Raises:
        LaunchError: it is not one.
    """
    if not HOST_NAME.fullmatch(host):
        raise LaunchError(f"{host[:60]!r} is not a host name or address")
    return host


async def is_this_host(host: str) -> bool:
    """Tell whether a name or address is this machine's.

    Raises:
        LaunchError: nobody knows the name.
    """
    if is_loopback(check_host(host)) or host == socket.gethostname():
        return True
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, 0, type=socket.SOCK_DGRAM)
    except OSError as error:
        raise LaunchError(f"the host {host!r} is not known: {error.strerror}") from error
    return any(_is_ours(family, address) for family, _, _, _, address in found)


def _is_ours(family: int, address: tuple[object, ...]) -> bool:
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(address)
        except OSError:
            return False
    return True


def local_command(module: str, words: Sequence[str]) -> list[str]:
    """Return the command of one of our programs here: the very same Python and package."""
    # -P: a trainee's own queue.py beside the topology is not Python's.
    return [sys.executable, "-P", "-m", module, *words]


def ssh_command(host: str, program: str, words: Sequence[str]) -> list[str]:
    """Return the command of one of our programs on another host, where it must be installed.

    Raises:
        LaunchError: it is not a host's name.
    """
    remote = shlex.join([program, *words])
    return ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "--", check_host(host), remote]


async def start_process(command: Sequence[str], secret: str) -> Process:
    """Start a process in a session of its own and give it the secret on standard input.

    What it writes is to be read from its `stdout`, both streams.

    Raises:
        LaunchError: the program cannot be started.
    """
    try:
        process = await asyncio.create_subprocess_exec(
            *command, stdin=PIPE, stdout=PIPE, stderr=STDOUT, start_new_session=True
        )
    except OSError as error:
        raise LaunchError(f"{command[0]} cannot be started: {error.strerror}") from error
    await hand_over_secret(process, secret)
    return process


async def hand_over_secret(process: Process, secret: str) -> None:
    """Write the secret to the process's standard input, and close that."""
    stdin = process.stdin
    assert stdin is not None, "a pipe was asked for"  # noqa: S101
    try:
        stdin.write(f"{secret}\n".encode())
        await stdin.drain()
    except ConnectionError:
        pass  # it has ended already: whoever waits for it learns why
    finally:
        stdin.close()


async def read_lines(stream: asyncio.StreamReader, take: Callable[[str], None]) -> None:
    """Give each line of a stream to `take` until its end; what is longer than 4096 bytes is cut."""
    rest = b""
    while chunk := await stream.read(2**16):
        *lines, rest = (rest + chunk).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            lines, rest = [*lines, rest], b""
        for line in lines:
            take(line[:_LONGEST_LINE].decode(errors="replace").rstrip())
    if rest:
        take(rest.decode(errors="replace"))
