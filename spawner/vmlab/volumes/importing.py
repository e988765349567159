"""Importing a volume from a file of unknown origin, which may be malicious.

A disk image can refer to other files, and whoever opens it opens those: a known way to read a
host's files. So the file is copied first (so that it cannot change any more), checked by its own
bytes before any program opens it, and opened by an unprivileged user under limits, with the
format told and without any reference. What comes out is a file of our own making.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from vmlab.errors import ConfigError, HostError, VolumeConflictError, VolumeError
from vmlab.model import Volume
from vmlab.system.disk_space import FreeSpace, find_free_space
from vmlab.system.tools import ToolError, run_tool
from vmlab.volumes.accounting import most_volume_mib
from vmlab.volumes.allowance import full_mib
from vmlab.volumes.context import VolumeContext
from vmlab.volumes.disk_image import COPY_LIMIT_S, make_source, scratch, sync_file
from vmlab.volumes.locks import hold_volume
from vmlab.volumes.model import MAX_MIB, is_volume_name
from vmlab.volumes.qcow2 import CORRUPT, EXTERNAL_DATA, MAGIC, Qcow2Error, parse_header
from vmlab_protocol.ext4 import SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET, Ext4Error, read_space

_MIB = 2**20
_HEAD_BYTES = 512
_VDI_MAGIC_AT, _VDI_MAGIC = 0x40, bytes.fromhex("7f10dabe")
_VDI_SIZE_AT = 0x170  # ref: qemu/block/vdi.c, VdiHeader
_MEMORY_LIMIT = 2 * 2**30


class ImportFormat(StrEnum):
    """Formats that can be imported. Others can refer to further files, or are hardly used."""

    AUTO = "auto"  # qcow2 or vdi, by its first bytes
    QCOW2 = "qcow2"
    VDI = "vdi"
    RAW = "raw"  # never guessed: anything is a raw disk


@dataclass(frozen=True)
class _Disk:
    """What a file's first bytes say of the disk in it."""

    form: ImportFormat
    size_bytes: int

    @property
    def size_mib(self) -> int:
        """What a machine would see, rounded up."""
        return -(-self.size_bytes // _MIB)


@dataclass(frozen=True)
class Import:
    """What is to be imported, and as what."""

    source: Path
    name: str
    owner: str
    server: str = ""
    form: ImportFormat = ImportFormat.AUTO


async def import_volume(context: VolumeContext, request: Import) -> Volume:
    """Make a new volume with the content of a file; return its entry.

    Only the content as it is now comes along, not the snapshots in the file.

    Raises:
        VolumeError: the file is not a disk image, refers to other files, is larger than the lab
            allows, or holds no file system that a machine can mount.
        VolumeConflictError: there is a volume of this name.
        HostError: the file cannot be read, or the host's disk is too full.
    """
    name = request.name
    if not is_volume_name(name):
        raise ConfigError(f"a volume cannot be called {name[:100]!r}")
    async with hold_volume(context.locks, name, f"an import of {request.source}"):
        target = context.folder / f"{name}.qcow2"
        if target.exists() or await context.knows(name):
            raise _taken(name)
        user = context.find_user()
        context.folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        with (
            scratch(context.work, user, ".incoming") as copy,
            scratch(context.work, user, ".qcow2") as made,
            scratch(context.work, user, ".head") as head,
        ):
            most_mib = await most_volume_mib(context)
            await _copy(request, copy, find_free_space(context.folder), most_mib)
            with copy.open("rb") as file:
                disk = _judge(request, file.fileno(), most_mib)
            source = make_source(copy, disk.form.value)
            room = find_free_space(context.folder)
            await _run(
                request, room, "convert", "-q", source, "-O", "qcow2", str(made), context=context
            )
            await _run(
                request, room, "dd", "-O", "raw", "bs=4096", "count=1",
                f"if={make_source(made)}", f"of={head}", context=context,
            )  # fmt: skip
            size_mib, needs_grow = _judge_content(request, made, head)
            sync_file(made)
            try:
                os.link(made, target)  # unlike a rename it replaces nothing
            except FileExistsError as error:
                raise _taken(name) from error
        entry = Volume(
            name, request.owner, request.server, size_mib, context.clock(), needs_grow=needs_grow
        )
        return await context.ask(lambda registry: registry.add(entry))


def judge_head(name: str, head: bytes, form: ImportFormat) -> ImportFormat:
    """Return the format of a file by its first bytes; pure.

    Raises:
        VolumeError: its format is not accepted, or it refers to other files.
    """
    if form is ImportFormat.RAW:
        return form
    if head[:4] == MAGIC and form in {ImportFormat.AUTO, ImportFormat.QCOW2}:
        try:
            header = parse_header(head)
        except Qcow2Error as error:
            raise VolumeError(name, f"the qcow2 file is damaged: {error}") from error
        problems = {
            "refers to another file (a backing file), which could be any file of this host": (
                header.backing_file
            ),
            "keeps its data in another file, which could be any file of this host": bool(
                header.features & EXTERNAL_DATA
            ),
            "is encrypted": header.encrypted,
            "is marked as corrupt": bool(header.features & CORRUPT),
            f"is larger than {MAX_MIB} MiB": header.size_mib > MAX_MIB,
        }
        for problem, is_so in problems.items():
            if is_so:
                raise VolumeError(
                    name,
                    f"the file {problem}, and is refused",
                    hint="make a plain copy where the file comes from: "
                    "qemu-img convert -O qcow2 FILE COPY",
                )
        return ImportFormat.QCOW2
    is_vdi = head[_VDI_MAGIC_AT : _VDI_MAGIC_AT + 4] == _VDI_MAGIC
    if is_vdi and form in {ImportFormat.AUTO, ImportFormat.VDI}:
        return ImportFormat.VDI
    wanted = "qcow2 nor vdi" if form is ImportFormat.AUTO else f"what it was said to be ({form})"
    raise VolumeError(
        name,
        f"the file is not a disk image that can be imported: neither {wanted}"
        if form is ImportFormat.AUTO
        else f"the file is not {wanted}",
        hint="convert vmdk and other formats where the file comes from: "
        "qemu-img convert -O qcow2 FILE COPY; for a raw disk, add --format raw",
    )


async def _copy(request: Import, target: Path, room: FreeSpace, most_mib: int) -> None:
    """Copy the file as it is now; from here on nobody can change it.

    Its first bytes are checked before, so that nothing is copied in vain; the caller checks the
    copy once more.
    """
    try:
        descriptor = os.open(request.source, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise HostError(f"{request.source} cannot be read: {error}") from error
    try:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or facts.st_size == 0:
            what = "empty" if stat.S_ISREG(facts.st_mode) else "a folder or device, not a file"
            raise VolumeError(request.name, f"{request.source} is {what}")
        disk = _judge(request, descriptor, most_mib)
        # The copy and the volume made of it; as a volume, it may be written to its full size.
        mib = max(2 * facts.st_blocks * 512 // _MIB, full_mib(disk.size_mib))
        room.require(mib, f"importing {request.source}")
        await run_tool(
            "cp", "--sparse=always", "--reflink=auto", f"/proc/self/fd/{descriptor}", str(target),
            limit_s=COPY_LIMIT_S, keep=(descriptor,),
        )  # fmt: skip
    finally:
        os.close(descriptor)


def _judge(request: Import, file: int, most_mib: int) -> _Disk:
    """Return what an open file says of itself.

    Raises:
        VolumeError: it is not of an accepted format, or too large.
    """
    head = os.pread(file, _HEAD_BYTES, 0)
    disk = read_disk(request.name, head, request.form, os.fstat(file).st_size)
    if disk.size_mib > most_mib:
        raise VolumeError(
            request.name,
            f"the disk in {request.source} has {disk.size_mib} MiB, but a volume of this lab may "
            f"have {most_mib} MiB at most",
            hint="raise [volume] size or total in lab.toml, or shrink the disk where it comes from",
        )
    if disk.form is ImportFormat.RAW:
        superblock = os.pread(file, SUPERBLOCK_BYTES, SUPERBLOCK_OFFSET)
        judge_file_system(request, superblock, disk.size_bytes)
    return disk


def read_disk(name: str, head: bytes, form: ImportFormat, file_bytes: int) -> _Disk:
    """Return format and size of the disk in a file; pure.

    Raises:
        VolumeError: as for `judge_head`; or it is cut off.
    """
    found = judge_head(name, head, form)
    if found is ImportFormat.RAW:
        return _Disk(found, file_bytes)
    if found is ImportFormat.QCOW2:
        return _Disk(found, parse_header(head).size_bytes)
    if len(head) < _VDI_SIZE_AT + 8:
        raise VolumeError(name, "the vdi file is cut off within its header")
    return _Disk(found, int.from_bytes(head[_VDI_SIZE_AT : _VDI_SIZE_AT + 8], "little"))


def _judge_content(request: Import, made: Path, head: Path) -> tuple[int, bool]:
    """Return the volume's size, and whether its file system is smaller than that."""
    with made.open("rb") as file:
        size_bytes = parse_header(file.read(_HEAD_BYTES)).size_bytes
    with head.open("rb") as file:
        file.seek(SUPERBLOCK_OFFSET)
        superblock = file.read(SUPERBLOCK_BYTES)
    used_bytes = judge_file_system(request, superblock, size_bytes)
    return size_bytes // _MIB, size_bytes - used_bytes >= _MIB


def judge_file_system(request: Import, superblock: bytes, size_bytes: int) -> int:
    """Return how many bytes of a disk its file system has; pure.

    Raises:
        VolumeError: no machine could mount it.
    """
    try:
        used_bytes = read_space(superblock).size_bytes
    except Ext4Error as error:
        raise VolumeError(
            request.name,
            f"no machine could mount what is in {request.source}: {error}",
            hint="what `vmlab volume export` wrote can be imported: one ext4 file system without "
            "partitions",
        ) from error
    if used_bytes > size_bytes:
        raise VolumeError(
            request.name,
            f"the file system in {request.source} is cut off: it has {used_bytes} bytes on a disk "
            f"of {size_bytes}",
        )
    return used_bytes


async def _run(request: Import, room: FreeSpace, *words: str, context: VolumeContext) -> None:
    """Run qemu-img on the file from outside, within what the host can spare."""
    most = max(_MIB, room.spare_mib * _MIB)
    try:
        await run_tool(
            "prlimit", f"--fsize={most}", f"--as={_MEMORY_LIMIT}", "--core=0",
            "qemu-img", *words,
            limit_s=COPY_LIMIT_S, user=context.find_user(),
        )  # fmt: skip
    except ToolError as error:
        raise VolumeError(
            request.name,
            f"{request.source} cannot be read as a disk, or holds more than the {room.spare_mib} "
            f"MiB that this host can spare: {error.output or 'qemu-img was stopped'}",
            hint="`qemu-img check` where the file comes from says whether it is whole",
        ) from error


def _taken(name: str) -> VolumeConflictError:
    return VolumeConflictError(
        name,
        "there is a volume of this name already",
        hint=f"delete that one first, which can be undone: vmlab volume delete {name}",
    )
