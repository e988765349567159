"""What belongs to a course: which files, how many, how large. Reading a folder is the only I/O."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath

from vmlab.courses.model import CourseFiles
from vmlab.errors import ConfigError
from vmlab_protocol.paths import path_problem

MAX_FILES = 2_000
MAX_FILE_BYTES = 32 * 1024 * 1024
MAX_TOTAL_BYTES = 128 * 1024 * 1024
"""Of all files together, uncompressed. The archive itself may have 64 MiB (docs/protocols.md)."""

_SKIPPED = re.compile(r"\..*|__pycache__|.*~|.*\.py[co]")
# Begins with the word, or its stem ends with it: solution.ipynb, solutions/, exercise-solution2.py
_SOLUTION = re.compile(
    r"solution(?:[._ -].*)?|(?:.*[._ -])?solutions?[._ -]?[0-9]*(?:\.[a-z0-9]+)?", re.IGNORECASE
)


def is_delivered(path: str) -> bool:
    """Tell whether a file goes to trainees: no solution, no hidden file, no by-product."""
    return not any(is_skipped(part) or is_solution(part) for part in PurePosixPath(path).parts)


def is_skipped(name: str) -> bool:
    """Tell whether a file or folder is hidden or a by-product."""
    return _SKIPPED.fullmatch(name) is not None


def is_solution(name: str) -> bool:
    """Tell whether a file or folder surely holds a solution; `review` doubts about others."""
    return _SOLUTION.fullmatch(name) is not None


def check_limits(files: CourseFiles, name: str) -> None:
    """Check paths, number and sizes.

    Raises:
        ConfigError: names the file, its size and the limit.
    """
    if len(files) > MAX_FILES:
        raise ConfigError(f"{name}: {len(files)} files; at most {MAX_FILES} are allowed")
    for path, content in files.items():
        problem = path_problem(path) or _clash(path, files)
        if problem:
            raise ConfigError(f"{name}: file name {path!r} cannot be delivered: {problem}")
        if len(content) > MAX_FILE_BYTES:
            raise _too_large(f"{name}/{path}", len(content), MAX_FILE_BYTES)
    total = sum(len(content) for content in files.values())
    if total > MAX_TOTAL_BYTES:
        raise _too_large(name, total, MAX_TOTAL_BYTES)


def _clash(path: str, files: CourseFiles) -> str:
    """Say which folder of a path is a file, too: an archive can hold both, a disk cannot."""
    above = [parent.as_posix() for parent in PurePosixPath(path).parents if parent.name]
    return next((f"{each!r} is both a file and a folder" for each in above if each in files), "")


def read_folder(folder: Path) -> CourseFiles:
    """Read a course folder, solutions included, by-products and hidden files left out.

    Raises:
        ConfigError: it is not a course folder, holds a link or device, or is too large.
    """
    if not (folder / "course.toml").is_file():
        raise ConfigError(
            f"{folder} is not a course: it has no course.toml",
            hint="give the folder of one course, for instance notebooks/first-steps",
        )
    files: dict[str, bytes] = {}
    total = 0
    for path in _walk(folder)[0]:
        relative = path.relative_to(folder).as_posix()
        if path.is_symlink() or not path.is_file():
            raise ConfigError(
                f"{path} is not a regular file",
                hint="copy the file into the course instead of linking to it",
            )
        size = path.stat().st_size
        if size > MAX_FILE_BYTES:
            raise _too_large(str(path), size, MAX_FILE_BYTES)
        total += size
        if total > MAX_TOTAL_BYTES:
            raise _too_large(str(folder), total, MAX_TOTAL_BYTES)
        if len(files) >= MAX_FILES:
            raise ConfigError(f"{folder}: more than {MAX_FILES} files")
        try:
            files[relative] = path.read_bytes()
        except OSError as e:
            raise ConfigError(f"{path} cannot be read: {e.strerror or e}") from e
    check_limits(files, str(folder))
    return files


def list_skipped(folder: Path) -> list[str]:
    """Return which hidden files and by-products `read_folder` leaves out; folders end with `/`."""
    skipped = _walk(folder)[1]
    return [f"{p.relative_to(folder).as_posix()}{'/' * p.is_dir()}" for p in skipped]


def _walk(folder: Path) -> tuple[list[Path], list[Path]]:
    """Return all files and links below, without entering what is skipped, and what that is."""
    found: list[Path] = []
    skipped: list[Path] = []
    for root, folders, names in os.walk(folder):
        entered = []
        for name in sorted(folders):
            if (Path(root) / name).is_symlink():
                found.append(Path(root) / name)
            elif is_skipped(name):
                skipped.append(Path(root) / name)
            else:
                entered.append(name)
        folders[:] = entered
        for name in sorted(names):
            (skipped if is_skipped(name) else found).append(Path(root) / name)
    return found, skipped


def _too_large(what: str, size: int, limit: int) -> ConfigError:
    mib = 1024 * 1024
    return ConfigError(
        f"{what} has {size / mib:.1f} MiB; at most {limit // mib} MiB are allowed",
        hint="put large data into the image or onto a shared disk, not into a course",
    )
