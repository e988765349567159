"""A trainee's desk for tests: commands over SSH, code in a kernel through hub and proxy."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from hub.running_hub import RunningHub
from vmlab.bench.kernel import execute, open_kernel
from vmlab.hub.sessions import open_session
from vmlab.names import machine_name
from vmlab.providers.qemu.machine.machine import Machine
from vmlab.providers.qemu.provider import QemuProvider
from vmlab.providers.settings import ProviderSettings

SSH_LIMIT_S = 600
STOP_LIMIT_S = 420
PAGE_LIMIT_MS = 800_000  # from a click to the page of a machine that boots meanwhile
LOGIN_S = 1800  # that a login waits for the next command: no course takes as long
KERNEL_LIMIT_S = 2800  # a whole course twice, on a host that does many other things


def _greets(door: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(10)
        try:
            connection.connect(str(door))
            return connection.recv(4) == b"SSH-"
        except OSError:
            return False


class Desk:
    """One trainee's machine, behind a running hub."""

    def __init__(self, hub: RunningHub, user: str, cache: Path) -> None:
        self.hub = hub
        self.user = user
        self.machine = machine_name(user)
        self.provider = QemuProvider(ProviderSettings("qemu", hub.folder, cache))
        self._control = hub.folder / f"ssh-{user}"

    @property
    def folder(self) -> Machine:
        return Machine.below(self.hub.folder / "machines", self.machine)

    def run(self, command: str, *, stdin: bytes = b"", check: bool = True) -> str:
        """Run a shell command as the trainee; return what it wrote."""
        done = subprocess.run(
            self._words(command), input=stdin, capture_output=True, timeout=SSH_LIMIT_S, check=False
        )
        text = done.stdout.decode(errors="replace")
        assert not check or done.returncode == 0, (
            f"{command}\n{text}\n{done.stderr.decode(errors='replace')}\n{self.console()}"
        )
        return text

    @contextmanager
    def begin(self, command: str) -> Iterator[subprocess.Popen[str]]:
        """Begin a shell command as the trainee, who talks with it; it ends with the block."""
        pipe = subprocess.PIPE
        with subprocess.Popen(self._words(command), stdin=pipe, stdout=pipe, text=True) as begun:
            try:
                yield begun
            finally:
                begun.terminate()

    def _words(self, command: str) -> list[str]:
        self._wait_for_sshd()
        ssh = self.provider.ssh_command(self.machine)
        # One login for all commands: a handshake takes seconds under software emulation.
        share = ["-o", "ControlMaster=auto", "-o", f"ControlPath={self._control}"]
        return [*ssh[:-1], *share, "-o", f"ControlPersist={LOGIN_S}", ssh[-1], command]

    def clock_error_s(self) -> float:
        """Return by how many seconds the machine's clock is wrong at least; 0 if it may be right.

        How long the asking takes does not count: a busy host needs many seconds for it.
        """
        before = time.time()
        now = float(self.run("date +%s.%N"))
        return max(before - now, now - time.time(), 0.0)

    def _wait_for_sshd(self) -> None:
        """Return when sshd greets: it is started after the server, which nobody shall wait for."""
        deadline = time.monotonic() + SSH_LIMIT_S
        while not _greets(self.folder.ssh):
            assert time.monotonic() < deadline, f"no sshd\n{self.console()}"
            time.sleep(0.2)

    def console(self) -> str:
        with ThreadPoolExecutor(1) as apart:  # Playwright's event loop may run in this thread
            said = apart.submit(asyncio.run, self.provider.console(self.machine)).result()
        return f"--- console of {self.machine}\n{said}"

    def start(self) -> None:
        try:
            self.hub.start_server(self.user, limit_s=900)
        except AssertionError as error:
            raise AssertionError(f"{error}\n{self.console()}") from error

    def forget_connection(self) -> None:
        """End the login that all commands share: the machine behind it is another one."""
        subprocess.run(
            ["ssh", "-O", "exit", "-o", f"ControlPath={self._control}", "x"],
            capture_output=True,
            check=False,
        )

    def stop(self) -> None:
        self.forget_connection()
        self.hub.stop_server(self.user, limit_s=STOP_LIMIT_S)

    def start_anew(self) -> None:
        """Start with a new system and the same home: a clone, in a fraction of a boot's time."""
        asyncio.run(self.provider.delete(self.machine))
        self.start()

    def python(self, code: str) -> str:
        """Run code in a fresh kernel, as a notebook in the browser does; return its output."""
        return asyncio.run(self._python(code))

    async def _python(self, code: str) -> str:
        token = self.hub.user_token(self.user)
        headers = {"Authorization": f"token {token}"}
        server = self.hub.machine_url(self.user)
        async with (
            asyncio.timeout(KERNEL_LIMIT_S),
            open_session(limit_s=KERNEL_LIMIT_S, headers=headers) as session,
            open_kernel(session, server) as socket,
        ):
            return "".join([text async for text in execute(socket, code)])
