"""Kernels that are forked instead of started: what they import was imported before.

A kernel's imports take ten seconds under software emulation. In a machine that was parked the
zygote holds them, so beside each server it forks a kernel forker: a process of the trainee's that
has imported a kernel and runs none. Asked by the server (`kernel_provisioner`), it forks one.

    server: connects, sends one Request with its standard output and error as descriptors
    forker: answers the kernel's pid, and on the same connection, when it ended, its exit code
    server: closes the connection when it no longer wants the kernel, which ends then
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from vmlab_guest.libc import end_with_parent, set_process
from vmlab_guest.server_request import RUNTIME
from vmlab_guest.trainee import become_trainee
from vmlab_protocol.outside import load_json

SOCKET = RUNTIME / "vmlab-kernels"
MODULE = "ipykernel_launcher"
_MESSAGE_BYTES = 200 * 1024
_CALLER_S = 60.0  # who connects sends at once, but may wait for the processor in between
_LAUNCH_S = 180.0
"""A forker that is there is only busy: under software emulation, beside twenty machines that start
kernels as well. A kernel that is started instead would take several times as long."""


@dataclass(frozen=True)
class Request:
    """A kernel that is wanted."""

    args: tuple[str, ...]  # of `python -m ipykernel_launcher`
    env: Mapping[str, str]
    cwd: str


def make_request(cmd: Sequence[str], env: Mapping[str, str], cwd: str) -> Request | None:
    """Return the request for a command, or None if a fork would not be the same.

    Args:
        cmd: of the kernel's specification, for instance `python -m ipykernel_launcher -f FILE`.
        env: of the kernel; what changes Python itself cannot be changed in a fork.
        cwd: where the kernel is to work.
    """
    python, *words = cmd
    words = [word for word in words if word != "-Xfrozen_modules=off"]  # for debuggers only
    same_python = python in {sys.executable, "python", "python3"}
    if not same_python or words[:2] != ["-m", MODULE] or any(n.startswith("PYTHON") for n in env):
        return None
    return Request(tuple(words[2:]), dict(env), cwd)


class ForkedKernel:
    """A running kernel, with the interface of `subprocess.Popen`."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, connection: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._connection = connection

    def poll(self) -> int | None:
        """Return the exit code, or None while the kernel runs."""
        return self._receive(0.0)

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code when the kernel has ended.

        Raises:
            TimeoutError: it did not within `timeout` seconds.
        """
        code = self._receive(timeout)
        if code is None:
            raise TimeoutError(f"the kernel, process {self.pid}, still runs after {timeout:g} s")
        return code

    def send_signal(self, number: int) -> None:
        """Send a signal; no-op when the kernel has ended."""
        if self.poll() is None:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask the kernel to end."""
        self.send_signal(15)

    def kill(self) -> None:
        """End the kernel."""
        self.send_signal(9)

    def _receive(self, limit_s: float | None) -> int | None:
        if self.returncode is None and select.select([self._connection], [], [], limit_s)[0]:
            word = b""
            with suppress(ConnectionError):
                word = self._connection.recv(64)
            # A kernel forker that is gone takes its kernels along.
            self.returncode = int(word) if word else -9
            self._connection.close()
        return self.returncode


def parse_request(data: bytes) -> Request:
    """Return the request for a kernel in this message; any program of the trainee's can send one.

    Raises:
        ValueError: it is not one.
    """
    table = load_json(data)
    try:
        args, env, cwd = tuple(table["args"]), dict(table["env"]), table["cwd"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a request: {error!r}") from error
    texts = [*args, *env, *env.values(), cwd]
    # A name or value with a zero byte would end the kernel's process after its fork.
    if not all(isinstance(text, str) and "\0" not in text for text in texts):
        raise ValueError("something other than strings")
    if not all(name and "=" not in name for name in env):
        raise ValueError("an invalid name of an environment variable")
    return Request(args, env, cwd)


def ask_for_kernel(request: Request, path: Path) -> ForkedKernel | None:
    """Have the kernel forker fork a kernel; return None if it cannot: then one must be started."""
    data = json.dumps(asdict(request)).encode()
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
    connection.settimeout(_LAUNCH_S)
    try:
        connection.connect(str(path))
        socket.send_fds(connection, [data], [1, 2])
        answer = connection.recv(64)
        if answer:
            return ForkedKernel(int(answer), connection)
        sys.stderr.write("a kernel is started, as the kernel forker refused to fork one\n")
    except (FileNotFoundError, ConnectionRefusedError):
        pass  # no kernel forker, as in a machine that booted
    except (OSError, ValueError) as error:  # too busy; or the request is too long
        sys.stderr.write(f"a kernel is started, as it could not be forked: {error!r}\n")
    connection.close()
    return None


class KernelForker:
    """Forks kernels; `serve` returns in each of them with what it has to do."""

    def __init__(self, path: Path) -> None:
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        self._listener.bind(str(path))
        path.chmod(0o600)
        self._listener.listen()
        self._kernels: dict[int, tuple[int, socket.socket]] = {}  # by pidfd: pid, who asked

    def serve(self) -> Callable[[], int]:
        """Fork kernels for whoever asks; never returns in this process."""
        while True:
            descriptor = self._wait()
            if descriptor in self._kernels:
                self._tell_end(descriptor)
            elif (asker := self._find_asker(descriptor)) is not None:
                self._end_unwanted(asker)
            elif (task := self._answer()) is not None:
                return task

    def _wait(self) -> int:
        """Return a kernel that ended, the connection of a server that gave up, or the listener.

        One at a time: what another one opens may get the number of what this one closed.
        """
        poll = select.poll()  # `select` knows no descriptor above 1023
        for pidfd, (_, connection) in self._kernels.items():
            poll.register(pidfd, select.POLLIN)
            if connection.fileno() >= 0:
                poll.register(connection, select.POLLIN)
        poll.register(self._listener, select.POLLIN)
        return poll.poll()[0][0]

    def _find_asker(self, descriptor: int) -> socket.socket | None:
        connections = (connection for _, connection in self._kernels.values())
        return next((each for each in connections if each.fileno() == descriptor), None)

    def _answer(self) -> Callable[[], int] | None:
        connection, _ = self._listener.accept()
        connection.settimeout(_CALLER_S)
        descriptors: list[int] = []
        try:
            data, descriptors, _, _ = socket.recv_fds(connection, _MESSAGE_BYTES, 2)
            request = parse_request(data)
        except (OSError, ValueError) as error:
            sys.stderr.write(f"a request for a kernel is invalid: {error!r}\n")
            _refuse(connection, descriptors)
            return None
        if _has_left(connection):
            _refuse(connection, descriptors)
            return None
        forker = os.getpid()
        pid = os.fork()
        if pid == 0:
            # At once: a kernel looks for its parent later, and takes whom it finds then for it.
            end_with_parent(forker)
            self._forget()
            connection.close()
            return lambda: run_kernel(request, descriptors, forker)
        _close_all(descriptors)
        self._kernels[os.pidfd_open(pid)] = (pid, connection)
        with suppress(OSError):  # the server gave up meanwhile: `_end_unwanted` comes next
            connection.send(str(pid).encode())
        return None

    def _end_unwanted(self, connection: socket.socket) -> None:
        """End the kernel of a server that gave up: it has started another one on the same ports."""
        connection.close()
        for pidfd, (_, asker) in self._kernels.items():
            if asker is connection:
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)

    def _tell_end(self, pidfd: int) -> None:
        pid, connection = self._kernels.pop(pidfd)
        os.close(pidfd)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with suppress(OSError):
            connection.send(str(code).encode())
        connection.close()

    def _forget(self) -> None:
        """In a kernel: keep nothing of the kernel forker's open."""
        self._listener.close()
        for pidfd, (_, connection) in self._kernels.items():
            os.close(pidfd)
            connection.close()


def _has_left(connection: socket.socket) -> bool:
    """Tell whether the server gave up before its turn came."""
    connection.setblocking(False)
    try:
        return connection.recv(1, socket.MSG_PEEK) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def _refuse(connection: socket.socket, descriptors: Sequence[int]) -> None:
    connection.close()
    _close_all(descriptors)


def _close_all(descriptors: Sequence[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)


def run_kernel_forker(path: Path = SOCKET) -> int:
    """Be the kernel forker, and in a forked process a kernel; return the kernel's exit code."""
    become_trainee()
    set_process("vmlab-kernels")
    return KernelForker(path).serve()()


def run_kernel(request: Request, descriptors: Sequence[int], parent: int) -> int:
    """Be the kernel until it ends, at the latest with its parent; return its exit code."""
    os.setsid()  # interrupts and ends are sent to the whole group
    set_process("ipykernel")
    with Path(os.devnull).open("rb") as null:
        for source, target in zip((null.fileno(), *descriptors), (0, 1, 2), strict=True):
            os.dup2(source, target)
    _close_all(descriptors)
    os.chdir(request.cwd)
    os.environ.clear()
    os.environ.update(request.env)
    os.environ["JPY_PARENT_PID"] = str(parent)
    time.tzset()
    random.seed()
    if numpy := sys.modules.get("numpy"):
        numpy.random.seed()
    # Its default was read from the environment when the class was made.
    sys.argv = [MODULE, *request.args, f"--IPKernelApp.parent_handle={parent}"]
    from ipykernel.kernelapp import launch_new_instance  # noqa: PLC0415 - imported by the zygote

    launch_new_instance()
    return 0
