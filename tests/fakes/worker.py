"""A machine's own user gone wrong: what somebody can do who broke out of QEMU. Linux, as root.

No hole in QEMU is needed for it: a process that became that user can do all that QEMU could, and
has no sandbox around it. It is Debian's Python, which every user of the host may run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from vmlab.system.worker import WorkerUser

ATTACKS = r"""
import ctypes, json, os, signal, socket, sys

done, tried = set(), 0

def attempt(what, act):
    '''Do what should be refused; remember it if it was not.'''
    global tried
    tried += 1
    try:
        act()
    except OSError:
        return
    done.add(what)

def link(target, name):
    os.symlink(target, name + '.w'); os.rename(name + '.w', name)

def write(path):
    with open(path, 'r+b', buffering=0) as file:
        file.write(b'worker')

def connect(path):
    with socket.socket(socket.AF_UNIX) as ours:
        ours.connect(path)

def trace(pid):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.ptrace(16, pid, 0, 0) != 0:  # PTRACE_ATTACH
        raise OSError(ctypes.get_errno(), 'ptrace')

def names(folder, canary):
    '''Everything that can be done to names in a folder that root works in.'''
    for name in ('shim.json', 'shim.lock', 'machine.json', 'identity.json', 'access_key', 'user',
                 'known_hosts', '.known_hosts.tmp', '.machine.json.tmp', 'root.partial',
                 'root.qcow2', 'snapshot.qcow2', 'console.log', 'console.log.1', 'exit.json',
                 'qmp.sock', 'agent.sock', 'server.sock', 'server.sock:80', 'ssh.sock'):
        path = folder + '/' + name
        attempt('replace ' + name, lambda: link(canary, path))
        attempt('make ' + name, lambda: os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR)))
        attempt('unlink ' + name, lambda: os.unlink(path))
        attempt('rename ' + name, lambda: os.rename(path, path + '.old'))
        attempt('link ' + name, lambda: os.link(canary, path))
        attempt('pipe ' + name, lambda: os.mkfifo(path))
        if name != 'root.qcow2' and name != 'snapshot.qcow2':
            attempt('open ' + name, lambda: open(path, 'rb').close())
            attempt('write ' + name, lambda: write(path))
            attempt('chmod ' + name, lambda: os.chmod(path, 0o777))
    attempt('list', lambda: os.listdir(folder))
    attempt('swap the folder', lambda: os.rename(folder, folder + '.old'))
    attempt('open the folder', lambda: os.chmod(folder, 0o777))

def others(files, sockets, pids):
    '''What belongs to another machine, to root, or to nobody now.'''
    for path in files:
        attempt('read ' + path, lambda: open(path, 'rb').close())
        attempt('write ' + path, lambda: write(path))
        attempt('link ' + path, lambda: os.link(path, '/tmp/worker-%d' % os.getpid()))
        attempt('chown ' + path, lambda: os.chown(path, os.getuid(), -1))
    for path in sockets:
        attempt('connect ' + path, lambda: connect(path))
    for pid in pids:
        attempt('kill %d' % pid, lambda: os.kill(pid, 0))
        attempt('trace %d' % pid, lambda: trace(pid))
        attempt('files of %d' % pid, lambda: os.listdir('/proc/%d/fd' % pid))
        attempt('memory of %d' % pid, lambda: open('/proc/%d/mem' % pid, 'r+b').close())

def shared(paths):
    '''What all machines read, and none may change.'''
    for path in paths:
        attempt('write ' + path, lambda: write(path))
        attempt('chmod ' + path, lambda: os.chmod(path, 0o666))
        attempt('truncate ' + path, lambda: os.truncate(path, 0))

wish = json.loads(sys.argv[1])
act = globals()[wish.pop('act')]
rounds = wish.pop('rounds', 0)
print('ready', flush=True)
os.set_blocking(0, False)
while True:
    act(**wish)
    rounds -= 1
    if rounds == 0:
        break
    try:
        if os.read(0, 1) == b'':
            break
    except BlockingIOError:
        pass
print(json.dumps({'done': sorted(done), 'tried': tried}), flush=True)
"""

BOMB = r"""
import os, sys
# Each lives for a moment and leaves another: whoever looks for them comes too late.
os.setsid()
for _ in range(int(sys.argv[1])):
    if os.fork() == 0:
        break
os.write(1, b'ready\n')  # in one piece: they all say it
while True:
    try:
        if os.fork() != 0:
            os._exit(0)
    except BlockingIOError:
        pass  # the kernel has too many of this user's that nobody collected yet
"""


def words_as(user: WorkerUser, script: str, *args: str) -> list[str]:
    """Return the command of a Python script that runs as this user."""
    # fmt: off
    return [
        "setpriv", f"--reuid={user.uid}", f"--regid={user.gid}", "--clear-groups",
        "/usr/bin/python3", "-c", script, *args,
    ]
    # fmt: on


def run_worker(user: WorkerUser, act: str, **wish: object) -> tuple[list[str], int]:
    """Let the worker attack once; return what it could do, and how many things it tried."""
    words = words_as(user, ATTACKS, json.dumps({"act": act, "rounds": 1, **wish}))
    done = subprocess.run(words, capture_output=True, text=True, check=False, stdin=subprocess.PIPE)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout.splitlines()[-1])
    return report["done"], report["tried"]


def start_ready(words: list[str], **options: Any) -> subprocess.Popen[str]:
    """Start a process and return when it says that it is ready."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=pipe, text=True, **options)
    assert process.stdout is not None
    if (said := process.stdout.readline()) != "ready\n":
        process.kill()
        raise AssertionError(f"{words[:2]} said {said!r} instead of ready, {process.communicate()}")
    return process


@contextmanager
def bystanders(folder: Path, lock: str, words: list[str]):
    """Two processes that are no machine's, root's and nobody's, and could be taken for one.

    Both have these words; root's works in the folder and has the lock's file open, too.
    """
    python = ["/usr/bin/python3", "-c", "print('ready', flush=True); input()", *words]
    nobody = ["setpriv", "--reuid=nobody", "--clear-groups"]
    with Path(lock).open("r+b") as opened:
        ours = start_ready(python, cwd=folder, pass_fds=[opened.fileno()])
        theirs = start_ready([*nobody, *python])
        try:
            yield ours, theirs
        finally:
            for process in (ours, theirs):
                process.communicate("\n")


class Attack:
    """A worker that attacks for as long as it lives."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.done: list[str] = []
        self.tried = 0

    def end(self) -> None:
        """Tell it to stop and read what it could do."""
        output, errors = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, errors
        report = json.loads(output.splitlines()[-1])
        self.done, self.tried = report["done"], report["tried"]


@contextmanager
def attacking(user: WorkerUser, act: str, **wish: object):
    """Let the worker attack during the body, which must not end it; then its report is there."""
    process = start_ready(words_as(user, ATTACKS, json.dumps({"act": act, **wish})))
    try:
        attack = Attack(process)
        yield attack
        attack.end()
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def is_possible() -> bool:
    """Tell whether this process can become somebody else."""
    return os.geteuid() == 0 and sys.platform == "linux"
