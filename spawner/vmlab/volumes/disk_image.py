"""The tools that work on a volume's file, as a user of their own and never through a reference.

The file belongs to that user, or to the machine that has it; the tools may read it then. A file
that a machine wrote is not trusted either: who takes over a machine's process can write anything
there, including a reference to a file of the host. So no tool reads a backing file,
and none runs as root.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from vmlab import messages
from vmlab.errors import HostError, VolumeConflictError, VolumeError
from vmlab.system.tools import ToolError, run_tool
from vmlab.system.worker import TOOLS_GID, WorkerUser
from vmlab.volumes.model import Snapshot, own_name
from vmlab.volumes.qcow2 import Header, Qcow2Error, read_volume

_TRAINEE_UID = 1000
_MIB = 2**20
_CHANGE_LIMIT_S = 600.0
COPY_LIMIT_S = 4 * 3600.0


@dataclass(frozen=True)
class DiskImage:
    """One volume's file.

    Args:
        lock: open files that tools hold, too (`vmlab.volumes.locks`).
    """

    name: str
    path: Path
    user: WorkerUser
    lock: tuple[int, ...] = ()

    @property
    def source(self) -> str:
        """What qemu-img is to open: this file as qcow2, and nothing that it refers to."""
        return make_source(self.path)

    def read(self) -> tuple[Header, list[Snapshot]]:
        """Return size and snapshots, also while a machine runs.

        Raises:
            VolumeError: the file is gone or damaged.
        """
        try:
            with self.path.open("rb") as file:
                return read_volume(file)
        except FileNotFoundError as error:
            raise missing_file(self.name, self.path) from error
        except (Qcow2Error, OSError) as error:
            raise VolumeError(
                self.name,
                f"{self.path} cannot be read: {error}",
                hint="qemu-img check says more; a backup of the file can be put in its place",
            ) from error

    async def take_snapshot(self, snapshot: str) -> None:
        """Take a snapshot of a volume that no machine has.

        Raises:
            VolumeConflictError, ToolError: it is open elsewhere, or the tool failed.
        """
        await self._change("qemu-img", "snapshot", "-q", "-c", snapshot, self.source)

    async def delete_snapshot(self, snapshot: str) -> None:
        """Delete a snapshot of a volume that no machine has; raises as `take_snapshot`."""
        await self._change("qemu-img", "snapshot", "-q", "-d", snapshot, self.source)

    async def apply_snapshot(self, snapshot: str) -> None:
        """Make a snapshot the volume's content, size included; raises as `take_snapshot`."""
        await self._change("qemu-img", "snapshot", "-q", "-a", snapshot, self.source)

    async def grow(self, size_mib: int) -> None:
        """Make the volume larger; the file system in it stays; raises as `take_snapshot`."""
        await self._change("qemu-img", "resize", "-q", self.source, f"{size_mib}M")

    async def free_leaks(self) -> None:
        """Give back what a change that was cut had taken of the file; data are not touched.

        Raises:
            VolumeConflictError: it is open elsewhere.
            ToolError: there is more wrong with it than that.
        """
        await self._change("qemu-img", "check", "-q", "-r", "leaks", self.source)

    async def check_unused(self) -> None:
        """Make sure that nothing has the file open for writing.

        Raises:
            VolumeConflictError: something does.
        """
        await self._change("qemu-img", "info", "--output=json", self.source)

    async def _change(self, *words: str) -> None:
        take_back(self.path, self.user)  # of a machine that ended without a stop
        try:
            await run_tool(
                *words, limit_s=_CHANGE_LIMIT_S, user=self.user, keep=self.lock, finish=True
            )
        except ToolError as error:
            if "Failed to get" in error.output and "lock" in error.output:
                raise VolumeConflictError(
                    self.name,
                    f"{self.path} is open in another process",
                    hint="vmlab machine list shows which machine runs",
                    public=messages.DISK_IN_USE,
                ) from error
            raise


def lend(path: Path, machine: WorkerUser) -> None:
    """Make a volume's file the machine's; the tools may go on reading it, and nobody else."""
    if machine.drop:
        os.chown(path, machine.uid, TOOLS_GID, follow_symlinks=False)
        path.chmod(0o640)


def take_back(path: Path, tools: WorkerUser) -> None:
    """Make a volume's file the tools' again; no-op when it is, or is gone."""
    with contextlib.suppress(FileNotFoundError):
        if tools.drop and path.lstat().st_uid != tools.uid:
            tools.give(path)


def make_source(path: Path, driver: str = "qcow2") -> str:
    """Return the words by which qemu-img opens a file of this format and no other file."""
    options: dict[str, object] = {
        "driver": driver,
        "discard": "unmap",
        "file": {"driver": "file", "filename": str(path), "discard": "unmap"},
    }
    if driver == "qcow2":
        options["backing"] = None
    return "json:" + json.dumps(options)


def missing_file(name: str, path: Path) -> VolumeError:
    """Return the error for a volume whose file was there and is not any more."""
    if own_name(name) != name:
        return VolumeError(
            name,
            f"its file {path} is gone, so the volume cannot come back from quarantine",
            hint="put the file back from a backup; the entry is forgotten when its quarantine ends",
            public=messages.DISK_FAILED,
        )
    return VolumeError(
        name,
        f"its file {path} is gone, though nobody deleted the volume",
        hint=f"put the file back; or, to begin with an empty one: vmlab volume delete {name}",
        public=messages.DISK_FAILED,
    )


@contextlib.contextmanager
def scratch(folder: Path, user: WorkerUser, end: str) -> Generator[Path]:
    """Give an empty file that a user may write to; removed afterwards unless it was moved.

    Args:
        folder: root's own; that user may only pass through it.
        user: whose file it is.
        end: of the file's name.
    """
    folder.mkdir(mode=0o711, parents=True, exist_ok=True)
    folder.chmod(0o711)
    path = folder / f"{os.getpid()}-{secrets.token_hex(4)}{end}"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        user.give(path)
        yield path
    finally:
        path.unlink(missing_ok=True)


async def make_volume(path: Path, size_mib: int, user: WorkerUser, work: Path) -> None:
    """Make an empty ext4 volume owned by the trainee.

    The file appears by a rename, so that a cut creation is never taken for a volume. Its virtual
    size is the trainee's quota; it takes only what is written.

    Raises:
        HostError: the disk is full or a tool failed.
    """
    try:
        with scratch(work, user, ".raw") as raw, scratch(work, user, ".qcow2") as made:
            os.truncate(raw, size_mib * _MIB)
            await run_tool(
                "mke2fs", "-q", "-t", "ext4", "-F", "-L", "home",
                "-m", reserved_percent(size_mib),
                "-E", f"root_owner={_TRAINEE_UID}:{_TRAINEE_UID},lazy_itable_init=1",
                str(raw), user=user,
            )  # fmt: skip
            await run_tool(
                "qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", str(raw), str(made),
                user=user,
            )  # fmt: skip
            sync_file(made)
            made.rename(path)
    except OSError as error:
        raise HostError(
            f"{path}: the volume could not be made: {error}",
            hint="check free space and permissions of this folder",
            public=messages.DISK_FAILED,
        ) from error


def sync_file(path: Path) -> None:
    """Bring a file's content to the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def reserved_percent(size_mib: int) -> str:
    """Return which part of a file system its trainee gets only when the rest is full. Pure.

    The agent gives it to them then, and takes it back later (images/guest, `reserve`).
    """
    return f"{min(5.0, 256 * 100 / size_mib):.2f}"
