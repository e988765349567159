"""The user that disk tools run as when the hub is root, and the group of all machines.

Made once; it cannot log in and owns nothing but volumes that no machine has.
"""

from __future__ import annotations

import os
import pwd
import subprocess

from vmlab.errors import HostError
from vmlab.system.environment import tool_environment
from vmlab.system.worker import QEMU_USER


def ensure_qemu_user() -> None:
    """Make the user if this process is root and it is not there yet.

    Raises:
        HostError: it cannot be made.
    """
    if os.geteuid() != 0 or _has_user(QEMU_USER):
        return
    # fmt: off
    words = ["useradd", "--system", "--user-group", "--no-create-home",
             "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin", QEMU_USER]
    # fmt: on
    try:
        done = subprocess.run(
            words, capture_output=True, text=True, check=False, env=tool_environment()
        )
    except FileNotFoundError as e:
        raise HostError("useradd is not installed", hint="apt-get install passwd") from e
    if done.returncode and not _has_user(QEMU_USER):  # somebody else may have been faster
        raise HostError(
            f"the user {QEMU_USER} cannot be made: {done.stderr.strip()}",
            hint=f"try by hand: {' '.join(words)}",
        )


def _has_user(name: str) -> bool:
    try:
        pwd.getpwnam(name)
    except KeyError:
        return False
    return True
