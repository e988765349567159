"""Each machine's own user on the host (docs/decisions/0012).

When the hub is root, a machine's QEMU and shim run as a user that no other machine has, known by
its number only. Somebody who broke out of a machine can signal, trace and read only what belongs to
that number: nothing of another machine. All machines share a group, which opens the doors to the
hub.

The number is kept in the machine's folder, which is root's.
"""

from __future__ import annotations

import errno
import os
import pwd
import secrets
from pathlib import Path

import psutil

from vmlab.errors import ProviderError
from vmlab.providers.qemu.machine.layout import USER, MachineFolder
from vmlab.system.files import open_regular
from vmlab.system.worker import TOOLS_GID, WorkerUser, find_machines_gid, find_tools_user
from vmlab_protocol.atomic import write_atomic

MACHINE_UIDS = range(TOOLS_GID + 1, 0x7FFE_0000)
"""268 million numbers that nobody else assigns: above those of containers' namespaces, below
systemd's for foreign files. ref: systemd, docs/UIDS-GIDS.md"""

_DIGITS = 10
_ENDED = frozenset({psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD})


def find_machine_user(folder: MachineFolder) -> WorkerUser | None:
    """Return the user that the machine runs as; None when it has none of its own yet.

    A number that root did not write is ignored: in folders of earlier versions, a machine could
    have written another machine's.

    Raises:
        ProviderError: its number cannot be read.
    """
    if os.geteuid() != 0:
        return find_tools_user()
    if (text := _read_number(folder.user)) is None:
        return None
    try:
        uid = int(text)
        if uid not in MACHINE_UIDS:
            raise ValueError(f"{uid} is not in the range of machines' users")
    except ValueError as error:
        raise ProviderError(
            folder.path.name,
            f"its user {folder.user} cannot be read: {error}",
            hint=f"write the uid of the owner of {folder.root_disk} into it",
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


def ensure_machine_user(folder: MachineFolder) -> WorkerUser:
    """Return the user that the machine runs as, giving it one at first; raises as the above."""
    found = find_machine_user(folder)
    if found is None:
        uid = _free_uid(folder.path.parent.parent)
        write_atomic(folder.user, f"{uid}\n".encode())
        found = WorkerUser(uid, find_machines_gid(), drop=True)
    return found


def _free_uid(root: Path) -> int:
    """Return a number that no account and no machine below `root` has.

    At random from a range so large that a number is not likely to be reused when its machine is
    gone, nor to appear in two labs on one host.
    """
    taken = {path.read_text().strip() for path in root.glob(f"*/*/{USER}")}
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
