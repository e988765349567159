"""The process of the jump host: a managed service of the hub, which starts it again if it ends.

A process of its own, because encrypting what passes takes a processor as fast as it comes, and what
strangers send before they have logged in should meet neither the hub's loop nor its memory
(docs/decisions/0030).

    python -m vmlab.ssh.service SETTINGS        JSON: `ServiceSettings`
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import errno
import json
import logging
import logging.config
import os
import resource
import signal
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final

from vmlab.database import open_database
from vmlab.errors import LabError, UnsupportedError
from vmlab.groups.rules import group_rules
from vmlab.hub.log_lines import bounded_logging
from vmlab.lab.lab import load_lab
from vmlab.network.limits import raise_descriptor_limit
from vmlab.paths import Paths
from vmlab.people.guesses import FailureLimit
from vmlab.providers import make_provider
from vmlab.providers.base import ReachesSsh
from vmlab.providers.settings import provider_settings
from vmlab.ssh.control import MAX_LINE_BYTES, Request, Verb, parse_request
from vmlab.ssh.host_key import HOST_KEY, read_private_key
from vmlab.ssh.jump import JumpHost
from vmlab.ssh.keys import KeyBook
from vmlab.ssh.limits import find_room
from vmlab.ssh.logins import Logins
from vmlab.ssh.marks import PasswordMarks
from vmlab.ssh.settings import NAME, ServiceSettings
from vmlab.system.background import apart
from vmlab_protocol.errors import FormatError

CHECK_S: Final = 10.0
"""How long somebody whose key or token was revoked may stay connected."""

_REQUEST_LIMIT_S: Final = 5.0
_REST_S: Final = 1.0
_BACKLOG: Final = 128
_PR_SET_PDEATHSIG: Final = 1  # prctl(2)
_OUT: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.ENOBUFS})

_log = logging.getLogger("vmlab.ssh")

Take = Callable[[socket.socket, Any], Awaitable[None]]


async def serve(settings: ServiceSettings) -> None:
    """Serve until the process is told to end.

    Raises:
        LabError: something that it needs is missing.
    """
    paths = Paths(Path(settings.state), Path(settings.cache))
    lab = load_lab(Path(settings.lab))
    provider = make_provider(provider_settings(lab, paths))
    if not isinstance(provider, ReachesSsh):
        raise UnsupportedError(NAME, f"provider {provider.features.name} has no SSH")
    rules, accounts = group_rules(lab), frozenset(lab.accounts.names())
    database = open_database(paths.database)
    logins = Logins(settings.hub_url, database, accounts, PasswordMarks(paths), FailureLimit())
    book = KeyBook(database, provider, rules, paths)
    room = find_room(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    jump = JumpHost(read_private_key(paths.ssh, HOST_KEY), logins, provider, rules, room)
    _log.info("SSH: room for %d connections and %d channels", room.connections, room.channels)
    async with asyncio.TaskGroup() as tasks:
        ended = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
        work = [
            tasks.create_task(_accept(_listen_unix(paths.ssh_socket), HubEnd(jump).take)),
            tasks.create_task(_check(jump, book, accounts)),
        ]
        if lab.ssh.port and (listening := _listen_tcp(lab.hub.address, lab.ssh.port)):

            async def take(sock: socket.socket, peer: Any) -> None:
                await jump.carry(sock, peer[0])

            work.append(tasks.create_task(_accept(listening, take)))
        await ended.wait()
        for task in work:
            task.cancel()


class HubEnd:
    """Takes what the hub asks for."""

    def __init__(self, jump: JumpHost) -> None:
        self._jump = jump

    async def take(self, sock: socket.socket, _: Any) -> None:
        """Answer one connection; it is closed at the end."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(_REQUEST_LIMIT_S):
                request = parse_request(await _read_line(sock))
                answer = self._answer(request)
                await loop.sock_sendall(sock, json.dumps(answer).encode() + b"\n")
        except (OSError, TimeoutError, FormatError) as error:
            _log.warning("a request of the hub came to nothing: %r", error)
            sock.close()
            return
        if request.verb is Verb.CARRY and "refused" not in answer:
            await self._jump.carry(sock, request.about)
        sock.close()

    def _answer(self, request: Request) -> dict[str, object]:
        match request.verb:
            case Verb.CARRY if not self._jump.connections.has_room(request.about):
                return {"refused": "too many connections"}
            case Verb.CARRY:
                return {}
            case Verb.END:
                return {"ended": self._jump.end(request.about)}
            case Verb.BUSY:
                return {"machines": self._jump.busy_machines}


async def _read_line(sock: socket.socket) -> bytes:
    """Return a line; the hub sends nothing after it before it has the answer."""
    line = b""
    while not line.endswith(b"\n") and len(line) < MAX_LINE_BYTES:
        more = await asyncio.get_running_loop().sock_recv(sock, MAX_LINE_BYTES)
        if not more:
            break
        line += more
    return line


async def _accept(listening: socket.socket, take: Take) -> None:
    """Take connections until cancelled; those that are open are closed then."""
    loop = asyncio.get_running_loop()
    open_now: set[asyncio.Task[None]] = set()
    try:
        while True:
            try:
                sock, peer = await loop.sock_accept(listening)
            except OSError as error:
                if error.errno not in _OUT:
                    _log.warning("a connection could not be accepted: %s", error)
                await asyncio.sleep(_REST_S)
                continue
            task = asyncio.create_task(_take_one(take, sock, peer))
            open_now.add(task)
            task.add_done_callback(open_now.discard)
    finally:
        listening.close()
        for task in open_now:
            task.cancel()


async def _take_one(take: Take, sock: socket.socket, peer: Any) -> None:
    try:
        await take(sock, peer)
    except Exception:  # noqa: BLE001 - root of a task: whatever one client does, the others go on
        _log.exception("a connection ended unexpectedly")
        sock.close()


async def _check(jump: JumpHost, book: KeyBook, accounts: frozenset[str]) -> None:
    """End, again and again, what must not go on: connections, and keys that count no more."""
    while True:
        with apart("keys of changed passwords and of accounts that are gone"):
            for user in sorted(await book.forget_stale(accounts)):
                _log.warning("the SSH keys of %s are forgotten: another password, or gone", user)
        await jump.check()
        await asyncio.sleep(CHECK_S)


def _listen_unix(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    listening = socket.socket(socket.AF_UNIX)
    listening.bind(str(path))
    path.chmod(0o600)
    listening.listen(_BACKLOG)
    listening.setblocking(False)
    return listening


def _listen_tcp(address: str, port: int) -> socket.socket | None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        listening = socket.create_server((address, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        _log.error(
            "port %d of [ssh] cannot be opened: %s; SSH works through the hub's own address only",
            port, error.strerror,
        )  # fmt: skip
        return None
    listening.setblocking(False)
    return listening


def _end_with(parent: int) -> None:
    """Have the kernel end this process when the hub ends, however that happens."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        sys.exit(0)


def _begin_log() -> None:
    """Write into the hub's log, within its limits and in its form."""
    settings = bounded_logging()
    settings["handlers"]["console"]["formatter"] = "line"
    settings["formatters"] = {
        "line": {"format": "[%(levelname).1s %(asctime)s.%(msecs)03d %(name)s] %(message)s",
                 "datefmt": "%Y-%m-%d %H:%M:%S"}
    }  # fmt: skip
    settings["loggers"] = {"vmlab": {"level": "INFO"}}
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": False} | settings)


def main() -> None:
    """Run the process."""
    _begin_log()
    settings = ServiceSettings(**json.loads(sys.argv[1]))
    _end_with(settings.parent)
    os.umask(0o077)
    raise_descriptor_limit()
    try:
        with contextlib.suppress(KeyboardInterrupt):
            asyncio.run(serve(settings))
    except (LabError, OSError) as error:
        _log.error("%s", error)
        sys.exit(1)


if __name__ == "__main__":
    main()
