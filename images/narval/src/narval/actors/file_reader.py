"""A producer that plays files of frames again."""

from __future__ import annotations

import logging
import re
from io import FileIO
from pathlib import Path
from typing import Any, ClassVar

from narval.errors import NarvalError
from narval.formats import Format, frame_size, whole_frames_bytes
from narval.frames import FrameError
from narval.plugins.plugin import EndOfData, Parameter, Producer, Run
from narval.runs import PARTIAL

_AUTO = "auto"
logger = logging.getLogger(__name__)

_NUMBERED = re.compile(r"(.*?)(\d*)\.\w+")


class FileReader(Producer):
    """Writes the frames of a file, or of all files of a run's folder, as many as fit in a block.

    Every start begins with the first byte. A damaged file ends the run with the number of the byte,
    after all frames before it; of a partial one the torn end is left out, with a warning.
    """

    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("file", "", "a file, or the folder of a run: then all its files in order"),
        Parameter(
            "format", _AUTO, "of the frames; auto: adf where the name ends so, else mfm",
            choices=(_AUTO, *Format),
        ),
    )  # fmt: skip

    def __init__(self) -> None:
        super().__init__()
        self._left: list[Path] = []
        self._file: FileIO | None = None
        self._path, self._format = Path(), Format.MFM
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
        while True:
            while self._file is None or self._at == self._size:
                self._open_next()
            try:
                self._file.seek(self._at)
                there = output[: self._file.readinto(output)]
                used = self._whole_before_damage(there) or self._torn_end(there, len(output))
            except FrameError as error:
                raise NarvalError(f"{self._path}: damaged at {error.moved(self._at)}") from error
            except OSError as error:
                raise NarvalError(f"{self._path}: byte {self._at}: {error.strerror}") from error
            if used:
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
            wanted = self.values["format"]
            for kind in Format if wanted == _AUTO else (wanted,):
                files = [*place.glob(f"*.{kind}"), *place.glob(f"*.{kind}{PARTIAL}")]
                if files:
                    return sorted(files, key=_order)
            kinds = " or ".join(f".{kind}" for kind in (Format if wanted == _AUTO else (wanted,)))
            raise NarvalError(f"file: there is no {kinds} file in {place}")
        if not place.is_file():
            raise NarvalError(f"file: there is no {place}")
        return [place]

    def _open_next(self) -> None:
        self._close()
        if not self._left:
            raise EndOfData
        self._path = self._left.pop(0)
        self._format = self._format_of(self._path)
        try:
            self._file = FileIO(self._path)
            self._size = self._path.stat().st_size
        except OSError as error:
            raise NarvalError(f"{self._path}: {error.strerror}") from error
        self._at = 0

    def _format_of(self, path: Path) -> Format:
        if self.values["format"] != _AUTO:
            return Format(str(self.values["format"]))
        is_adf = path.name.removesuffix(PARTIAL).lower().endswith(f".{Format.ADF}")
        return Format.ADF if is_adf else Format.MFM

    def _whole_before_damage(self, there: memoryview) -> int:
        """Return how many bytes are whole frames; damage behind them is told when it is reached."""
        try:
            return whole_frames_bytes(self._format, there)
        except FrameError as error:
            if error.at:
                return error.at
            raise

    def _torn_end(self, there: memoryview, room: int) -> int:
        """Pass over the end of a partial file, whose writer was killed; else raise what is wrong.

        There is no whole frame: it is cut off, or there is no room for it.
        """
        left = self._size - self._at
        is_partial = self._path.name.endswith(PARTIAL)
        if not (is_partial and len(there) == left):
            size = frame_size(self._format, there)
            if size <= left:
                raise NarvalError(
                    f"{self._path}: byte {self._at}: a frame of {size} bytes does not fit into the "
                    f"buffer of {room}; give it a larger <size>"
                )
            if not is_partial:
                raise FrameError(f"a frame of {size} bytes, {left} are left", 0)
        logger.warning(
            "%s ends within a frame: its last %d bytes, from byte %d on, are left out",
            self._path, left, self._at,
        )  # fmt: skip
        self._at = self._size
        return 0

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None
        self._at = self._size = 0


def _order(path: Path) -> tuple[str, int, str]:
    """Return what files of a run are sorted by: `data-1000.mfm` comes after `data-999.mfm`."""
    match = _NUMBERED.match(path.name)
    if match is None:
        return path.name, 0, path.name
    return match[1], int(match[2] or 0), path.name
