"""Making a machine's folder, and converting those of a VMLab before decision 12.

There all machines ran as one user, who owned their folders: somebody who broke out could put
anything under any name. So nothing in such a folder is trusted to be what its name says.
"""

from __future__ import annotations

import logging
import os
import stat
from pathlib import Path

from vmlab.errors import ProviderError
from vmlab.providers.qemu.machine.layout import ROOT_DISK, USER, MachineFolder
from vmlab.providers.qemu.machine.users import ensure_machine_user
from vmlab.system.files import open_regular
from vmlab.system.worker import WorkerUser, find_tools_user

_PASS = 0o710
"""Of a converted folder, which is root's: its machine may pass through it, but not list it."""

_SHARED_FOLDER, _SHARED_FILE = 0o711, 0o444
_log = logging.getLogger(__name__)


def make_folder(folder: MachineFolder) -> WorkerUser:
    """Make the folder of a machine that does not run, or that is in order; return its user.

    Raises:
        ProviderError: what is there cannot be taken over.
        HostError: the hub is root and machines' users are not known.
    """
    folder.path.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0:
        descriptor = os.open(folder.path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            user = _own(folder, descriptor)
        finally:
            os.close(descriptor)
    else:
        user = find_tools_user()
    if not folder.server_for_proxy.is_symlink():
        folder.server_for_proxy.symlink_to(folder.server.name)
    return user


def _own(folder: MachineFolder, descriptor: int) -> WorkerUser:
    """Make the folder root's and its disks the machine's; cut anywhere, it is done again."""
    facts = os.fstat(descriptor)
    if facts.st_uid == 0 and stat.S_IMODE(facts.st_mode) == _PASS:
        return ensure_machine_user(folder)
    # From here on nobody else changes a name in it.
    os.fchmod(descriptor, 0o700)
    os.fchown(descriptor, 0, 0)
    for path in sorted(folder.path.iterdir()):
        if path.name == USER and path.lstat().st_uid != 0:
            path.unlink()  # its number may be anybody's choice
    user = ensure_machine_user(folder)
    for path in sorted(folder.path.iterdir()):
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


def share_templates(templates: Path) -> None:
    """Take over the templates of an older VMLab: disks of machines stand on them."""
    if os.geteuid() != 0 or not templates.is_dir():
        return
    tools = find_tools_user()
    for folder in templates.iterdir():
        if folder.lstat().st_uid == tools.uid and folder.is_dir():
            try:
                share_folder(folder)
            except ProviderError as error:  # the others may well do
                _log.warning("%s: %s", folder, error)
