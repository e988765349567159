"""Root overlays and volumes. Nothing is mounted on the host."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

from vmlab import sayings
from vmlab.errors import HostError, LabError
from vmlab.host import program_path
from vmlab.model import VolumeSpec
from vmlab.providers.qemu.confine import QemuUser

_TRAINEE_UID = 1000
_COMMAND_LIMIT_S = 120.0
_RESERVE_MIB = 512
"""Free space that the host keeps: below it no machine is started."""


def check_room(folder: Path) -> None:
    """Refuse when the file system that holds `folder` is nearly full.

    Raises:
        HostError: less than the reserve is free.
    """
    free_mib = shutil.disk_usage(folder).free // 2**20
    if free_mib < _RESERVE_MIB:
        raise HostError(
            f"{folder}: {free_mib} MiB free, a start needs {_RESERVE_MIB} MiB",
            hint="free space on this file system, or set VMLAB_STATE to another one",
            public=sayings.HOST_FULL,
        )


async def ensure_overlay(overlay: Path, base: Path, user: QemuUser) -> bool:
    """Make the machine's root disk over the image unless it is there; return whether it was made.

    Raises:
        HostError: the disk is full or qemu-img failed.
    """
    if overlay.exists():
        return False
    partial = overlay.with_suffix(".partial")
    await _run(
        "qemu-img", "create", "-q", "-f", "qcow2", "-F", "qcow2", "-b", str(base),
        "-o", "extended_l2=on,cluster_size=128k,lazy_refcounts=on", str(partial),
    )  # fmt: skip
    user.give(partial)
    partial.rename(overlay)
    return True


async def ensure_volume(path: Path, spec: VolumeSpec, user: QemuUser) -> bool:
    """Make an empty ext4 volume owned by the trainee unless it is there; return whether it was.

    The file appears by a rename, so that a cut creation is never taken for a volume. Its virtual
    size is the trainee's quota; it takes only what is written.

    Raises:
        HostError: the disk is full or a tool failed.
    """
    if path.exists():
        return False
    raw, partial = path.with_suffix(".raw"), path.with_suffix(".partial")
    try:
        with raw.open("wb") as file:
            file.truncate(spec.size_mib * 2**20)
        await _run(
            "mke2fs", "-q", "-t", "ext4", "-F", "-L", "home", "-m", "1",
            "-E", f"root_owner={_TRAINEE_UID}:{_TRAINEE_UID},lazy_itable_init=1",
            str(raw),
        )  # fmt: skip
        await _run("qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", str(raw), str(partial))
        user.give(partial)
        partial.rename(path)
    except OSError as error:
        raise HostError(
            f"{path}: the volume could not be made: {error}",
            hint="check free space and permissions of this folder",
            public=sayings.DISK_FAILED,
        ) from error
    finally:
        raw.unlink(missing_ok=True)
        partial.unlink(missing_ok=True)
    return True


async def check_overlay(overlay: Path) -> None:
    """Check that a root disk can be opened with all that it stands on; changes nothing.

    Raises:
        HostError: it, or its image, is missing or damaged.
    """
    await _run("qemu-img", "info", "-U", "--backing-chain", "--output=json", str(overlay))


async def _run(*words: str) -> None:
    """Run a tool; its failure becomes an error with the command and the end of its output."""
    try:
        process = await asyncio.create_subprocess_exec(
            *words,
            env={**os.environ, "PATH": program_path()},
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
    except FileNotFoundError as error:
        raise HostError(
            f"{words[0]} is not installed", hint="apt-get install qemu-utils e2fsprogs"
        ) from error
    try:
        output, _ = await asyncio.wait_for(process.communicate(), _COMMAND_LIMIT_S)
    except BaseException:
        # Cancelled or too late: whoever cleans up must find no tool still writing.
        if process.returncode is None:
            process.kill()
            await process.wait()
        raise
    if process.returncode != 0:
        raise _tool_error(words, process.returncode, output.decode(errors="replace"))


def _tool_error(words: tuple[str, ...], status: int | None, output: str) -> LabError:
    message = f"{' '.join(words)}\n  ended with {status}: {output.strip()[-500:]}"
    full = "No space left" in output
    return HostError(
        message,
        hint="the disk is full: free space" if full else "run the command by hand to see more",
        public=sayings.HOST_FULL if full else sayings.DISK_FAILED,
    )
