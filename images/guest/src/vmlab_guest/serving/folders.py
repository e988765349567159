"""The folders on the server's volume, and whose they are.

A person's number is the owner of the own folder: written down where the files are, so that no
table can give somebody another one's files or limit. A folder gets its owner, or its mode, last:
one that has it is complete.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from vmlab_guest.serving.exports import FIRST_ID, TRAINERS_ID
from vmlab_guest.system import System, inside
from vmlab_protocol.share import ROOT, SHARED_PATH, Roster, drop_path, own_path

KEPT = f"{ROOT}/.vmlab"
"""What the server itself keeps on its volume."""

_PASSED_MODE = 0o711  # nobody lists who has folders here
_OWN_MODE = 0o700
_DROP_MODE = 0o1733  # written, not listed
_SHARED_MODE = 0o755


def ensure_folders(system: System, roster: Roster) -> dict[str, int]:
    """Make the folders that are missing; return everybody's number, by folder.

    Nothing is ever removed: the folder of somebody who left stays, and its number is taken.

    Raises:
        ApplyError, OSError: the file system refused.
    """
    for path, mode in ((ROOT, _PASSED_MODE), (KEPT, 0o700)):
        _ensure_folder(system, path, mode)
    system.give(inside(system, ROOT), 0)
    for path in (own_path(""), drop_path()):
        _ensure_folder(system, path, _PASSED_MODE)
    shared = inside(system, SHARED_PATH)
    if not shared.is_dir() or system.owner(shared) != TRAINERS_ID:
        _make_limited(system, SHARED_PATH, TRAINERS_ID)
        shared.chmod(_SHARED_MODE)
        system.give(shared, TRAINERS_ID)
    ids = _assign_ids(system, [sharer.folder for sharer in roster.sharers])
    for sharer in roster.sharers:
        if not sharer.is_trainer:
            _ensure_drop(system, drop_path(sharer.folder), ids[sharer.folder])
    return ids


def _assign_ids(system: System, folders: Iterable[str]) -> dict[str, int]:
    """Return the numbers of these folders, making those that are not there."""
    own = inside(system, own_path(""))
    owners = {path.name: system.owner(path) for path in own.iterdir()}
    known = {name: owner for name, owner in owners.items() if owner >= FIRST_ID}
    free = max(known.values(), default=FIRST_ID - 1) + 1
    found = {}
    for folder in folders:
        if folder in known:
            found[folder] = known[folder]
            continue
        _make_limited(system, own_path(folder), free)
        system.give(own / folder, free)
        found[folder], free = free, free + 1
    return found


def _ensure_drop(system: System, path: str, project: int) -> None:
    folder = inside(system, path)
    if not folder.is_dir() or folder.stat().st_mode & 0o7777 != _DROP_MODE:
        _make_limited(system, path, project)
        folder.chmod(_DROP_MODE)


def _make_limited(system: System, path: str, project: int) -> None:
    """Make a folder that counts all that is in it, and whatever comes, for this project."""
    folder = inside(system, path)
    folder.mkdir(mode=_OWN_MODE, exist_ok=True)
    system.run("chattr", "-p", str(project), "+P", path)


def _ensure_folder(system: System, path: str, mode: int) -> Path:
    folder = inside(system, path)
    folder.mkdir(exist_ok=True)
    folder.chmod(mode)
    return folder
