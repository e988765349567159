"""From a tree to a disk: mke2fs fills the file system without mounting it, qemu-img packs it.

Works without privileges: then everything runs in a user namespace, where the tree's owners exist.
"""

from __future__ import annotations

import os
import re
import uuid
from pathlib import Path

from vmlab.images.commands import run

LABEL = "vmlab-root"
_NAMESPACE = uuid.UUID("6b3a1f0e-5b1c-5d6e-9a53-2f6f1c1e8d11")
_UNPACK_AND_FILL = """
set -eu
mkdir "$2"
tar --extract --file="$1" --directory="$2" --numeric-owner --same-owner --preserve-permissions \
    --xattrs --xattrs-include='*' --exclude='./dev/*'
shift 2
exec mke2fs "$@"
"""


def namespace_prefix() -> list[str]:
    """Return the command that makes its argument run as root of the tree; nothing when it is."""
    if os.geteuid() == 0:
        return []
    return ["unshare", "--user", "--map-auto", "--map-root-user"]


def file_system_uuid(version: str) -> uuid.UUID:
    """Return the file system's UUID: the same for the same image version."""
    return uuid.uuid5(_NAMESPACE, version)


def make_mke2fs_arguments(raw: Path, tree: Path, version: str, size_mib: int) -> list[str]:
    """Return mke2fs's arguments.

    Nothing is left to initialise lazily: every machine would do it again, in its own overlay.
    """
    extended = (
        f"hash_seed={file_system_uuid(version + '/hash')}",
        "root_owner=0:0",
        "lazy_itable_init=0",
        "lazy_journal_init=0",
    )
    return [
        "-q", "-F", "-t", "ext4", "-L", LABEL, "-U", str(file_system_uuid(version)),
        "-b", "4096", "-m", "1", "-J", "size=32", "-d", os.fspath(tree),
        "-E", ",".join(extended), os.fspath(raw), f"{size_mib}M",
    ]  # fmt: skip


def make_disk(
    tar: Path, work: Path, target: Path, *, version: str, size_mib: int, epoch: int
) -> None:
    """Make `target` (qcow2) from the tree in `tar`; `work` is a folder for what is in between.

    Raises:
        ImageError: a program failed, for instance because the tree does not fit.
        HostError: a program is missing.
    """
    raw, tree = work / "disk.raw", work / "tree"
    arguments = make_mke2fs_arguments(raw, tree, version, size_mib)
    # mke2fs 1.47.0 (Debian 12) knows E2FSPROGS_FAKE_TIME only, later ones SOURCE_DATE_EPOCH.
    fixed = {
        "SOURCE_DATE_EPOCH": str(epoch),
        "E2FSPROGS_FAKE_TIME": str(epoch),
    }
    run(
        [*namespace_prefix(), "sh", "-c", _UNPACK_AND_FILL, "sh",
         os.fspath(tar), os.fspath(tree), *arguments],
        env=fixed,
        hint="if it says that the disk is full, raise disk_size_mib in the recipe",
    )  # fmt: skip
    run([*namespace_prefix(), "rm", "-rf", "--", os.fspath(tree)])
    _fix_times(raw, work / "times", epoch, fixed)
    run(["e2fsck", "-f", "-n", os.fspath(raw)], env=fixed)
    # zstd: 0.4 of the size, and no difference in the time of a start that could be measured
    run(
        ["qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", "-c", "-o",
         "compression_type=zstd", os.fspath(raw), os.fspath(target)]
    )  # fmt: skip
    raw.unlink()


def make_times_script(last_inode: int, epoch: int) -> str:
    """Return what debugfs does so that no file shows when the disk was made.

    Files keep their own modification times. Inodes 3 to 10 are the file system's.
    """
    return "".join(
        f"set_inode_field <{inode}> {field} @{epoch:#x}\n"
        for inode in (2, *range(11, last_inode + 1))
        for field in ("atime", "ctime")
    )


def _fix_times(raw: Path, script: Path, epoch: int, env: dict[str, str]) -> None:
    """Give all files of a fresh file system the same times of change and access.

    mke2fs does so by itself since 1.47.1 (not Debian 12's); then this changes nothing.
    """
    facts = run(["dumpe2fs", "-h", os.fspath(raw)], env=env)
    numbers = dict(re.findall(r"^(Inode count|Free inodes):\s+(\d+)$", facts, re.MULTILINE))
    # a fresh file system uses the first inodes, without gaps
    last = int(numbers["Inode count"]) - int(numbers["Free inodes"])
    script.write_text(make_times_script(last, epoch), encoding="ascii")
    run(["debugfs", "-w", "-f", os.fspath(script), os.fspath(raw)], env=env)
