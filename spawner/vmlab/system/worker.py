"""The user that disk tools run as, and the group that all machines share.

What reads what comes out of a machine never runs as root. The user is made once; it cannot log in
and owns nothing but volumes that no machine has.
"""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from pathlib import Path

from vmlab.errors import HostError
from vmlab.system.environment import tool_environment

TOOLS_USER = "vmlab-qemu"
"""The user that disk tools run as; all machines share its group. Its name is that of the first
program that ran as it, and stays: files on hosts belong to it."""

TOOLS_GID = 0x7000_0000
"""Group of the disk tools; no machine is in it. Nobody assigns numbers of this range, and a group
needs no name. ref: systemd, docs/UIDS-GIDS.md, "1879048192…2147352575: unused"
"""


@dataclass(frozen=True)
class WorkerUser:
    """Whom a machine or disk tool runs as: a user of its own when the hub is root, or the hub's."""

    uid: int
    gid: int
    drop: bool  # whether a process of ours must change to it

    def give(self, path: Path) -> None:
        """Give the file to this user, accessible to nobody else; it is in a folder of ours."""
        if self.drop:
            os.chown(path, self.uid, self.gid, follow_symlinks=False)
        path.chmod(0o600)


def ensure_tools_user() -> None:
    """Make the user that disk tools run as if this process is root and it is not there yet.

    Raises:
        HostError: it cannot be made.
    """
    if os.geteuid() != 0 or _has_user(TOOLS_USER):
        return
    # fmt: off
    words = ["useradd", "--system", "--user-group", "--no-create-home",
             "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", TOOLS_USER]
    # fmt: on
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, env=tool_environment()
        )
    except FileNotFoundError as e:
        raise HostError("useradd is not installed", hint="apt-get install passwd") from e
    if done.returncode and not _has_user(TOOLS_USER):  # somebody else may have been faster
        raise HostError(
            f"the user {TOOLS_USER} cannot be made: {done.stderr.strip()}",
            hint=f"try by hand: {' '.join(words)}",
        )


def _has_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True


def find_tools_user() -> WorkerUser:
    """Return the user that disk tools run as, who also owns volumes that no machine has.

    Raises:
        HostError: the hub is root and the user does not exist.
    """
    if os.geteuid() != 0:
        return WorkerUser(os.geteuid(), os.getegid(), drop=False)
    return WorkerUser(_entry().pw_uid, TOOLS_GID, drop=True)


def find_machines_gid() -> int:
    """Return the group that all machines have in common; raises as `find_tools_user`."""
    return _entry().pw_gid if os.geteuid() == 0 else os.getegid()


def admit_machines(listener: Path) -> None:
    """Let every machine connect to this socket of ours, and no other user of the host."""
    if os.geteuid() == 0:
        os.chown(listener, 0, find_machines_gid())
        listener.chmod(0o660)
    else:
        listener.chmod(0o600)


def _entry() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam(TOOLS_USER)
    except KeyError as error:
        raise HostError(
            f"the user {TOOLS_USER}, under which disk tools run, does not exist",
            hint="vmlab up makes it; by hand: useradd --system --user-group --no-create-home "
            f"--shell /usr/sbin/nologin {TOOLS_USER}",
        ) from error
