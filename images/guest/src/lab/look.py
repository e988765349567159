"""What checks look at in the machine: processes, services, sockets, addresses, mounts.

Each function reads the real state at the moment it is called and changes nothing. Those that can
wait have a deadline in seconds.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")


@dataclass(frozen=True)
class Process:
    """A process as /proc shows it."""

    pid: int
    name: str
    command: tuple[str, ...]
    state: str  # R, S, D, T, Z as in proc(5); Z is a zombie
    parent: int
    uid: int
    started: int  # clock ticks after boot: tells a process from a later one with the same number


@dataclass(frozen=True)
class Service:
    """A systemd unit as `systemctl show` tells it."""

    load: str  # loaded, not-found, bad-setting, masked
    active: str  # active, inactive, failed, activating
    enabled: str  # enabled, disabled, static or empty
    main_pid: int
    restart: str  # no, always, on-failure, ...
    restarts: int
    result: str  # success, exit-code, signal, start-limit-hit, ...
    reload_needed: bool
    ended: bool = False  # it ran once, and its main process ended


@dataclass(frozen=True)
class Listener:
    """A TCP socket that waits for connections."""

    address: str
    port: int

    @property
    def is_open_to_others(self) -> bool:
        """Whether other machines can reach it, as far as this machine is concerned."""
        return not (self.address.startswith("127.") or self.address == "::1")


def run(argv: Sequence[str], deadline_s: float = 10.0) -> str:
    """Return what a program prints on standard output; empty when it fails or takes too long."""
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, errors="replace", timeout=deadline_s, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout if done.returncode == 0 else ""


def process(pid: int) -> Process | None:
    """Return the process with this number, or None if there is none."""
    folder = _PROC / str(pid)
    try:
        # The name is in parentheses and may itself hold spaces and parentheses: proc(5).
        head, _, tail = (folder / "stat").read_text(errors="replace").rpartition(")")
        command = (folder / "cmdline").read_bytes().decode(errors="replace")
        uid = folder.stat().st_uid
    except OSError:
        return None
    fields = tail.split()
    return Process(
        pid=pid,
        name=head.partition("(")[2],
        command=tuple(part for part in command.split("\0") if part),
        state=fields[0],
        parent=int(fields[1]),
        uid=uid,
        started=int(fields[19]),
    )


def processes() -> list[Process]:
    """Return all processes."""
    found = (process(int(entry.name)) for entry in _PROC.iterdir() if entry.name.isdecimal())
    return [entry for entry in found if entry is not None]


def service(name: str) -> Service:
    """Return the state of a systemd unit; one that is unknown has `load` "not-found"."""
    names = (
        "LoadState,ActiveState,UnitFileState,MainPID,Restart,NRestarts,Result,NeedDaemonReload,"
        "ExecMainExitTimestampMonotonic"
    )
    lines = run(["systemctl", "show", "-p", names, "--", name]).splitlines()
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    return Service(
        load=values.get("LoadState", "not-found"),
        active=values.get("ActiveState", "inactive"),
        enabled=values.get("UnitFileState", ""),
        main_pid=int(values.get("MainPID") or 0),
        restart=values.get("Restart", "no"),
        restarts=int(values.get("NRestarts") or 0),
        result=values.get("Result", ""),
        reload_needed=values.get("NeedDaemonReload") == "yes",
        ended=values.get("ExecMainExitTimestampMonotonic", "0") not in {"", "0"},
    )


def listeners() -> list[Listener]:
    """Return the TCP sockets that wait for connections, IPv4 and IPv6."""
    found = []
    for family, name in ((socket.AF_INET, "tcp"), (socket.AF_INET6, "tcp6")):
        try:
            lines = (_PROC / "net" / name).read_text().splitlines()[1:]
        except OSError:
            continue  # a kernel without IPv6
        for line in lines:
            fields = line.split()
            if fields[3] == "0A":  # TCP_LISTEN, linux/net/tcp_states.h
                address, _, port = fields[1].partition(":")
                found.append(Listener(_decode_address(family, address), int(port, 16)))
    return found


def addresses() -> list[str]:
    """Return the machine's own IPv4 addresses, without that of the loopback."""
    text = run(["ip", "-j", "-4", "addr", "show", "scope", "global"])
    return [
        info["local"]
        for card in (json.loads(text) if text else [])
        for info in card.get("addr_info", [])
        if "local" in info
    ]


def gateway() -> str:
    """Return the address of the default route's next hop; empty if there is none."""
    for line in (_PROC / "net/route").read_text().splitlines()[1:]:
        fields = line.split()
        if fields[1] == "00000000" and int(fields[3], 16) & 2:  # RTF_GATEWAY, linux/route.h
            return _decode_address(socket.AF_INET, fields[2])
    return ""


def answers(host: str, port: int, deadline_s: float = 3.0) -> bool:
    """Return whether somebody accepts TCP connections at this address."""
    try:
        socket.create_connection((host, port), deadline_s).close()
    except OSError:
        return False
    return True


def ask(host: str, port: int, question: bytes, deadline_s: float = 5.0) -> bytes | None:
    """Return the first line answered to `question`; empty for silence, None for no connection."""
    try:
        with socket.create_connection((host, port), deadline_s) as connection:
            connection.settimeout(deadline_s)
            connection.sendall(question)
            answer = b""
            while b"\n" not in answer and len(answer) < 4096:
                try:
                    data = connection.recv(1024)
                except OSError:
                    break
                if not data:
                    break
                answer += data
            return answer
    except OSError:
        return None


def mount_source(path: str) -> str:
    """Return what is mounted at the mount point that holds `path`, such as `/dev/vdb`."""
    best, source = "", ""
    real = os.path.realpath(path)
    for line in (_PROC / "self/mountinfo").read_text().splitlines():
        fields = line.split()
        point = fields[4]
        inside = real == point or real.startswith(point.rstrip("/") + "/")
        if inside and len(point) >= len(best):
            best, source = point, fields[fields.index("-") + 2]
    return source


def _decode_address(family: socket.AddressFamily, text: str) -> str:
    """Return an address of /proc/net as people write it: 32-bit words in the machine's order."""
    words = [int(text[i : i + 8], 16) for i in range(0, len(text), 8)]
    return socket.inet_ntop(family, b"".join(word.to_bytes(4, "little") for word in words))
