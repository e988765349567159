"""The process that every single-user server of this machine is forked from.

Importing what a server needs takes twenty seconds under software emulation, a fork a few
milliseconds. So the imports are made once, early in boot or before a machine is cloned, by a
process that opens nothing but its own socket, has one thread and draws no random number.

    agent: writes /run/vmlab/server.json, says "launch"   -> the server runs as the file says
    agent: says "rehearse", in a machine without a seed    -> see `dry_run`

The file outlives this process: when systemd has restarted it, it starts the same server.
"""

from __future__ import annotations

import gc
import importlib.metadata
import json
import os
import select
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from vmlab_guest import kernels, standby
from vmlab_guest.attempts import Attempts
from vmlab_guest.files import write_file
from vmlab_guest.packages import keep_entry_points
from vmlab_guest.server import UNIT, ServerState
from vmlab_guest.server_request import FOLDER, REQUEST, RUNTIME, ServerRequest, Word, read_request
from vmlab_guest.trainee import become_trainee, make_environment, run_server
from vmlab_guest.trouble import ENDED_WITH, TROUBLE
from vmlab_protocol.machine import TRAINEE_UID

_TOP_MODULES = (
    "jupyterhub.singleuser",
    "jupyter_lsp",
    "jupyter_server_terminals",
    "jupyterlab.labapp",
    "notebook.app",
    "notebook_shim.nbserver",
    "tornado.netutil",
)
_KERNEL_MODULE = "ipykernel.kernelapp"  # imported by a dry run only
_READY_POLL_S = 0.5  # polling interval until the server is ready
_END_S = 10.0  # for a server and its kernels to end by themselves
_DRY_RUN_S = 400.0
_SERVER_END_S = 60.0  # for the dry run's server to write what it had imported
_POLL_S = 0.02

Task = Callable[[], int]
"""What a forked process is to do; its result is the exit code."""


@dataclass(frozen=True)
class StandbyServer:
    """A server that waits for its identity (`vmlab_guest.standby`)."""

    pid: int
    channel: socket.socket

    def call(self, request: ServerRequest, env: dict[str, str]) -> bool:
        """Make it the requested server; return False when it cannot be."""
        if not standby.can_become(request.env, request.args):
            return False
        try:
            self.channel.send(json.dumps(env).encode())
        except OSError as error:
            _say(f"the standby server does not answer: {error}")
            return False
        self.channel.close()
        return True


class Zygote:
    """Forks servers; `serve` returns in each of them with what it has to do."""

    def __init__(self, folder: Path = FOLDER, request: Path = REQUEST) -> None:
        self._folder = folder
        self._request_path = request
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        self._running: ServerRequest | None = None
        self._pid = 0
        self._pidfd = -1
        self._restart_at = float("inf")
        self._attempts = Attempts(folder / TROUBLE.name, RUNTIME)
        self._standby: StandbyServer | None = None
        self._kernel_forker = 0  # pid

    def open(self) -> None:
        """Let the agent connect; what it says is heard when `serve` runs."""
        path = self._folder / "control"
        path.unlink(missing_ok=True)
        self._listener.bind(str(path))
        path.chmod(0o600)
        self._listener.listen()
        self._tell(ServerState.STARTING if self._request_path.exists() else ServerState.STOPPED)

    def serve(self) -> Task:
        """Do as the agent says; returns in forked processes only."""
        task = self._follow_request()
        while task is None:
            wait_s = max(0.0, self._restart_at - time.monotonic())
            if self._pid and not self._attempts.serves:
                wait_s = _READY_POLL_S
            watched: list[socket.socket | int] = [
                self._listener,
                *([self._pidfd] if self._pid else []),
            ]
            ready, _, _ = select.select(watched, [], [], None if wait_s == float("inf") else wait_s)
            if self._pid:
                self._attempts.look()
            if self._pidfd in ready:
                self._note_end()
            if self._listener in ready:
                task = self._answer()
            if task is None and time.monotonic() >= self._restart_at:
                task = self._follow_request()
        self._listener.close()
        return task

    def _answer(self) -> Task | None:
        connection, _ = self._listener.accept()
        with connection:
            word = connection.recv(64).decode(errors="replace")
            reply = "ok" if word == Word.LAUNCH else "no such word"
            if word == Word.DRY_RUN:
                task, reply = self._make_dry_run()
                if task is None and reply == "ok" and self._standby is None:
                    task, reply = self._prepare_standby()
                if task is not None:
                    return task
            with suppress(OSError):  # an agent that did not wait for the answer
                connection.send(reply.encode())
        return self._follow_request() if word == Word.LAUNCH else None

    def _follow_request(self) -> Task | None:
        """Have the requested server run; returns its task in the forked process."""
        request = read_request(self._request_path)
        if request is None or (request == self._running and self._pid):
            return None
        os.setpriority(os.PRIO_PROCESS, 0, 0)  # somebody waits now
        self._tell(ServerState.STARTING)
        is_new = request != self._running
        self._running, self._restart_at = request, float("inf")
        request = self._attempts.begin(request, is_new=is_new)
        env = make_environment(request.env)
        if self._standby and self._standby.call(request, env):
            self._attend(self._standby.pid)
            self._standby = None
            return None
        self._end_all()
        return self._fork_server(lambda: run_server(env, request.args))

    def _fork_server(self, run: Task) -> Task | None:
        def task() -> int:
            become_trainee()
            return run()

        if (forker := self._open_kernel_forker()) is not None:
            return forker
        pid = os.fork()
        if pid == 0:
            return task
        self._attend(pid)
        return None

    def _open_kernel_forker(self) -> Task | None:
        """Make an empty runtime folder, and a kernel forker in it; returns its task in the fork."""
        _make_runtime_folder()
        if _KERNEL_MODULE not in sys.modules:
            return None
        self._kernel_forker = os.fork()
        return kernels.run_kernel_forker if self._kernel_forker == 0 else None

    def _attend(self, pid: int) -> None:
        self._pid, self._pidfd = pid, os.pidfd_open(pid)
        self._tell(ServerState.RUNNING)

    def _note_end(self) -> None:
        code = self._reap()
        pause_s = self._attempts.end(code)
        if pause_s is None:
            self._tell(ServerState.STOPPED)
            return
        _say(f"{ENDED_WITH} {code}; it is started again in {pause_s:g} s")
        self._tell(ServerState.FAILED)
        self._restart_at = time.monotonic() + pause_s

    def _reap(self) -> int:
        os.close(self._pidfd)
        _, status = os.waitpid(self._pid, 0)
        self._pid, self._pidfd = 0, -1
        return os.waitstatus_to_exitcode(status)

    def _end_all(self) -> None:
        """End the server and whatever it started, kernels and terminals."""
        if self._standby:
            self._standby.channel.close()
            os.kill(self._standby.pid, signal.SIGKILL)  # it does not look for signals yet
            os.waitpid(self._standby.pid, 0)
            self._standby = None
        end_processes(list_companions, _END_S)
        if self._kernel_forker:
            os.waitpid(self._kernel_forker, 0)
            self._kernel_forker = 0
        if self._pid:
            self._reap()

    def _make_dry_run(self) -> tuple[Task | None, str]:
        """Make a dry run; returns a task in the two forked processes, else what to answer."""
        if self._request_path.exists():
            return None, "this machine is somebody's already"
        # Imported only here: much of what it imports is of no use to a server.
        from vmlab_guest.dry_run import prepare, run_dry_server, run_visitor  # noqa: PLC0415

        if self._standby is None:  # which has its folder already
            _make_runtime_folder()
        dry_run = prepare(RUNTIME / "rehearsal")
        server = os.fork()
        if server == 0:
            return lambda: run_dry_server(dry_run), ""
        visitor = os.fork()
        if visitor == 0:
            return lambda: run_visitor(dry_run), ""
        ends = "neither was ended"
        try:
            wait_for_any([server, visitor], _DRY_RUN_S)
            server_code = end_process(server, _SERVER_END_S)
            code = end_process(visitor, 0.0)
            ends = f"server {server_code}, visitor {code}"
            names = [
                n for path in dry_run.modules for n in path.read_text(encoding="utf-8").split()
            ]
        except OSError as error:
            return None, f"the dry run failed ({ends}): {error}"
        finally:
            end_processes(self._list_dry_run, 1.0)
            dry_run.close()
        import_all(names)
        return None, f"the dry run ended with {code}; see the journal" if code else "ok"

    def _list_dry_run(self) -> list[int]:
        spared = {self._standby.pid if self._standby else 0, self._kernel_forker}
        return [pid for pid in list_companions() if pid not in spared]

    def _prepare_standby(self) -> tuple[Task | None, str]:
        """Fork it, and a kernel forker; returns a task in a forked process, else what to answer."""
        if (forker := self._open_kernel_forker()) is not None:
            return forker, ""
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            ours.close()
            return lambda: standby.run(its), ""
        its.close()
        ours.settimeout(_DRY_RUN_S)
        try:
            answer = ours.recv(1000).decode(errors="replace")
        except TimeoutError:
            answer = "no answer"
        if answer == "ready":
            self._standby = StandbyServer(pid, ours)
            return None, "ok"
        ours.close()
        code = end_process(pid, 0.0)
        # No reason not to park: servers are forked as usual.
        _say(f"no standby server, it ended with {code}: {answer}")
        return None, "ok"

    def _tell(self, state: ServerState) -> None:
        write_file(self._folder / "state", state.value.encode(), 0o644)


def _make_runtime_folder() -> None:
    """Give the server an empty folder: what an old one left, a cookie secret for one, is gone."""
    if RUNTIME.exists():
        shutil.rmtree(RUNTIME)
    RUNTIME.mkdir(mode=0o700)
    os.chown(RUNTIME, TRAINEE_UID, TRAINEE_UID)


def import_all(names: Iterable[str]) -> None:
    """Import what can be imported; then keep the collector off it, so that forks share memory."""
    gc.disable()
    for name in names:
        if name not in sys.modules:
            try:
                importlib.import_module(name)
            except Exception as error:  # noqa: BLE001 - any package's own; the server may not need it
                _say(f"{name} cannot be imported ahead: {error!r}")
    importlib.metadata.entry_points()
    gc.collect()
    gc.freeze()
    gc.enable()


def list_companions() -> list[int]:
    """Return the other processes of this service.

    Raises:
        OSError: this process is not a service of its own, so that others are not its to end.
    """
    group = Path("/proc/self/cgroup").read_text(encoding="ascii").strip().removeprefix("0::")
    if not group.endswith(f"/{UNIT}"):
        raise OSError(f"the zygote runs in {group!r} instead of {UNIT}")
    text = Path(f"/sys/fs/cgroup{group}/cgroup.procs").read_text(encoding="ascii")
    return [int(word) for word in text.split() if int(word) != os.getpid()]


def end_processes(find: Callable[[], list[int]], limit_s: float) -> None:
    """Ask all to end, and kill those that did not within `limit_s`."""
    deadline = time.monotonic() + limit_s
    asked: set[int] = set()
    while pids := [pid for pid in find() if not _is_zombie(pid)]:
        late = time.monotonic() > deadline
        for pid in pids:
            if late or pid not in asked:
                asked.add(pid)
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
        time.sleep(_POLL_S)


def _is_zombie(pid: int) -> bool:
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True
    return text.rpartition(")")[2].split()[0] == "Z"


def wait_for_any(pids: Sequence[int], limit_s: float) -> None:
    """Return when one of these children has ended, or the time is over."""
    pidfds = [os.pidfd_open(pid) for pid in pids]
    try:
        select.select(pidfds, [], [], limit_s)
    finally:
        for pidfd in pidfds:
            os.close(pidfd)


def end_process(pid: int, limit_s: float) -> int:
    """Ask a child to end, kill it when the time is over; return its exit code."""
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
    wait_for_any([pid], limit_s)
    os.kill(pid, signal.SIGKILL)  # a zombie does not mind
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def _say(text: str) -> None:
    sys.stderr.write(f"{text}\n")


def main() -> int:
    """Import, serve, and in a forked process be what was forked."""
    os.umask(0o022)
    zygote = Zygote()
    zygote.open()
    keep_entry_points()
    import_all(_TOP_MODULES)
    task = zygote.serve()
    return task()


if __name__ == "__main__":
    sys.exit(main())
