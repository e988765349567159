"""The folders of the file server in a machine, behind one link that is turned when it is away.

    ~/shared -> /run/vmlab/shared          made once, in the home
    /run/vmlab/shared -> share/here        or share/away: turned in one step, without touching NFS
    /run/vmlab/share/here/mine             the own folder
    /run/vmlab/share/here/everyone         what is shared
    /run/vmlab/share/here/drop             where one hands in; for trainers, what was handed in
    /run/vmlab/share/away/                 a note

Whoever lists the home meets links and local folders only. Nothing of JupyterLab's own is on NFS.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from vmlab_guest.errors import ApplyError
from vmlab_guest.files import ensure_file
from vmlab_guest.mounts import find_mounted
from vmlab_guest.shares.words import NOTE, NOTE_NAME
from vmlab_guest.system import RUN, System, inside
from vmlab_protocol.machine import HOME, TRAINEE_UID
from vmlab_protocol.share import SHARED_PATH, Share, drop_path, own_path

FOLDER = f"/{RUN}/share"
HERE, AWAY = f"{FOLDER}/here", f"{FOLDER}/away"
LINK = f"/{RUN}/shared"
HOME_LINK = f"{HOME}/shared"
MINE, EVERYONE = f"{HERE}/mine", f"{HERE}/everyone"
# hard: anything else turns a server's restart into errors, or into folders that seem empty.
OPTIONS = "vers=4.2,hard,timeo=600,retrans=2,noresvport,nosuid,nodev"
CLIENT_ID = "/sys/module/nfs/parameters/nfs4_unique_id"
_PROGRAM_S = 10.0


def find_places(share: Share) -> dict[str, str]:
    """Return where each folder of the server is mounted: source by path. Pure."""
    folders = {
        "mine": own_path(share.folder),
        "everyone": SHARED_PATH,
        "drop": drop_path("" if share.is_trainer else share.folder),
    }
    return {f"{HERE}/{name}": f"{share.server}:{path}" for name, path in folders.items()}


def identify(system: System) -> None:
    """Give this machine's NFS client a name of its own, before its first mount.

    Clients that call themselves alike throw each other out, and clones would.

    Raises:
        ApplyError: the kernel has no NFS.
        OSError: it does not take the name.
    """
    system.run("modprobe", "nfs")
    own = inside(system, "/etc/machine-id").read_text(encoding="ascii").strip()
    parameter = inside(system, CLIENT_ID)
    if parameter.read_text(encoding="ascii").strip() != own:
        parameter.write_text(own, encoding="ascii")


def mount_all(system: System, share: Share) -> None:
    """Mount what is not mounted yet.

    Raises:
        ApplyError: the server does not let it be mounted, or not in time.
        OSError: the file system refused.
    """
    for path, source in find_places(share).items():
        if _mounted(system, path) != source:
            inside(system, path).mkdir(mode=0o755, parents=True, exist_ok=True)
            system.mount(source, path, "nfs4", OPTIONS)


def is_mounted(system: System, share: Share) -> bool:
    """Return whether all folders are mounted; asks the kernel only."""
    return all(_mounted(system, path) == source for path, source in find_places(share).items())


def unmount_all(system: System, *, answers: bool) -> None:
    """Unmount whatever is mounted, in any case and within some seconds.

    Args:
        answers: whether the server does: what programs have written goes there first.
    """
    mountinfo = inside(system, "/proc/self/mountinfo").read_text(encoding="utf-8")
    paths = [f[4] for line in mountinfo.splitlines() if (f := line.split())[4].startswith(HERE)]
    for path in reversed(paths):
        if answers and (attempt_program(system, "umount", "-i", path) or _let_go(system, path)):
            continue
        # -f ends what waits for the server, with an error for whoever was writing.
        attempt_program(system, "umount", "-i", "-f", "-l", path)


def _let_go(system: System, path: str) -> bool:
    """Unmount what somebody is still using, once all that was written has arrived."""
    is_safe = attempt_program(system, "sync", "-f", path)
    return is_safe and attempt_program(system, "umount", "-i", "-l", path)


def turn(system: System, *, is_here: bool) -> None:
    """Have the link lead to the folders, or to the note; never touches NFS.

    Raises:
        OSError: the file system refused.
    """
    for path in (HERE, AWAY):
        inside(system, path).mkdir(mode=0o755, parents=True, exist_ok=True)
    ensure_file(inside(system, f"{AWAY}/{NOTE_NAME}"), NOTE)
    _ensure_link(inside(system, LINK), HERE if is_here else AWAY)


def show_in_home(system: System) -> None:
    """Put the link into the home, unless the trainee has something else of that name.

    Raises:
        OSError: the file system refused.
    """
    link = inside(system, HOME_LINK)
    if os.path.lexists(link):
        if not _is_ours(link):
            system.log(f"{HOME_LINK} is something else: the file server is at {LINK} only")
        return
    link.symlink_to(LINK)
    system.give(link, TRAINEE_UID)


def hide(system: System) -> None:
    """Take the links away: this machine has no part of a file server."""
    for link in (inside(system, HOME_LINK), inside(system, LINK)):
        if link.is_symlink() and (_is_ours(link) or link == inside(system, LINK)):
            link.unlink()


def _is_ours(link: Path) -> bool:
    return link.is_symlink() and str(link.readlink()) == LINK


def _ensure_link(link: Path, target: str) -> None:
    if link.is_symlink() and str(link.readlink()) == target:
        return
    new = link.with_name(f".{link.name}.new")
    with suppress(FileNotFoundError):
        new.unlink()
    new.symlink_to(target)
    new.rename(link)


def _mounted(system: System, path: str) -> str | None:
    mountinfo = inside(system, "/proc/self/mountinfo").read_text(encoding="utf-8")
    return find_mounted(mountinfo, path)


def attempt_program(system: System, *argv: str, limit_s: float = _PROGRAM_S) -> bool:
    """Run a program that may wait for the server; return whether it did its work in time.

    A program of its own can be killed while it waits for the server, a thread cannot.
    """
    try:
        system.run(*argv, timeout_s=limit_s)
    except ApplyError as error:
        system.log(str(error))
        return False
    return True
