"""One operation on a volume at a time, across all processes.

Locks are the kernel's (flock), so they end with who holds them. A tool that changes a volume holds
its lock, too (`run_tool(keep=...)`): if the command line is killed in the middle, nobody comes
near the volume before the tool has ended.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncGenerator, Generator
from pathlib import Path

from vmlab.errors import VolumeConflictError
from vmlab.system.files import read_end
from vmlab.system.locks import try_flock
from vmlab_protocol.outside import load_json

_POLL_S = 0.05
_NOTE_BYTES = 1000


@contextlib.asynccontextmanager
async def hold_volume(
    folder: Path, name: str, operation: str, *, wait_s: float = 0.0
) -> AsyncGenerator[int]:
    """Keep everybody else from changing a volume; gives the open lock for `run_tool(keep=...)`.

    Args:
        folder: where the locks are; made if needed.
        operation: what is done, in words, for those who find the volume busy.
        wait_s: how long to wait for another operation.

    Raises:
        VolumeConflictError: another operation is at work; says which.
    """
    path = folder / f"{name}.lock"
    deadline = time.monotonic() + wait_s
    while True:
        with _locked(path) as file:
            if file is not None:
                _write_note(file, operation)
                yield file
                return
        if time.monotonic() >= deadline:
            raise VolumeConflictError(
                name,
                f"another operation is under way: {_read_note(path)}",
                hint="wait until that is done, then try again",
            )
        await asyncio.sleep(_POLL_S)


@contextlib.contextmanager
def read_snapshots(folder: Path, name: str) -> Generator[int]:
    """Keep others from deleting snapshots of a volume while they are read; any number at once.

    Raises:
        VolumeConflictError: one is being deleted now.
    """
    with _locked(folder / f"{name}.readers", shared=True) as file:
        if file is None:
            raise VolumeConflictError(
                name, "a snapshot of it is being deleted", hint="try again in a moment"
            )
        yield file


@contextlib.contextmanager
def delete_snapshots(folder: Path, name: str) -> Generator[int]:
    """Make sure that nobody reads a snapshot of the volume.

    Raises:
        VolumeConflictError: somebody does.
    """
    with _locked(folder / f"{name}.readers") as file:
        if file is None:
            raise VolumeConflictError(
                name,
                "a snapshot of it is being read, for an export or to be looked into",
                hint="wait until that is done, then try again",
            )
        yield file


def forget_locks(folder: Path, name: str) -> None:
    """Remove the locks of a volume that is no more; only for who holds it."""
    for end in ("lock", "readers"):
        (folder / f"{name}.{end}").unlink(missing_ok=True)


@contextlib.contextmanager
def _locked(path: Path, *, shared: bool = False) -> Generator[int | None]:
    """Give the locked file, or None when somebody else has it."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if not try_flock(descriptor, shared=shared):
                yield None
                return
            # Who had it before may have forgotten the volume: then others lock another file.
            if _is_there(path, descriptor):
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _is_there(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _write_note(descriptor: int, operation: str) -> None:
    note = {"operation": operation, "pid": os.getpid(), "since": time.time()}
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, json.dumps(note).encode(), 0)


def _read_note(path: Path) -> str:
    try:
        note = load_json(read_end(path, _NOTE_BYTES))
        age_s = max(0, int(time.time() - note["since"]))
        return f"{note['operation']}, by process {note['pid']}, for {age_s} s"
    except (OSError, ValueError, KeyError, TypeError):
        return "it has just begun"
