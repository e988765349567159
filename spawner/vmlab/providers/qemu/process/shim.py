"""The process that runs one QEMU: network namespace, relays, console, exit report.

Standard library only, run by `launch.py` as `python -s -S -m` this module with its lock, so that it
starts in milliseconds and stays small. It outlives the hub. When it dies, QEMU dies with it
(PR_SET_PDEATHSIG); when QEMU ends, it writes the exit report and ends.

If the hub is root, it starts as root and opens all that it will ever need in the machine's
folder: lock, sockets, console, report. Then it becomes the machine's own user, who cannot create
or rename anything in there.

In the namespace only loopback exists. QEMU's user network takes it for the host, so a machine that
tries the host's ports finds nothing but the relays to the hub's API and to the proxy.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmlab.network.relay import MAX_OUTWARD, Connect, Pace, Paces, Streams, make_relay, to_socket
from vmlab.network.uplink import enter_namespace, enter_namespace_with_internet
from vmlab.providers.qemu.process.endings import CAPABILITIES, listen_for_end
from vmlab.providers.qemu.process.gate import start_gate
from vmlab.providers.qemu.process.handout import hand_out, stop_at_writable_opens
from vmlab.providers.qemu.process.opened import OpenFiles, keep_console, listen, open_files
from vmlab.system.locks import take_lock

_READY_LIMIT_S = 20.0
_STDERR_BYTES = 4096
# Connections of each listener. A browser keeps a dozen open, and a kernel in it two; the shim has
# descriptors for all of them at once (_limit_self).
MAX_INWARD = 128
_PR_SET_NO_NEW_PRIVS = 38  # prctl(2)


@dataclass(frozen=True)
class ShimConfig:
    """What to run; comes from `launch.py` by a pipe, holds no secret."""

    argv: list[str]
    uid: int
    gid: int
    drop: bool
    groups: list[int]
    cgroup_procs: list[str]
    address_space: int | None  # bytes; only where no cgroup limits memory
    tasks: int | None  # processes and threads of QEMU; only where no cgroup limits them
    inward: dict[str, int]  # unix socket → port in the namespace
    outward: dict[str, str]  # port in the namespace → unix socket
    bytes_per_s: int  # each way: all listeners together, and likewise the internet; 0: no limit
    internet: bool
    unreachable: list[str]  # networks that stay out of reach even with internet
    allowed: list[str]  # the only names on the internet that may be reached; none: all
    # Names within the lock's folder, where shim and QEMU work: it may be renamed meanwhile.
    console: str
    exit_report: str
    events: int  # the number of the descriptor by which QEMU tells us what happens to its guest
    sockets: dict[str, int]  # unix socket → the number of the descriptor by which QEMU gets it
    memory: str  # a template's, which QEMU is to get for reading only; empty: there is none


def main() -> None:
    """Run the machine whose lock is named on the command line, as standard input says."""
    lock = Path(sys.argv[1])
    if os.fork():
        os._exit(0)  # the launcher waits for the first lines, not for this process
    os.setsid()
    os.chdir(lock.parent)
    try:
        take_lock(lock.name)
        _tell({"locked": True})
        # Not before the lock says whose process this is: a launcher that was cut off sends nothing.
        text = sys.stdin.buffer.read()
        if not text:
            sys.exit(1)
        config = ShimConfig(**json.loads(text))
        _limit_self(config)
        if config.internet:
            enter_namespace_with_internet(config.bytes_per_s, config.unreachable)
            if config.allowed:
                start_gate(config.allowed)
        else:
            enter_namespace()
        files = open_files(Path(config.console), Path(config.exit_report), config.memory)
        status = asyncio.run(_run(config, files))
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        _say({"error": f"{type(error).__name__}: {error}"})
        sys.exit(1)
    sys.exit(status)


def _limit_self(config: ShimConfig) -> None:
    """Enter the cgroups and lower the limits; QEMU inherits both."""
    for procs in config.cgroup_procs:
        Path(procs).write_text(str(os.getpid()))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))


async def _run(config: ShimConfig, files: OpenFiles) -> int:
    """Run QEMU and the relays until QEMU ends; return its exit status."""
    # Into the machine and out of it; all connections of a direction share one pace.
    paces = (Pace(config.bytes_per_s), Pace(config.bytes_per_s))
    servers = [*await _serve_inward(config, paces), *await _serve_outward(config, paces)]
    reader, writer = await _make_sockets(config)
    descriptors = [*config.sockets.values(), config.events]
    asked = stop_at_writable_opens() if config.memory else -1
    qemu = await asyncio.create_subprocess_exec(
        *qemu_words(config),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        pass_fds=descriptors,
    )
    for number in descriptors:
        os.close(number)
    assert qemu.stdout is not None  # noqa: S101 - both were asked for just above
    assert qemu.stderr is not None  # noqa: S101
    console = asyncio.create_task(keep_console(qemu.stdout, files.console, files.older_console))
    errors = asyncio.create_task(_keep_end(qemu.stderr))
    ending = asyncio.create_task(qemu.wait())
    if config.memory:
        handing = asyncio.create_task(hand_out(config.memory, files.memory, asked))
        await _first_of(handing, ending)
        os.close(asked)
        if handing.done():
            handing.result()
    _drop_privileges(config)
    greeting = asyncio.create_task(_await_greeting(reader))
    await _first_of(greeting, ending)
    is_there = greeting.done() and not greeting.cancelled() and greeting.exception() is None
    if is_there:
        writer.write(CAPABILITIES)
        _say({"ready": True})
    elif not ending.done():
        qemu.kill()
    causing = asyncio.create_task(listen_for_end(reader)) if is_there else None
    status = await ending
    await console
    message = await errors
    cause = await causing if causing else None
    writer.close()
    report = {"status": status, "message": message, "cause": cause, "at": time.time()}
    os.write(files.exit_report, json.dumps(report).encode())
    if not is_there:
        greeting.cancel()
        _say({"error": f"QEMU ended with {status}: {message}"})
    for server in servers:
        server.close()
    return status


async def _make_sockets(config: ShimConfig) -> Streams:
    """Make QEMU's sockets, each with its number; return our end of the one that tells of events."""
    for name, number in config.sockets.items():
        with listen(name) as listener:
            os.dup2(listener.fileno(), number)
    ours, its = socket.socketpair()
    os.dup2(its.fileno(), config.events)
    its.close()
    return await asyncio.open_connection(sock=ours)


def qemu_words(config: ShimConfig) -> list[str]:
    """Return QEMU's command behind setpriv(1), which drops every right and ties it to the shim."""
    words = ["setpriv", "--no-new-privs", "--inh-caps=-all", "--bounding-set=-all"]
    if config.drop:
        groups = ",".join(str(gid) for gid in config.groups)
        words += [f"--reuid={config.uid}", f"--regid={config.gid}"]
        words += [f"--groups={groups}"] if groups else ["--clear-groups"]
    words += ["--pdeathsig=KILL", "--"]
    limits = [("as", config.address_space), ("nproc", config.tasks)]
    options = [f"--{name}={value}" for name, value in limits if value is not None]
    if options:
        words += ["prlimit", *options, "--"]
    return words + config.argv


async def _first_of(task: asyncio.Task[None], ending: asyncio.Task[int]) -> None:
    """Return when the task has finished or failed, or QEMU has ended."""
    await asyncio.wait({task, ending}, return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        task.cancel()


def _drop_privileges(config: ShimConfig) -> None:
    """Become the machine's user for good: no program that we might run restores privileges."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "the shim cannot set no_new_privs")
    if config.drop:
        os.setgroups([])
        os.setresgid(config.gid, config.gid, config.gid)
        os.setresuid(config.uid, config.uid, config.uid)


async def _serve_inward(config: ShimConfig, paces: Paces) -> list[asyncio.Server]:
    """Open the sockets through which the hub's side reaches the machine."""
    servers = []
    for path, port in config.inward.items():
        relay = make_relay(_to_port(port), most=MAX_INWARD, paces=paces)
        servers.append(await asyncio.start_unix_server(relay, sock=listen(path)))
    return servers


async def _serve_outward(config: ShimConfig, paces: Paces) -> list[asyncio.Server]:
    """Open the ports through which the machine reaches the hub's listeners."""
    return [
        await asyncio.start_server(
            make_relay(to_socket(path), most=MAX_OUTWARD, paces=(paces[1], paces[0])),
            "127.0.0.1",
            int(port),
        )
        for port, path in config.outward.items()
    ]


def _to_port(port: int) -> Connect:
    async def connect() -> Streams:
        return await asyncio.open_connection("127.0.0.1", port)

    return connect


async def _await_greeting(reader: asyncio.StreamReader) -> None:
    """Return when QEMU's control connection greets: then its devices exist.

    Raises:
        TimeoutError: it did not in time.
        ConnectionError: QEMU ended.
    """
    async with asyncio.timeout(_READY_LIMIT_S):
        if not await reader.readline():
            raise ConnectionError("QEMU closed its control connection")


async def _keep_end(stream: asyncio.StreamReader) -> str:
    kept: deque[bytes] = deque(maxlen=_STDERR_BYTES)
    while data := await stream.read(1024):
        kept.extend(data[i : i + 1] for i in range(len(data)))
    return b"".join(kept).decode(errors="replace").strip()


def _tell(word: dict[str, Any]) -> None:
    """Tell the launcher one of the two lines that it reads from standard output."""
    with contextlib.suppress(BrokenPipeError):  # it went away
        os.write(1, json.dumps(word).encode() + b"\n")


def _say(word: dict[str, Any]) -> None:
    """Tell the launcher how it went, and let go of it: the machine runs without it."""
    _tell(word)
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)


if __name__ == "__main__":
    main()
