"""Commands that the host has run in the machine, as root: several at once, each in a thread.

What is asked about them is answered at once: no command keeps the agent from its port. A command
whose host has gone away goes on until it ends or its limit is over; how it went is kept for a
while, for a host that comes back.
"""

from __future__ import annotations

import os
import select
import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress

from vmlab_guest.threads import describe
from vmlab_protocol.commands import RunReport, RunRequest, end_of_output

_MAX_AT_ONCE = 8
_MAX_KEPT = 32  # with those that have ended
_KEPT_BYTES = 64 * 1024
_READ_BYTES = 64 * 1024
_LAST_READS = 16
_SIGNALLED = 128  # as a shell tells that a signal ended a program
_NOT_RUN = 127
_ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "USER": "root",
    "LOGNAME": "root",
    "SHELL": "/bin/sh",
    "LANG": "C.UTF-8",
}
# The agent is spared when memory runs out (vmlab-agent.service); what it runs for others is not.
_AS_ANYBODY = 'echo 0 2>/dev/null >/proc/self/oom_score_adj; exec /bin/sh -c "$0"'


class Commands:
    """Those of one agent.

    Args:
        log: takes one line.
    """

    def __init__(self, log: Callable[[str], None]) -> None:
        self._log = log
        self._commands: dict[str, _Command] = {}

    def answer(self, request: RunRequest) -> RunReport:
        """Begin a command, end it, or tell how it goes; never blocks.

        One that is asked for twice by the same id is begun once.
        """
        known = self._commands.get(request.id)
        if known is not None:
            if request.stop:
                known.stop()
            return known.report
        if not request.command:
            return RunReport(request.id, refused="the agent knows no such command (any more)")
        running = sum(command.report.status is None for command in self._commands.values())
        if running >= _MAX_AT_ONCE:
            return RunReport(request.id, refused=f"{running} commands run in this machine already")
        self._forget_old()
        begun = _Command(request, self._log)
        self._commands[request.id] = begun
        begun.start()
        return begun.report

    def _forget_old(self) -> None:
        ended = [key for key, each in self._commands.items() if each.report.status is not None]
        for key in ended[: max(0, len(self._commands) - _MAX_KEPT + 1)]:
            self._commands.pop(key).close()


class _Command:
    """One command; its process belongs to its thread."""

    def __init__(self, request: RunRequest, log: Callable[[str], None]) -> None:
        self.report = RunReport(request.id)
        self._request = request
        self._log = log
        self._stop_fd = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def start(self) -> None:
        name = f"run {self._request.id[:8]}"
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def stop(self) -> None:
        """Have it killed; no-op when it has ended."""
        os.eventfd_write(self._stop_fd, 1)

    def close(self) -> None:
        os.close(self._stop_fd)

    def _run(self) -> None:
        try:
            self.report = self._run_to_its_end()
        except Exception as error:  # noqa: BLE001 - the root of a thread: the host waits for it
            self._log(f"a command of the host's: {describe(error)}")
            words = f"the agent could not run it: {describe(error)}"
            self.report = RunReport(self._request.id, status=_NOT_RUN, output=words)

    def _run_to_its_end(self) -> RunReport:
        import subprocess  # noqa: PLC0415 - not before the agent's first word

        request = self._request
        with subprocess.Popen(
            ["/bin/sh", "-c", _AS_ANYBODY, request.command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd="/",
            env=_ENVIRONMENT,
            start_new_session=True,
        ) as process:
            assert process.stdout is not None, "a pipe was asked for"  # noqa: S101
            fd = process.stdout.fileno()
            os.set_blocking(fd, False)
            output, is_late = _Tail(fd), True
            try:
                is_late = self._is_late(process.pid, output)
            finally:
                # Before it is waited for: until then the group's number is nobody else's.
                if is_late:
                    with suppress(ProcessLookupError):
                        os.killpg(process.pid, signal.SIGKILL)
            ended = process.wait()
            output.read_rest()
        status = ended if ended >= 0 else _SIGNALLED - ended
        return RunReport(request.id, status, end_of_output(output.data), is_late)

    def _is_late(self, pid: int, output: _Tail) -> bool:
        """Read what it prints until it ends; True: it did not in time, or is to be stopped."""
        deadline = time.monotonic() + self._request.limit_s
        pid_fd = os.pidfd_open(pid)
        try:
            poll = select.poll()
            for fd in (pid_fd, self._stop_fd, output.fd):
                poll.register(fd, select.POLLIN)
            while (left_s := deadline - time.monotonic()) > 0:
                ready = {fd for fd, _ in poll.poll(left_s * 1000)}
                if self._stop_fd in ready:
                    return True
                if pid_fd in ready:
                    return False
                if output.fd in ready and not output.read():
                    poll.unregister(output.fd)  # it has closed its output, and goes on
        finally:
            os.close(pid_fd)
        return True


class _Tail:
    """The end of what comes out of a pipe."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.data = b""

    def read(self) -> bool:
        """Take what there is; False: there is nothing now, or nothing more will come."""
        try:
            fresh = os.read(self.fd, _READ_BYTES)
        except BlockingIOError:
            return False
        self.data = (self.data + fresh)[-_KEPT_BYTES:]
        return bool(fresh)

    def read_rest(self) -> None:
        """Take what an ended command has left; what it left running may write without end."""
        for _ in range(_LAST_READS):
            if not self.read():
                return
