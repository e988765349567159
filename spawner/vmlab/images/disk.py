"""From a tree to a disk: mke2fs fills the file system without mounting it, qemu-img packs it.

Works without privileges: then everything runs in a user namespace, where the tree's owners exist.
"""

from __future__ import annotations

import os
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
    fixed = {"SOURCE_DATE_EPOCH": str(epoch), "E2FSPROGS_FAKE_TIME": str(epoch)}
    run(
        [*namespace_prefix(), "sh", "-c", _UNPACK_AND_FILL, "sh",
         os.fspath(tar), os.fspath(tree), *arguments],
        env={**fixed, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"},
        hint="if it says that the disk is full, raise disk_size_mib in the recipe",
    )  # fmt: skip
    run([*namespace_prefix(), "rm", "-rf", "--", os.fspath(tree)])
    run(
        ["e2fsck", "-f", "-n", os.fspath(raw)],
        env={**fixed, "PATH": f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"},
    )
    run(
        ["qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", "-o", "lazy_refcounts=on",
         os.fspath(raw), os.fspath(target)]
    )  # fmt: skip
    raw.unlink()
