"""Machines that are namespaces of this host: a network, a home and a host's name of each.

    python -m acquisition.several_machines FOLDER PROGRAM WORDS...

Runs the program on the desk of a farm of four machines, as its trainee would, and ends with its
exit code. Everything is in namespaces of its own, also processes: nothing of it is seen outside,
and nothing is left when it ends. Run by `run_on_desk`, which needs no root.

In FOLDER: `home` is the home of each machine, another one in each; `home/shared` is the same folder
in all; `bin` holds the programs, `ssh` among them, which enters another machine.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

NETWORK = "10.77.1"
MACHINES = {"desk": 1, "node1": 2, "node2": 3, "node3": 4}
CARD = "eth1"
PIDS = "machines"
_LIMIT_S = 1500.0

SSH = """#!{python}
import os, sys
words = sys.argv[1:]
while words and words[0].startswith("-"):
    words = words[2:] if words[0] == "-o" else words[1:]
host, command = words[0], " ".join(words[1:])
if host not in {machines}:
    sys.exit(f"ssh: Could not resolve hostname {{host}}: Name or service not known")
pid = open(f"{folder}/machines/{{host}}").read()
os.environ["XDG_RUNTIME_DIR"] = f"{folder}/runtime/{{host}}"
for name in ("NARVAL_NAMING_SERVICE", "NARVAL_SHELL"):
    os.environ.pop(name, None)
os.chdir("/")
enter = ["nsenter", "-t", pid, "--net", "--mount", "--uts"]
os.execvp("nsenter", [*enter, "/bin/sh", "-c", "cd '{home}' || exit; " + command])
"""


def run_on_desk(
    folder: Path, words: list[str], environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a program on the desk of machines that are made for it, and are gone afterwards."""
    unshare = ["unshare", "--user", "--map-root-user", "--net", "--mount", "--uts", "--ipc"]
    unshare += ["--pid", "--fork", "--kill-child", "--mount-proc"]
    here = [sys.executable, "-m", "acquisition.several_machines", str(folder), *words]
    return subprocess.run(
        [*unshare, *here],
        env={**environment, "PYTHONPATH": _with_tests(environment)},
        capture_output=True,
        text=True,
        check=False,
        timeout=_LIMIT_S,
    )


def _with_tests(environment: Mapping[str, str]) -> str:
    return os.pathsep.join([str(Path(__file__).parents[1]), environment.get("PYTHONPATH", "")])


def write_ssh(folder: Path) -> None:
    """Write the program that enters another machine, as ssh does."""
    text = SSH.format(
        python=sys.executable, machines=tuple(MACHINES), folder=folder, home=folder / "home"
    )
    (folder / "bin/ssh").write_text(text)
    (folder / "bin/ssh").chmod(0o755)


def main() -> int:
    """Make the machines and run the program on the desk."""
    folder, words = Path(sys.argv[1]), sys.argv[2:]
    do = _do
    do(f"mount --make-rprivate / && mount --bind {_hosts(folder)} /etc/hosts")
    do("ip link set lo up && ip link add switch type bridge && ip link set switch up")
    (folder / PIDS).mkdir()
    (folder / "shared").mkdir()
    machines = {name: _make(folder, name, place) for name, place in MACHINES.items()}
    enter = ["nsenter", "-t", str(machines["desk"].pid), "--net", "--mount", "--uts"]
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(folder / "runtime/desk")}
    # Not by --wd: that is a folder of ours, from before its home was mounted over it.
    at_home = ["/bin/sh", "-c", 'cd "$0" && exec "$@"', str(folder / "home")]
    ended = subprocess.run(
        [*enter, *at_home, *words], env=environment, check=False, timeout=_LIMIT_S
    )
    for machine in machines.values():
        machine.kill()
        machine.wait()
    return ended.returncode


def _hosts(folder: Path) -> Path:
    file = folder / "hosts"
    names = "".join(f"{NETWORK}.{place} {name}\n" for name, place in MACHINES.items())
    file.write_text(f"127.0.0.1 localhost\n{names}")
    return file


def _make(folder: Path, name: str, place: int) -> subprocess.Popen[str]:
    """Make a machine: a process that waits, with a network card on the switch, and its home."""
    home, own, shared = folder / "home", folder / "homes" / name, folder / "home/shared"
    own.mkdir(parents=True, exist_ok=True)
    (folder / "runtime" / name).mkdir(parents=True, mode=0o700)
    inside = " && ".join(
        [
            f"hostname {name}",
            f"mount --bind {shlex.quote(str(own))} {shlex.quote(str(home))}",
            f"mkdir -p {shlex.quote(str(shared))}",
            f"mount --bind {shlex.quote(str(folder / 'shared'))} {shlex.quote(str(shared))}",
            "ip link set lo up",
            "echo ready",
            "exec sleep infinity",
        ]
    )
    machine = subprocess.Popen(
        ["unshare", "--net", "--mount", "--uts", "/bin/sh", "-c", inside],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert machine.stdout is not None
    assert machine.stdout.readline() == "ready\n", f"{name} was not made"
    (folder / PIDS / name).write_text(str(machine.pid))
    enter = f"nsenter -t {machine.pid} --net"
    _do(
        f"ip link add to-{name} type veth peer name {CARD} netns {machine.pid}"
        f" && ip link set to-{name} master switch up"
        f" && {enter} ip addr add {NETWORK}.{place}/24 dev {CARD}"
        f" && {enter} ip link set {CARD} up"
    )
    return machine


def _do(command: str) -> None:
    subprocess.run(["/bin/sh", "-c", command], check=True)


if __name__ == "__main__":
    sys.exit(main())
