"""The home of a desk, where it is on the file server: the own folder, mounted before the server.

    /home/trainee                      the own folder of the file server, `hard` as all of them
    /home/trainee/.cache, ...          `LOCAL`: on the machine's own disk
    `local_path` of one of them        the same, by a path that needs no file server

`LOCAL` is what programs cannot have on NFS: databases of SQLite (while the file server restarts its
locks wait, and JupyterLab with them), what Jupyter's main loop looks at, and what must belong to
the trainee's own number. On the server the files belong to the number of their person, and a client
shows that.

Whatever could wait for the file server is a program with a limit, never a call of the agent.
"""

from __future__ import annotations

from pathlib import Path

from vmlab_guest.errors import ApplyError, HomeAwayError
from vmlab_guest.files import ensure_file
from vmlab_guest.mounts import find_mounted
from vmlab_guest.shares import places
from vmlab_guest.shares.null_call import Ask
from vmlab_guest.system import System, inside
from vmlab_protocol.machine import HOME, TRAINEE_UID
from vmlab_protocol.share import NFS_PORT, Share, own_path

JUPYTER_SETTINGS, JUPYTER_DATA = ".jupyter", ".local/share/jupyter"
LOCAL = (".cache", ".ipython", JUPYTER_SETTINGS, JUPYTER_DATA, ".ssh")
_LOCAL_ROOT = "/var/lib/vmlab/home"
GIT_SETTINGS = "/etc/gitconfig"

_WAIT_S = 40.0  # less than a host gives a seed: its trainee reads why, and not that it took long
_POLL_S = 2.0
_CALL_S = 3.0
_PROGRAM_S = 20.0
# As the trainee: nothing in the home leads root anywhere. Each line may fail, for instance because
# the quota is used up: a home that cannot be filled is still a home, in which one can delete.
_PREPARE = f"""\
chmod u+rwx {HOME}
cd {HOME} || exit 1
only_skel=yes
for name in $(ls -A); do [ -e "/etc/skel/$name" ] || only_skel=no; done
[ $only_skel = no ] || cp -Rn /etc/skel/. .
[ -e shared ] || [ -L shared ] || ln -s {places.LINK} shared
umask 077
for name in {" ".join(LOCAL)}; do
    mkdir -p "$name" 2>/dev/null
    [ -L "$name" ] || {{ [ -d "$name" ] && echo "$name"; }}
done
"""


def mount_home(system: System, share: Share, ask: Ask) -> None:
    """Mount the own folder as the home, and the machine's own folders in it; a no-op if it is.

    Raises:
        HomeAwayError: the file server does not answer, or does not let it be mounted.
        ApplyError: something else is the home of this machine.
        OSError: the file system refused.
    """
    source = f"{share.server}:{own_path(share.folder)}"
    mounted = _mounted(system, HOME)
    if mounted not in {None, source}:
        raise ApplyError(f"{HOME}: {mounted} is mounted there, not {source}; power the machine off")
    if mounted is None:
        _lock_folder_below(system)
        _mount(system, share, source, ask)
    for name in _prepare(system):
        _lay_over(system, name)
    for name in (JUPYTER_SETTINGS, JUPYTER_DATA):  # the server has them, whatever the trainee did
        _make_own(system, local_path(name))
    # All files here have one owner, whose number is not the trainee's; git would refuse them.
    settings = inside(system, GIT_SETTINGS)
    if not settings.exists():
        ensure_file(settings, "[safe]\n\tdirectory = *\n")


def local_path(name: str) -> str:
    """Return where one of `LOCAL` is on the machine's own disk."""
    return f"{_LOCAL_ROOT}/{name.replace('/', '-')}"


def leave_home(system: System, *, answers: bool) -> None:
    """Bring what was written to the file server, or give it up: the machine powers off.

    The home stays under the programs that still run: what they saved at a path without it would
    be lost. A no-op where the home is elsewhere.

    Args:
        answers: whether the file server does.
    """
    if not is_home_remote(system.root):
        return
    if answers and places.attempt_program(system, "sync", "-f", HOME):
        return
    for name in reversed(LOCAL):
        if _mounted(system, f"{HOME}/{name}"):
            places.attempt_program(system, "umount", "-i", "-l", f"{HOME}/{name}")
    places.attempt_program(system, "umount", "-i", "-f", "-l", HOME)


def is_home_remote(root: Path) -> bool:
    """Return whether the home is on a file server; asks the kernel only.

    Args:
        root: where the machine's file system begins.
    """
    try:
        mountinfo = (root / "proc/self/mountinfo").read_text(encoding="utf-8")
    except FileNotFoundError:
        return False  # a folder that stands for a machine, where nothing is mounted
    return ":/" in (find_mounted(mountinfo, HOME) or "")


def _mount(system: System, share: Share, source: str, ask: Ask) -> None:
    why = "it does not answer"

    def try_once() -> bool | None:
        nonlocal why
        if not ask(str(share.server), NFS_PORT, _CALL_S):
            return None
        try:
            places.identify(system)
            system.mount(source, HOME, "nfs4", places.OPTIONS)
        except ApplyError as error:
            why = str(error)
            return None
        return True

    if system.wait_for(try_once, _WAIT_S, _POLL_S) is None:
        raise HomeAwayError(
            f"{HOME} cannot be mounted from the file server {source}: {why}; see that the event's "
            "server runs, then start this machine again"
        )


def _prepare(system: System) -> list[str]:
    """Fill a home that is new; return the folders over which the machine's own may be laid."""
    argv = ("setpriv", f"--reuid={TRAINEE_UID}", f"--regid={TRAINEE_UID}", "--clear-groups")
    try:
        said = system.run(*argv, "sh", "-c", _PREPARE, ok=range(256), timeout_s=_PROGRAM_S)
    except ApplyError as error:
        raise HomeAwayError(f"{HOME}: the file server stopped to answer: {error}") from error
    return [name for name in said.split() if name in LOCAL]


def _lay_over(system: System, name: str) -> None:
    path, own = f"{HOME}/{name}", local_path(name)
    if _mounted(system, path):
        return
    _make_own(system, own)
    places.attempt_program(system, "mount", "--bind", own, path)


def _make_own(system: System, path: str) -> None:
    """Make a folder of the trainee's on the machine's own disk."""
    folder = inside(system, path)
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.parent.chmod(0o755)
    folder.mkdir(mode=0o700, exist_ok=True)
    system.give(folder, TRAINEE_UID)


def _lock_folder_below(system: System) -> None:
    """Have nobody write to what the mount hides: it would seem saved, and be gone."""
    home = inside(system, HOME)
    home.mkdir(mode=0o755, parents=True, exist_ok=True)
    system.give(home, 0)
    home.chmod(0o555)


def _mounted(system: System, path: str) -> str | None:
    mountinfo = inside(system, "/proc/self/mountinfo").read_text(encoding="utf-8")
    return find_mounted(mountinfo, path)
