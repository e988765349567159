"""How fast the files of a folder are: one large file, and many small ones.

Standard library only, and one file: it runs in machines, which have nothing of ours, as root. Run
as `python3 files_speed.py FOLDER`; prints a line of JSON.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path

LARGE_MIB = 64
SMALL_FILES = 300
SMALL_BYTES = 4096

_MIB = bytes(1 << 20)


def measure(folder: Path) -> dict[str, float]:
    """Return MiB/s of the large file, and small files a second; removes what it made."""
    work = folder / f".vmlab-bench-{os.getpid()}"
    work.mkdir()
    try:
        return {
            "write_mib_s": _rate(LARGE_MIB, lambda: _write_large(work / "large")),
            "read_mib_s": _rate(LARGE_MIB, lambda: _read_large(work / "large")),
            "small_written_s": _rate(SMALL_FILES, lambda: _write_small(work)),
            "small_read_s": _rate(SMALL_FILES, lambda: _read_small(work)),
        }
    finally:
        shutil.rmtree(work)


def _rate(count: int, work: Callable[[], None]) -> float:
    _forget()
    began = time.perf_counter()
    work()
    return round(count / (time.perf_counter() - began), 1)


def _forget() -> None:
    """Have the kernel read again what it knows of files."""
    os.sync()
    Path("/proc/sys/vm/drop_caches").write_text("3")


def _write_large(path: Path) -> None:
    with path.open("wb") as file:
        for _ in range(LARGE_MIB):
            file.write(_MIB)
        os.fsync(file.fileno())


def _read_large(path: Path) -> None:
    with path.open("rb") as file:
        while file.read(len(_MIB)):
            pass


def _write_small(folder: Path) -> None:
    for number in range(SMALL_FILES):
        with (folder / f"{number}").open("wb") as file:
            file.write(_MIB[:SMALL_BYTES])
            os.fsync(file.fileno())  # as an editor that saves does


def _read_small(folder: Path) -> None:
    for number in range(SMALL_FILES):
        (folder / f"{number}").read_bytes()


if __name__ == "__main__":
    print(json.dumps(measure(Path(sys.argv[1]))))  # noqa: T201 - the answer
