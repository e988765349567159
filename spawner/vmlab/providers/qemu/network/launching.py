"""The hub's side of a keeper: it is started detached, and asked."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import vmlab
import vmlab_protocol
from vmlab.errors import HostError, MachineConflictError
from vmlab.model import NetworkSpec
from vmlab.providers.qemu.network.keeper import LOCK, MESSAGE_BYTES, SOCKET
from vmlab.providers.qemu.network.layout import spec_as_json
from vmlab.providers.qemu.network.probe import Verdict
from vmlab.system.environment import tool_environment
from vmlab.system.locks import is_locked
from vmlab.system.outside import as_facts

_KEEPER = "vmlab.providers.qemu.network.keeper"
_PROBE = "vmlab.providers.qemu.network.probe"

_PYTHONPATH = os.pathsep.join(
    dict.fromkeys(str(Path(package.__path__[0]).parent) for package in (vmlab, vmlab_protocol))
)
_LAUNCH_LIMIT_S = 30.0
_ASK_LIMIT_S = 30.0
_POLL_S = 0.02
_HINT = "vmlab doctor checks what a network of machines needs from this host"


async def launch(folder: Path, spec: NetworkSpec, scope: Sequence[str]) -> None:
    """Start a keeper unless one keeps the network; return when one answers.

    Args:
        folder: of the network; made here.
        scope: words before the command.

    Raises:
        HostError: this host cannot make the network.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    process = await _start(*scope, *_python(_KEEPER), str(folder / LOCK))
    assert process.stdout is not None  # noqa: S101 - both were asked for just above
    assert process.stderr is not None  # noqa: S101
    message = ""
    try:
        async with asyncio.timeout(_LAUNCH_LIMIT_S):
            word = await _tell(process, json.dumps(spec_as_json(spec)).encode())
            if not word:
                message = (await process.stderr.read(4000)).decode(errors="replace").strip()
    except TimeoutError as error:
        raise HostError(
            f"the network {spec.name} did not come up within {_LAUNCH_LIMIT_S:.0f} s", hint=_HINT
        ) from error
    if "error" in word or not word:
        raise HostError(
            f"the network {spec.name} cannot be made: {word.get('error', message[-1000:])}",
            hint=_HINT,
        )


async def try_host() -> Verdict:
    """Return whether this host can have networks, by making one in a process of its own."""
    process = await _start(*_python(_PROBE))
    try:
        async with asyncio.timeout(_LAUNCH_LIMIT_S):
            output, errors = await process.communicate()
            return as_facts(Verdict, json.loads(output))
    except TimeoutError:
        return Verdict(problem=f"making one took longer than {_LAUNCH_LIMIT_S:.0f} s")
    except ValueError:
        return Verdict(problem=errors.decode(errors="replace").strip()[-500:] or "no answer")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def _python(module: str) -> list[str]:
    return [sys.executable, "-s", "-S", "-m", module]


async def _start(*words: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        *words,
        cwd="/",
        env=tool_environment(PYTHONPATH=_PYTHONPATH),
        stdin=pipe,
        stdout=pipe,
        stderr=pipe,
        start_new_session=True,
    )


async def _tell(process: asyncio.subprocess.Process, text: bytes) -> dict[str, Any]:
    """Send a keeper what to keep; return its word, empty if it ended without one."""
    assert process.stdin is not None  # noqa: S101 - asked for by the caller
    assert process.stdout is not None  # noqa: S101
    try:
        process.stdin.write(text)
        process.stdin.write_eof()
        line = await process.stdout.readline()
        return dict(json.loads(line)) if line else {}
    finally:
        process.stdin.close()


async def ask(folder: Path, ask: str, **more: Any) -> tuple[dict[str, Any], int | None]:
    """Ask the keeper of this folder's network; return its answer, and the descriptor with it.

    Raises:
        HostError: nobody keeps it, or what was asked could not be done.
        MachineConflictError: it cannot be beside what is there.
    """
    message = json.dumps({"ask": ask, **more}).encode()
    try:
        async with asyncio.timeout(_ASK_LIMIT_S):
            with await _connect(folder) as keeper:
                keeper.send(message)
                said, descriptor = await _receive(keeper)
    except (TimeoutError, OSError, ValueError) as error:
        raise HostError(
            f"the network {folder.name} cannot be asked to {ask}: {str(error) or 'no answer'}",
            hint=f"see what its keeper does: fuser {folder / LOCK}",
        ) from error
    if "error" in said:
        raise HostError(f"the network {folder.name} did not {ask}: {said['error']}", hint=_HINT)
    if "conflict" in said:
        raise MachineConflictError(folder.name, said["conflict"])
    return said, descriptor


async def _connect(folder: Path) -> socket.socket:
    """Return a connection to the keeper; one that is coming up is waited for."""
    while True:
        keeper = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)
        try:
            keeper.connect(str(folder / SOCKET))
        except (FileNotFoundError, ConnectionRefusedError, BlockingIOError):
            keeper.close()
            if not is_locked(str(folder / LOCK)):
                raise
            await asyncio.sleep(_POLL_S)
        except BaseException:
            keeper.close()
            raise
        else:
            return keeper


async def _receive(keeper: socket.socket) -> tuple[dict[str, Any], int | None]:
    loop = asyncio.get_running_loop()
    readable = loop.create_future()
    loop.add_reader(keeper, _settle, readable)
    try:
        await readable
    finally:
        loop.remove_reader(keeper)
    data, descriptors, _, _ = socket.recv_fds(keeper, MESSAGE_BYTES, 1)
    descriptor = descriptors[0] if descriptors else None
    try:
        return dict(json.loads(data)), descriptor
    except ValueError:
        if descriptor is not None:
            os.close(descriptor)
        raise


def _settle(readable: asyncio.Future[None]) -> None:
    with contextlib.suppress(asyncio.InvalidStateError):
        readable.set_result(None)
