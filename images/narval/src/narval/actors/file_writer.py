"""A consumer that writes MFM frames into files of the run."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any, ClassVar

from narval.errors import NarvalError
from narval.mfm import FrameError, iterate_frames
from narval.plugins.plugin import Consumer, Parameter, Run
from narval.runs import PARTIAL


class FileWriter(Consumer):
    """Writes `NAME-000.mfm`, `NAME-001.mfm`, ... into the run's folder.

    A file bears `.partial` in its name until all of it is on the disk. Where the disk is full, the
    file ends with the last block that was written whole, keeps `.partial`, and the actor fails.
    """

    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("file", "data", "beginning of the files' names; one for each writer of a run"),
        Parameter("split_bytes", 2_000_000_000, "begin another file before this size", least=64),
        Parameter("check", True, "refuse what is no MFM frame"),
    )

    def __init__(self) -> None:
        super().__init__()
        self._descriptor: int | None = None
        self._path = Path()
        self._run: Run | None = None
        self._index = self._file_bytes = self._bytes = self._blocks = 0

    def start(self, run: Run) -> None:
        """Begin the run's first file.

        Raises:
            NarvalError: it cannot be made, for instance because another writer has it.
        """
        self._close()
        name = str(self.values["file"])
        if not name or Path(name).name != name:
            raise NarvalError(f"file: {name!r} cannot be the beginning of a file's name")
        self._run = run
        self._index = self._bytes = self._blocks = 0
        self._open()

    def consume(self, data: memoryview) -> None:
        """Append a block.

        Raises:
            NarvalError: it holds no frames, or the disk takes no more.
        """
        if self._descriptor is None:
            raise NarvalError("no run has been started: there is no file to write into")
        if self.values["check"]:
            self._check(data)
        if self._file_bytes and self._file_bytes + len(data) > int(self.values["split_bytes"]):
            self._complete()
            self._index += 1
            self._open()
        self._append(self._descriptor, data)

    def stop(self) -> None:
        """Complete the file."""
        if self._descriptor is not None:
            self._complete()

    def reset(self) -> None:
        """Leave a file that was not completed as it is."""
        self._close()

    def unload(self) -> None:
        """Leave a file that was not completed as it is."""
        self._close()

    def monitor(self) -> dict[str, Any] | None:
        """Return the file in work and what the run has so far."""
        return {"file": self._path.name, "files": self._index + 1, "bytes": self._bytes}

    def _check(self, data: memoryview) -> None:
        try:
            for _ in iterate_frames(data):
                pass
        except FrameError as error:
            place = error.moved(self._bytes)
            raise NarvalError(f"what came in is no MFM frame: {place} of the run") from error

    def _open(self) -> None:
        if self._run is None:
            raise NarvalError("no run has been started")
        name = f"{self.values['file']}-{self._index:03d}.mfm"
        self._path = self._run.folder / name
        partial = self._partial()
        try:
            if self._path.exists():
                raise FileExistsError(0, "it exists: another writer of the run has this name")
            partial.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except OSError as error:
            raise NarvalError(f"{partial} cannot be made: {error.strerror}") from error
        self._file_bytes = 0

    def _append(self, descriptor: int, data: memoryview) -> None:
        written = 0
        try:
            while written < len(data):
                written += os.write(descriptor, data[written:])
        except OSError as error:
            self._give_up(descriptor)
            raise NarvalError(
                f"{self._partial()}: {error.strerror}; the {self._file_bytes} bytes before are "
                "whole and readable, the run stays incomplete"
            ) from error
        self._file_bytes += len(data)
        self._bytes += len(data)
        self._blocks += 1

    def _give_up(self, descriptor: int) -> None:
        """Cut off the block of which only a part was written."""
        with contextlib.suppress(OSError):  # the reader then tells where the whole frames end
            os.ftruncate(descriptor, self._file_bytes)
        self._close()

    def _complete(self) -> None:
        if self._descriptor is None:
            return
        try:
            os.fsync(self._descriptor)
            self._close()
            self._partial().rename(self._path)
        except OSError as error:
            self._close()
            raise NarvalError(f"{self._partial()}: it is not complete: {error.strerror}") from error

    def _close(self) -> None:
        if self._descriptor is not None:
            descriptor, self._descriptor = self._descriptor, None
            os.close(descriptor)

    def _partial(self) -> Path:
        return self._path.with_name(self._path.name + PARTIAL)
