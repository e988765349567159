"""Each machine's own user on the host (docs/decisions/0012).

When the hub is root, a machine's QEMU and shim run as a user that no other machine has, known by
its number only. Somebody who broke out of a machine can signal, trace and read only what belongs to
that number: nothing of another machine. All machines share a group, which may use the hub's
listeners.

The number is kept in the machine's folder, which is root's. In a VMLab before decision 12 all
machines ran as one user, who owned their folders: somebody who broke out could put anything under
any name. Such folders are converted, and nothing in one is trusted to be what its name says.
"""

from __future__ import annotations

import contextlib
import errno
import glob
import logging
import os
import pwd
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path

import psutil

from vmlab.errors import ProviderError
from vmlab.providers.qemu.machine.machine import ROOT_DISK, USER, Machine
from vmlab.system.files import open_regular
from vmlab.system.worker import TOOLS_GID, WorkerUser, find_machines_gid, find_tools_user
from vmlab_protocol.atomic import write_atomic

MACHINE_UIDS = range(TOOLS_GID + 1, 0x7FFE_0000)
"""268 million numbers that nobody else assigns: above those of containers' namespaces, below
systemd's for foreign files. ref: systemd, docs/UIDS-GIDS.md"""

_DIGITS = 10
_ENDED = frozenset({psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD})


def find_machine_user(machine: Machine) -> WorkerUser | None:
    """Return the user that the machine runs as; None when it has none of its own yet.

    A number that root did not write is ignored: in folders of earlier versions, a machine could
    have written another machine's.

    Raises:
        ProviderError: its number cannot be read.
    """
    if os.geteuid() != 0:
        return find_tools_user()
    if (text := _read_number(machine.user)) is None:
        return None
    try:
        uid = int(text)
        if uid not in MACHINE_UIDS:
            raise ValueError(f"{uid} is not in the range of machines' users")
    except ValueError as error:
        raise ProviderError(
            machine.name,
            f"its user {machine.user} cannot be read: {error}",
            hint=f"write the uid of the owner of {machine.root_disk} into it",
        ) from error
    return WorkerUser(uid, find_machines_gid(), drop=True)


def _read_number(path: Path) -> bytes | None:
    """Return what root wrote into this file; None: root wrote none."""
    try:
        descriptor = open_regular(path)
    except (FileNotFoundError, ValueError):
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:  # a link
            return None
        raise
    with os.fdopen(descriptor, "rb") as file:
        is_ours = os.fstat(descriptor).st_uid == 0
        return file.read(_DIGITS + 1) if is_ours else None


def ensure_machine_user(machine: Machine) -> WorkerUser:
    """Return the user that the machine runs as, giving it one at first; raises as the above."""
    found = find_machine_user(machine)
    if found is None:
        uid = _free_uid(machine.path.parent.parent)
        write_atomic(machine.user, f"{uid}\n".encode())
        found = WorkerUser(uid, find_machines_gid(), drop=True)
    return found


def _free_uid(root: Path) -> int:
    """Return a number that no account and no machine below `root` has.

    At random from a range so large that a number is not likely to be reused when its machine is
    gone, nor to appear in two labs on one host.
    """
    taken = set()
    # Not Path.glob, which fails when another machine is deleted meanwhile.
    for name in glob.iglob(f"*/*/{USER}", root_dir=root):  # noqa: PTH207
        with contextlib.suppress(FileNotFoundError):
            taken.add((root / name).read_text().strip())
    while True:
        uid = MACHINE_UIDS.start + secrets.randbelow(len(MACHINE_UIDS))
        if str(uid) not in taken and not _is_account(uid):
            return uid


def _is_account(uid: int) -> bool:
    try:
        pwd.getpwuid(uid)
    except KeyError:
        return False
    return True


def find_processes_of(uid: int) -> list[psutil.Process]:
    """Return the processes that run as a user, as the kernel tells; those that ended left out."""
    found = []
    for pid in psutil.pids():
        try:
            # Not the owner of /proc/PID: a process can have that shown as root.
            if uid in _uids(pid) and (process := psutil.Process(pid)).status() not in _ENDED:
                found.append(process)
        except (OSError, psutil.Error):
            continue  # it has just ended
    return found


def _uids(pid: int) -> list[int]:
    """Return real, effective, saved and file system user of a process; raises OSError."""
    status = Path(f"/proc/{pid}/status").read_bytes()
    return [int(word) for word in status.partition(b"\nUid:")[2].split(b"\n", 1)[0].split()]


_PASS = 0o710
"""Of a converted folder, which is root's: its machine may pass through it, but not list it."""

_SHARED_FOLDER, _SHARED_FILE = 0o711, 0o444
_log = logging.getLogger(__name__)


def make_folder(machine: Machine) -> WorkerUser:
    """Make the folder of a machine that does not run, or that is in order; return its user.

    Raises:
        ProviderError: what is there cannot be taken over.
        HostError: the hub is root and machines' users are not known.
    """
    machine.path.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0:
        descriptor = os.open(machine.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            user = _own(machine, descriptor)
        finally:
            os.close(descriptor)
    else:
        user = find_tools_user()
    if not machine.server_for_proxy.is_symlink():
        machine.server_for_proxy.symlink_to(machine.server.name)
    return user


def _own(machine: Machine, descriptor: int) -> WorkerUser:
    """Make the folder root's and its disks the machine's; cut anywhere, it is done again."""
    facts = os.fstat(descriptor)
    if facts.st_uid == 0 and stat.S_IMODE(facts.st_mode) == _PASS:
        return ensure_machine_user(machine)
    # From here on nobody else changes a name in it.
    os.fchmod(descriptor, 0o700)
    os.fchown(descriptor, 0, 0)
    for path in sorted(machine.path.iterdir()):
        if path.name == USER and path.lstat().st_uid != 0:
            path.unlink()  # its number may be anybody's choice
    user = ensure_machine_user(machine)
    for path in sorted(machine.path.iterdir()):
        _own_entry(path, user)
    os.fchown(descriptor, 0, user.gid)
    os.fchmod(descriptor, _PASS)
    return user


def _own_entry(path: Path, user: WorkerUser) -> None:
    kind = path.lstat().st_mode
    if stat.S_ISDIR(kind):
        return  # none of ours
    if not stat.S_ISREG(kind):
        path.unlink()
        return
    is_disk = path.suffix == Path(ROOT_DISK).suffix  # those of older images, too
    uid, gid = (user.uid, user.gid) if is_disk else (0, 0)
    _give(path, uid, gid, 0o600)


def _give(path: Path, uid: int, gid: int, mode: int) -> None:
    """Give a file in a folder of root's to a user.

    Raises:
        ProviderError: it has another hard link, so it may be anybody's file.
    """
    descriptor = open_regular(path)
    try:
        if os.fstat(descriptor).st_nlink != 1:
            raise ProviderError(
                path.parent.name,
                f"{path} has a second hard link, so it cannot be taken over",
                hint=f"find its other names: find / -xdev -samefile {path}",
            )
        os.fchown(descriptor, uid, gid)
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


def share_folder(folder: Path) -> None:
    """Make a template's folder and files root's: for every machine to read, for none to change."""
    os.chown(folder, 0, 0, follow_symlinks=False)
    folder.chmod(_SHARED_FOLDER)
    for path in folder.iterdir():
        if path.is_file() and not path.is_symlink():
            _give(path, 0, 0, _SHARED_FILE)


def share_folders(folders: Iterable[Path], templates: Path) -> None:
    """Make folders that machines' users pass through but may not list: names are those of people.

    The templates of an older VMLab are taken over: disks of machines are based on them.
    """
    for folder in folders:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(_SHARED_FOLDER)
    if os.geteuid() != 0 or not templates.is_dir():
        return
    tools = find_tools_user()
    for folder in templates.iterdir():
        if folder.lstat().st_uid == tools.uid and folder.is_dir():
            try:
                share_folder(folder)
            except ProviderError as error:  # the others may well do
                _log.warning("%s: %s", folder, error)
