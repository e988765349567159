"""The process that every single-user server of this machine is forked from.

Importing what a server needs takes twenty seconds under software emulation, a fork a few
milliseconds. So the imports are made once, early in boot or before a machine is cloned, by a
process that opens nothing but its own socket, has one thread and draws no random number.

    agent: writes /run/vmlab/server.json, says "launch"   -> the server runs as the file says
    agent: says "rehearse", in a machine without a seed    -> see `rehearsal`

The file is the wish and outlives this process: one that systemd started again takes it up.
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

from vmlab_guest import kernels, understudy
from vmlab_guest.attempts import Attempts
from vmlab_guest.files import write_file
from vmlab_guest.packages import keep_entry_points
from vmlab_guest.server import UNIT, ServerState
from vmlab_guest.trainee import become_trainee, make_environment, run_server
from vmlab_guest.trouble import ENDED_WITH, TROUBLE
from vmlab_guest.wish import FOLDER, RUNTIME, WISH, Wish, Word, read_wish
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
_KERNEL_MODULE = "ipykernel.kernelapp"  # held after a rehearsal only
_LOOK_S = 0.5  # for whether the server serves, as long as it does not
_END_S = 10.0  # for a server and its kernels to end by themselves
_REHEARSAL_S = 400.0
_CURTAIN_S = 60.0  # for the rehearsing server: nobody waits, and what it had imported is wanted
_POLL_S = 0.02

Task = Callable[[], int]
"""What a forked process is to do; its result is the exit code."""


@dataclass(frozen=True)
class Understudy:
    """A server that waits for its identity (`vmlab_guest.understudy`)."""

    pid: int
    channel: socket.socket

    def call(self, wish: Wish, env: dict[str, str]) -> bool:
        """Make it the server that is wished; return False when it cannot be."""
        if not understudy.can_become(wish.env, wish.args):
            return False
        try:
            self.channel.send(json.dumps(env).encode())
        except OSError as error:
            _say(f"the understudy does not answer: {error}")
            return False
        self.channel.close()
        return True


class Zygote:
    """Forks servers; `serve` returns in each of them with what it has to do."""

    def __init__(self, folder: Path = FOLDER, wish: Path = WISH) -> None:
        self._folder = folder
        self._wish_path = wish
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        self._running: Wish | None = None
        self._pid = 0
        self._pidfd = -1
        self._restart_at = float("inf")
        self._attempts = Attempts(folder / TROUBLE.name, RUNTIME)
        self._understudy: Understudy | None = None
        self._nursery = 0  # pid

    def open(self) -> None:
        """Let the agent connect; what it says is heard when `serve` runs."""
        path = self._folder / "control"
        path.unlink(missing_ok=True)
        self._listener.bind(str(path))
        path.chmod(0o600)
        self._listener.listen()
        self._tell(ServerState.STARTING if self._wish_path.exists() else ServerState.STOPPED)

    def serve(self) -> Task:
        """Do as the agent says; returns in forked processes only."""
        task = self._follow_wish()
        while task is None:
            wait_s = max(0.0, self._restart_at - time.monotonic())
            if self._pid and not self._attempts.serves:
                wait_s = _LOOK_S
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
                task = self._follow_wish()
        self._listener.close()
        return task

    def _answer(self) -> Task | None:
        connection, _ = self._listener.accept()
        with connection:
            word = connection.recv(64).decode(errors="replace")
            reply = "ok" if word == Word.LAUNCH else "no such word"
            if word == Word.REHEARSE:
                task, reply = self._rehearse()
                if task is None and reply == "ok" and self._understudy is None:
                    task, reply = self._train_understudy()
                if task is not None:
                    return task
            with suppress(OSError):  # an agent that did not wait for the answer
                connection.send(reply.encode())
        return self._follow_wish() if word == Word.LAUNCH else None

    def _follow_wish(self) -> Task | None:
        """Have the server run that is wished; returns its task in the forked process."""
        wish = read_wish(self._wish_path)
        if wish is None or (wish == self._running and self._pid):
            return None
        os.setpriority(os.PRIO_PROCESS, 0, 0)  # somebody waits now
        self._tell(ServerState.STARTING)
        is_new = wish != self._running
        self._running, self._restart_at = wish, float("inf")
        wish = self._attempts.begin(wish, is_new=is_new)
        env = make_environment(wish.env)
        if self._understudy and self._understudy.call(wish, env):
            self._attend(self._understudy.pid)
            self._understudy = None
            return None
        self._end_all()
        return self._fork_server(lambda: run_server(env, wish.args))

    def _fork_server(self, run: Task) -> Task | None:
        def task() -> int:
            become_trainee()
            return run()

        if (nursery := self._open_nursery()) is not None:
            return nursery
        pid = os.fork()
        if pid == 0:
            return task
        self._attend(pid)
        return None

    def _open_nursery(self) -> Task | None:
        """Make an empty runtime folder, and a nursery in it; returns its task in the fork."""
        _make_runtime_folder()
        if _KERNEL_MODULE not in sys.modules:
            return None
        self._nursery = os.fork()
        return kernels.run_nursery if self._nursery == 0 else None

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
        if self._understudy:
            self._understudy.channel.close()
            os.kill(self._understudy.pid, signal.SIGKILL)  # it does not look for signals yet
            os.waitpid(self._understudy.pid, 0)
            self._understudy = None
        end_processes(list_companions, _END_S)
        if self._nursery:
            os.waitpid(self._nursery, 0)
            self._nursery = 0
        if self._pid:
            self._reap()

    def _rehearse(self) -> tuple[Task | None, str]:
        """Make a dry run; returns a task in the two forked processes, else what to answer."""
        if self._wish_path.exists():
            return None, "this machine is somebody's already"
        # Not before anybody needs it: much of what it imports is of no use to a server.
        from vmlab_guest.rehearsal import act, direct, set_stage  # noqa: PLC0415

        if self._understudy is None:  # which has its folder already
            _make_runtime_folder()
        stage = set_stage(RUNTIME / "rehearsal")
        server = os.fork()
        if server == 0:
            return lambda: act(stage), ""
        director = os.fork()
        if director == 0:
            return lambda: direct(stage), ""
        ends = "neither was ended"
        try:
            wait_for_any([server, director], _REHEARSAL_S)
            server_code = end_process(server, _CURTAIN_S)
            code = end_process(director, 0.0)
            ends = f"server {server_code}, visitor {code}"
            names = [n for path in stage.modules for n in path.read_text(encoding="utf-8").split()]
        except OSError as error:
            return None, f"the rehearsal failed ({ends}): {error}"
        finally:
            end_processes(self._list_actors, 1.0)
            stage.close()
        import_all(names)
        return None, f"the rehearsal ended with {code}; see the journal" if code else "ok"

    def _list_actors(self) -> list[int]:
        spared = {self._understudy.pid if self._understudy else 0, self._nursery}
        return [pid for pid in list_companions() if pid not in spared]

    def _train_understudy(self) -> tuple[Task | None, str]:
        """Fork one, and a nursery; returns its task in a forked process, else what to answer."""
        if (nursery := self._open_nursery()) is not None:
            return nursery, ""
        ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
        if pid == 0:
            ours.close()
            return lambda: understudy.run(its), ""
        its.close()
        ours.settimeout(_REHEARSAL_S)
        try:
            answer = ours.recv(1000).decode(errors="replace")
        except TimeoutError:
            answer = "no answer"
        if answer == "ready":
            self._understudy = Understudy(pid, ours)
            return None, "ok"
        ours.close()
        code = end_process(pid, 0.0)
        # No reason not to park: servers are forked as usual.
        _say(f"no understudy, it ended with {code}: {answer}")
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
