"""The user that disk tools run as, and the group that all machines share.

QEMU and disk tools read what comes out of a machine; none of them runs as root.
"""

from __future__ import annotations

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from vmlab.errors import HostError

QEMU_USER = "vmlab-qemu"
"""The user that disk tools run as; all machines share its group (`qemu.machine.users`)."""

TOOLS_GID = 0x7000_0000
"""Group of the disk tools; no machine is in it. Nobody assigns numbers of this range, and a group
needs no name. ref: systemd, docs/UIDS-GIDS.md, "1879048192…2147352575: unused"
"""


@dataclass(frozen=True)
class QemuUser:
    """Whom QEMU or a disk tool runs as: a user of its own when the hub is root, else the hub's."""

    uid: int
    gid: int
    drop: bool  # whether a process of ours must change to it

    def give(self, path: Path) -> None:
        """Give the file to this user, accessible to nobody else; it lies in a folder of ours."""
        if self.drop:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)
        path.chmod(0o600)


def find_tools_user() -> QemuUser:
    """Return the user that disk tools run as, who also owns volumes that no machine has.

    Raises:
        HostError: the hub is root and the user does not exist.
    """
    if os.geteuid() != 0:
        return QemuUser(os.geteuid(), os.getegid(), drop=False)
    return QemuUser(_entry().pw_uid, TOOLS_GID, drop=True)


def find_machines_gid() -> int:
    """Return the group that all machines have in common; raises as `find_tools_user`."""
    return _entry().pw_gid if os.geteuid() == 0 else os.getegid()


def admit_machines(door: Path) -> None:
    """Let every machine connect to this socket of ours, and no other user of the host."""
    if os.geteuid() == 0:
        os.chown(door, 0, find_machines_gid())
        door.chmod(0o660)
    else:
        door.chmod(0o600)


def _entry() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(QEMU_USER)
    except KeyError as error:
        raise HostError(
            f"the user {QEMU_USER}, under which disk tools run, does not exist",
            hint="vmlab up makes it; by hand: useradd --system --user-group --no-create-home "
            f"--shell /usr/sbin/nologin {QEMU_USER}",
        ) from error
