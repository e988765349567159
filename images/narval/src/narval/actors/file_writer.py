"""A consumer that writes frames into files of the run."""

from __future__ import annotations

import contextlib
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar

from narval.errors import NarvalError
from narval.formats import Format, whole_frames_bytes
from narval.frames import FrameError
from narval.plugins.plugin import Consumer, Parameter, Run
from narval.run_header import RunHeader, pack_run_header
from narval.runs import PARTIAL


class FileWriter(Consumer):
    """Writes `NAME-000.mfm`, `NAME-001.mfm`, ... into the run's folder.

    A file of MFM frames begins with one that says which run it is of (`narval.run_header`). A file
    bears `.partial` in its name until all of it is on the disk. Where the disk is full, the file
    ends with the last block that was written whole, keeps `.partial`, and the actor fails.
    """

    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("file", "data", "beginning of the files' names; one for each writer of a run"),
        Parameter("split_bytes", 2_000_000_000, "begin another file before this size", least=64),
        Parameter("check", True, "refuse what is not a frame; false: any bytes, no header"),
        Parameter("format", Format.MFM.value, "of the frames", choices=tuple(Format)),
    )

    def __init__(self) -> None:
        super().__init__()
        self._descriptor: int | None = None
        self._path = Path()
        self._run: Run | None = None
        self._began = datetime.fromtimestamp(0, UTC)
        self._index = self._file_bytes = self._file_blocks = self._bytes = 0

    def set(self, name: str, value: str) -> None:
        """Set a parameter; the beginning of a name leads to no other folder."""
        if name == "file" and (not value or Path(value).name != value):
            raise NarvalError(f"file: {value!r} cannot be the beginning of a file's name")
        super().set(name, value)

    def start(self, run: Run) -> None:
        """Begin the run's first file.

        Raises:
            NarvalError: it cannot be made, for instance because another writer has it.
        """
        self._close()
        self._run, self._began = run, datetime.now().astimezone()
        self._index = self._bytes = 0
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
        if self._file_blocks and self._file_bytes + len(data) > int(self.values["split_bytes"]):
            self._complete()
            self._index += 1
            self._open()
        self._append(data)
        self._bytes += len(data)
        self._file_blocks += 1

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
        of = Format(str(self.values["format"]))
        try:
            # The reader's own check: what is written can be read.
            whole = whole_frames_bytes(of, data)
            if whole != len(data):
                raise FrameError(f"a frame is cut off after {len(data) - whole} bytes", whole)
        except FrameError as error:
            place = error.moved(self._bytes)
            raise NarvalError(
                f"what came in is no {of.upper()} frame: {place} of the run"
            ) from error

    def _open(self) -> None:
        if self._run is None:
            raise NarvalError("no run has been started")
        name = f"{self.values['file']}-{self._index:03d}.{self.values['format']}"
        self._path = self._run.folder / name
        partial = self._partial()
        try:
            if self._path.exists():
                raise FileExistsError(0, "it exists: another writer of the run has this name")
            partial.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
        except OSError as error:
            raise NarvalError(f"{partial} cannot be made: {error.strerror}") from error
        self._file_bytes = self._file_blocks = 0
        if self.values["check"] and self.values["format"] == Format.MFM:
            self._append(memoryview(self._header(self._run)))

    def _header(self, run: Run) -> bytes:
        return pack_run_header(
            RunHeader(
                experiment=run.folder.parent.name,
                run_number=run.number,
                run_began=self._began,
                index=self._index,
                file_name=self._path.name,
                file_began=datetime.now().astimezone(),
            )
        )

    def _append(self, data: memoryview) -> None:
        descriptor, written = self._descriptor, 0
        assert descriptor is not None, "a file is open"  # noqa: S101
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
