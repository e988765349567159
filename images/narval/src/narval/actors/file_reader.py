"""A producer that plays files of MFM frames again."""

from __future__ import annotations

from io import FileIO
from pathlib import Path
from typing import Any, ClassVar

from narval.errors import NarvalError
from narval.mfm import FrameError, parse_header, whole_frames_bytes
from narval.plugins.plugin import EndOfData, Parameter, Producer, Run
from narval.runs import PARTIAL


class FileReader(Producer):
    """Writes the frames of a file, or of all files of a run's folder, as many as fit in a block.

    Every start begins with the first byte. A damaged file ends the run with the number of the byte.
    """

    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("file", "", "a file, or the folder of a run: then all its .mfm files by name"),
    )

    def __init__(self) -> None:
        super().__init__()
        self._left: list[Path] = []
        self._file: FileIO | None = None
        self._path = Path()
        self._at = self._size = self._bytes = 0

    def initialise(self) -> None:
        """Look whether there is something to read.

        Raises:
            NarvalError: there is not.
        """
        self._find()

    def start(self, run: Run) -> None:  # noqa: ARG002
        """Begin with the first byte; raises as `initialise`."""
        self._close()
        self._left = self._find()
        self._bytes = 0

    def produce(self, output: memoryview) -> int:
        """Write the next whole frames.

        Raises:
            EndOfData: all is read.
            NarvalError: a file is damaged, or a frame is larger than the buffer.
        """
        while self._file is None or self._at == self._size:
            self._open_next()
        try:
            self._file.seek(self._at)
            there = output[: self._file.readinto(output)]
            used = whole_frames_bytes(there)
            if not used:
                self._explain(there, len(output))
        except FrameError as error:
            raise NarvalError(f"{self._path}: damaged at {error.moved(self._at)}") from error
        except OSError as error:
            raise NarvalError(f"{self._path}: byte {self._at}: {error.strerror}") from error
        self._at += used
        self._bytes += used
        return used

    def stop(self) -> None:
        """Close the file."""
        self._close()

    def reset(self) -> None:
        """Close the file."""
        self._close()

    def unload(self) -> None:
        """Close the file."""
        self._close()

    def monitor(self) -> dict[str, Any] | None:
        """Return where in which file it is."""
        return {"file": str(self._path), "at": self._at, "size": self._size, "bytes": self._bytes}

    def _find(self) -> list[Path]:
        text = str(self.values["file"])
        if not text:
            raise NarvalError("file: say what is to be read, a file or the folder of a run")
        place = Path(text).expanduser()
        if place.is_dir():
            files = [*place.glob("*.mfm"), *place.glob(f"*.mfm{PARTIAL}")]
            if not files:
                raise NarvalError(f"file: there is no .mfm file in {place}")
            return sorted(files)
        if not place.is_file():
            raise NarvalError(f"file: there is no {place}")
        return [place]

    def _open_next(self) -> None:
        self._close()
        if not self._left:
            raise EndOfData
        self._path = self._left.pop(0)
        try:
            self._file = FileIO(self._path)
            self._size = self._path.stat().st_size
        except OSError as error:
            raise NarvalError(f"{self._path}: {error.strerror}") from error
        self._at = 0

    def _explain(self, there: memoryview, room: int) -> None:
        """Raise why there is no whole frame: cut off, or no room for it."""
        size, left = parse_header(there).size_bytes, self._size - self._at
        if size > left:
            raise FrameError(f"a frame of {size} bytes, {left} are left", 0)
        raise NarvalError(
            f"{self._path}: byte {self._at}: a frame of {size} bytes does not fit into the buffer "
            f"of {room}; give it a larger <size>"
        )

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        self._at = self._size = 0
