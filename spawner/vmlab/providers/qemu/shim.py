"""The process that runs one QEMU: network namespace, relays, console, exit report.

Standard library only, run by `launch.py` as `python -s -S -m vmlab.providers.qemu.shim CONFIG`, so
that it starts in milliseconds and stays small. It outlives the hub. When it dies, QEMU dies with it
(PR_SET_PDEATHSIG); when QEMU ends, it writes the exit report and ends.

In the namespace only loopback exists. QEMU's user network takes it for the host, so a machine that
tries the host's ports finds nothing but the relays to the hub's API and to the proxy.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import resource
import struct
import subprocess
import sys
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vmlab.providers.qemu.relay import Connect, Pace, Paces, Streams, make_relay, to_socket
from vmlab.providers.qemu.uplink import enter_namespace, enter_namespace_with_internet

_READY_LIMIT_S = 20.0
_CONSOLE_BYTES = 256 * 1024
_STDERR_BYTES = 4096
# Connections of each door. A browser keeps a dozen open, and a kernel in it two; the shim has
# descriptors for all of them at once (_limit_self).
MOST_INWARD = 128
MOST_OUTWARD = 32
"""A machine's own server keeps ten at most, its agent three."""


@dataclass(frozen=True)
class ShimConfig:
    """What to run; written by `launch.py`, holds no secret."""

    argv: list[str]
    uid: int
    gid: int
    drop: bool
    groups: list[int]
    folder: str  # where shim and QEMU work; it may be renamed meanwhile, so names are relative
    cgroup_procs: list[str]
    address_space: int | None  # bytes; only where no cgroup limits memory
    tasks: int | None  # processes and threads of QEMU; only where no cgroup limits them
    inward: dict[str, int]  # unix socket → port in the namespace
    outward: dict[str, str]  # port in the namespace → unix socket
    bytes_per_s: int  # each way: all doors together, and likewise the internet; 0: no limit
    internet: bool
    unreachable: list[str]  # networks that stay out of reach even with internet
    lock: str
    console: str
    exit_report: str
    qmp: str


def main() -> None:
    """Run the machine described by the file named on the command line."""
    config = ShimConfig(**json.loads(Path(sys.argv[1]).read_text()))
    if os.fork():
        os._exit(0)  # the launcher waits for the first line, not for this process
    os.setsid()
    os.chdir(config.folder)
    try:
        lock = take_lock(config.lock)
        Path(config.exit_report).unlink(missing_ok=True)
        _limit_self(config)
        if config.internet:
            enter_namespace_with_internet(config.bytes_per_s, config.unreachable)
        else:
            enter_namespace()
        status = asyncio.run(_run(config))
        os.close(lock)
    except (OSError, RuntimeError, subprocess.SubprocessError) as error:
        _say({"error": f"{type(error).__name__}: {error}"})
        sys.exit(1)
    sys.exit(status)


def take_lock(path: str) -> int:
    """Lock the file for as long as this process lives.

    Raises:
        BlockingIOError: another shim holds it.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    words = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, words)
    return descriptor


def is_locked(path: str) -> bool:
    """Tell whether a shim holds the lock, without taking it."""
    try:
        descriptor = os.open(path, os.O_RDWR)
    except FileNotFoundError:
        return False
    try:
        words = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        answer = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, words)
        return bool(struct.unpack("hhqqi4x", answer)[0] != fcntl.F_UNLCK)
    finally:
        os.close(descriptor)


def _limit_self(config: ShimConfig) -> None:
    """Enter the cgroups and lower the limits; QEMU inherits both."""
    for procs in config.cgroup_procs:
        Path(procs).write_text(str(os.getpid()))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))


async def _run(config: ShimConfig) -> int:
    """Run QEMU and the relays until QEMU ends; return its exit status."""
    # Into the machine and out of it; all connections of a direction share one pace.
    paces = (Pace(config.bytes_per_s), Pace(config.bytes_per_s))
    servers = [*await _serve_inward(config, paces), *await _serve_outward(config, paces)]
    qemu = await asyncio.create_subprocess_exec(
        *qemu_words(config),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    _drop_privileges(config)
    assert qemu.stdout is not None  # noqa: S101 - both were asked for just above
    assert qemu.stderr is not None  # noqa: S101
    console = asyncio.create_task(_keep_console(qemu.stdout, Path(config.console)))
    errors = asyncio.create_task(_keep_end(qemu.stderr))
    ending = asyncio.create_task(qemu.wait())
    greeting = asyncio.create_task(_await_greeting(config.qmp))
    await asyncio.wait({greeting, ending}, return_when=asyncio.FIRST_COMPLETED)
    if not ending.done() and greeting.exception() is None:
        _say({"ready": True})
    elif not ending.done():
        qemu.kill()
    status = await ending
    await console
    message = await errors
    report = {"status": status, "message": message, "at": time.time()}
    Path(config.exit_report).write_text(json.dumps(report))
    if not greeting.done() or greeting.exception() is not None:
        greeting.cancel()
        _say({"error": f"QEMU ended with {status}: {message}"})
    for server in servers:
        server.close()
    _remove_sockets(config)
    return status


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


def _drop_privileges(config: ShimConfig) -> None:
    if config.drop:
        os.setgroups([])
        os.setresgid(config.gid, config.gid, config.gid)
        os.setresuid(config.uid, config.uid, config.uid)


async def _serve_inward(config: ShimConfig, paces: Paces) -> list[asyncio.Server]:
    """Open the doors through which the hub's side reaches the machine."""
    servers = []
    for path, port in config.inward.items():
        Path(path).unlink(missing_ok=True)
        relay = make_relay(_to_port(port), most=MOST_INWARD, paces=paces)
        servers.append(await asyncio.start_unix_server(relay, path))
        Path(path).chmod(0o600)
        if config.drop:
            os.chown(path, config.uid, config.gid)
    return servers


async def _serve_outward(config: ShimConfig, paces: Paces) -> list[asyncio.Server]:
    """Open the doors through which the machine reaches the hub's side."""
    return [
        await asyncio.start_server(
            make_relay(to_socket(path), most=MOST_OUTWARD, paces=(paces[1], paces[0])),
            "127.0.0.1",
            int(port),
        )
        for port, path in config.outward.items()
    ]


def _to_port(port: int) -> Connect:
    async def connect() -> Streams:
        return await asyncio.open_connection("127.0.0.1", port)

    return connect


async def _await_greeting(qmp: str) -> None:
    """Return when QEMU's control socket greets: then its devices exist.

    Raises:
        TimeoutError: it did not in time.
    """
    async with asyncio.timeout(_READY_LIMIT_S):
        while True:
            with contextlib.suppress(FileNotFoundError, ConnectionRefusedError):
                reader, writer = await asyncio.open_unix_connection(qmp)
                await reader.readline()
                writer.close()
                return
            await asyncio.sleep(0.01)


async def _keep_console(stream: asyncio.StreamReader, path: Path) -> None:
    """Write the console to a file that never grows beyond two halves of the limit."""
    older = path.with_suffix(".log.1")
    file = path.open("wb", buffering=0)
    try:
        while data := await stream.read(4096):
            if file.tell() > _CONSOLE_BYTES // 2:
                file.close()
                path.replace(older)
                file = path.open("wb", buffering=0)
            # A full disk must not end the machine: its console is then lost, not its work.
            with contextlib.suppress(OSError):
                file.write(data)
    finally:
        file.close()


async def _keep_end(stream: asyncio.StreamReader) -> str:
    kept: deque[bytes] = deque(maxlen=_STDERR_BYTES)
    while data := await stream.read(1024):
        kept.extend(data[i : i + 1] for i in range(len(data)))
    return b"".join(kept).decode(errors="replace").strip()


def _remove_sockets(config: ShimConfig) -> None:
    for path in (*config.inward, config.qmp):
        Path(path).unlink(missing_ok=True)


def _say(word: dict[str, Any]) -> None:
    """Tell the launcher, once; it reads the first line of standard output."""
    try:
        os.write(1, json.dumps(word).encode() + b"\n")
    except OSError:
        return  # the launcher went away: the machine runs all the same
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)


if __name__ == "__main__":
    main()
