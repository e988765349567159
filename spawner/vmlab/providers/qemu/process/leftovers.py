"""What machines leave on the host when they do not end properly, and its removal.

Only what belongs to this lab's folders is named: processes by the user that they run as and the
folder they work in, cgroups by the digest of that folder in their name. A disk is never named.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from vmlab.errors import ProviderError
from vmlab.model import Leftover, LeftoverKind
from vmlab.paths import Paths
from vmlab.providers.qemu.machine.machine import USER, Machine
from vmlab.providers.qemu.machine.status import has_report, is_on
from vmlab.providers.qemu.machine.users import MACHINE_UIDS, find_machine_user
from vmlab.providers.qemu.process import confine
from vmlab.system.background import apart

_DELETED = " (deleted)"
"""What the kernel adds to the path of a folder that is gone."""

_HALF_MADE_S = 60.0
"""So old is a folder without a record, or a process without a lock, that nobody is at work on."""

_KILL_LIMIT_S = 5.0

_HARMLESS = frozenset({"server.sock:80", "shim.json", "shim.lock", "exit.json", USER})
"""Names that may be in a half-made folder; with anything else in it, it stays."""


@dataclass(frozen=True)
class _Home:
    """One of the lab's folders of machines."""

    path: Path

    def machines(self) -> list[Machine]:
        """Return the machines whose folders are there."""
        paths = sorted(self.path.iterdir()) if self.path.is_dir() else []
        return [Machine(path) for path in paths if path.is_dir()]


def find_leftovers(paths: Paths, cgroups: Path = Path("/sys/fs/cgroup")) -> list[Leftover]:
    """Return what is left of machines of this lab that do not run.

    Nothing of a machine whose record is damaged is named: what it may need is not known.
    """
    machines = _Home(paths.machines)
    found: list[Leftover] = []
    for machine in machines.machines():
        with (
            apart(f"{machine.name}: what it left behind is unknown"),
            contextlib.suppress(ProviderError),  # `status` tells that its record is damaged
        ):
            found += _in_folder(machine)
    found += _processes((paths.machines, paths.pool))
    found += _cgroups((machines, _Home(paths.pool)), cgroups)
    return found


def _in_folder(machine: Machine) -> Iterator[Leftover]:
    """Sockets of a machine that was killed, or the folder of one that was never made.

    The sockets of one that ended by itself stay for its next start: its shim may not remove them.
    """
    name = machine.name
    if machine.is_running():
        return
    record = machine.record()
    if record is None:
        if _age_s(machine.path) > _HALF_MADE_S and _is_empty(machine):
            why = "it holds no record and no disk: its start was cut before anything was made"
            yield Leftover(LeftoverKind.FOLDER, name, str(machine.path), why)
        return
    if is_on(machine, record) or has_report(machine):
        return
    for socket in machine.sockets:
        # The proxy's name for a socket is made with the folder and stays as long.
        if socket != machine.server_for_proxy and socket.is_socket():
            why = "its machine does not run"
            yield Leftover(LeftoverKind.SOCKET, name, str(socket), why)


def _is_empty(machine: Machine) -> bool:
    return all(entry.name in _HARMLESS for entry in machine.path.iterdir())


def _age_s(path: Path) -> float:
    return time.time() - path.stat().st_mtime


def _processes(homes: tuple[Path, ...]) -> Iterator[Leftover]:
    """Processes of machines in folders of ours whose lock nobody holds, or that are gone."""
    users = _find_users(homes)
    for process in psutil.process_iter():
        with (
            apart(f"process {process.pid}: its machine is unknown"),
            contextlib.suppress(psutil.Error, OSError),
        ):
            if not _is_machines(process) or process.status() == psutil.STATUS_ZOMBIE:
                continue
            place = process.cwd()
            folder = users.get(process.uids().real, Path(place.removesuffix(_DELETED)))
            if folder.parent not in homes:
                continue
            if time.time() - process.create_time() < _HALF_MADE_S:
                continue  # perhaps launched just now
            if not folder.is_dir() or not Machine(folder).is_running():
                why = f"{process.name()} works in {place}, and no shim is in charge there"
                yield Leftover(LeftoverKind.PROCESS, folder.name, str(process.pid), why)


def _is_machines(process: psutil.Process) -> bool:
    """Tell whether a process is a machine's, by what the kernel says.

    As root: by its user. Otherwise: it is ours and has a network namespace of its own.
    """
    uid = process.uids().real
    if os.geteuid() == 0:
        return uid in MACHINE_UIDS
    own, other = (Path(f"/proc/{pid}/ns/net").readlink() for pid in ("self", process.pid))
    return uid == os.geteuid() and own != other


def _find_users(homes: tuple[Path, ...]) -> dict[int, Path]:
    """Return which folder the machine of each user has; one without a user, or damaged, none."""
    users = {}
    for home in homes:
        for machine in _Home(home).machines():
            with (
                apart(f"{machine.name}: its user is unknown"),
                contextlib.suppress(ProviderError),
            ):
                user = find_machine_user(machine)
                if user and user.drop:
                    users[user.uid] = machine.path
    return users


def _cgroups(homes: tuple[_Home, ...], root: Path) -> Iterator[Leftover]:
    """Cgroups that are named after a folder of ours, without a process and without a machine."""
    kind = confine.detect_confinement(root)
    used = {unit for home in homes for found in home.machines() for unit in _units_in_use(found)}
    parents = {path.parent for path in confine.cgroup_folders(kind, "x", root)}
    for parent in sorted(parents):
        for path in sorted(parent.glob("vmlab-*")):
            machine = _machine_of_unit(path.name, homes)
            if machine is None or path.name in used:
                continue
            with contextlib.suppress(OSError):  # it went just now
                if (path / "cgroup.procs").read_text().strip():
                    continue
                if _age_s(path) > _HALF_MADE_S:
                    why = "nothing lives in it, and its machine does not run"
                    yield Leftover(LeftoverKind.CGROUP, machine, str(path), why)


def _units_in_use(machine: Machine) -> set[str]:
    """Return what the cgroup of a machine may be called if it runs, or is about to."""
    try:
        record = machine.record()
        runs = is_on(machine, record) if record else machine.is_running()
    except (ProviderError, OSError):
        return {machine.unit}
    return {machine.unit, record.unit if record else ""} if runs else set()


def _machine_of_unit(unit: str, homes: tuple[_Home, ...]) -> str | None:
    """Return the machine that a unit of this lab is named after; None: it is another lab's."""
    name, _, digest = unit.removeprefix("vmlab-").rpartition("-")
    for home in homes:
        path = home.path / name
        if name and hashlib.sha256(os.fsencode(path)).hexdigest()[: len(digest)] == digest:
            return name if Machine(path).unit == unit else None
    return None


def clear_leftover(leftover: Leftover, paths: Paths) -> None:
    """Remove it if it is still left over.

    Raises:
        ProviderError: it does not go.
    """
    if leftover not in _again(leftover, paths):
        return
    try:
        if leftover.kind is LeftoverKind.PROCESS:
            process = psutil.Process(int(leftover.what))
            process.kill()
            process.wait(_KILL_LIMIT_S)
        elif leftover.kind is LeftoverKind.CGROUP:
            Path(leftover.what).rmdir()
        elif leftover.kind is LeftoverKind.SOCKET:
            Path(leftover.what).unlink(missing_ok=True)
        else:
            _remove_half_made(Machine(Path(leftover.what)))
    except psutil.NoSuchProcess:
        return
    except (OSError, psutil.Error) as error:
        message = f"{leftover.kind} {leftover.what} does not go: {error}"
        raise ProviderError(leftover.machine, message) from error


def _again(leftover: Leftover, paths: Paths) -> list[Leftover]:
    if leftover.kind is LeftoverKind.PROCESS:
        return list(_processes((paths.machines, paths.pool)))
    return find_leftovers(paths)


def _remove_half_made(machine: Machine) -> None:
    for entry in machine.path.iterdir():
        if entry.name not in _HARMLESS:
            return
        entry.unlink()
    machine.path.rmdir()
