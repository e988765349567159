"""What a push sends, what it leaves out, and what its sender should check first. Pure."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from vmlab.courses.folder import is_delivered, is_skipped, is_solution
from vmlab.courses.model import CourseFiles

BIG_FILE_BYTES = 8 * 1024 * 1024
BIG_TOTAL_BYTES = 32 * 1024 * 1024

_TEXTS = re.compile(r".*\.(?:md|markdown|txt|py|csv|tsv|json|toml|yaml|yml|html|css|js|c|h|sh|tex)")
# Whole words of a name, in the languages of labs; what surely is a solution is never delivered.
_WORDS = re.compile(
    r"(?:^|[^a-z])(?:solutions?|sol|solved|answers?|answer-?key|corrections?|corrected"
    r"|corriges?|correctif|reponses?|loesung(?:en)?|losung(?:en)?|teachers?|instructors?"
    r"|enseignants?|formateurs?|prof)(?=$|[^a-z])"
)
_MARK = b"BEGIN SOLUTION"


@dataclass(frozen=True)
class Remark:
    """A file and what is to be said of it."""

    path: str
    words: str


@dataclass(frozen=True)
class Review:
    """A course folder, file by file.

    Attributes:
        delivered: what trainees find in their homes, with the size in bytes.
        machine_only: what is in the machines for the checks and in nobody's home.
        left_out: what stays here, and why.
        doubts: what is delivered and may be a mistake.
    """

    delivered: tuple[tuple[str, int], ...]
    machine_only: tuple[str, ...]
    left_out: tuple[Remark, ...]
    doubts: tuple[Remark, ...]


def review_course(files: CourseFiles, skipped: Sequence[str] = ()) -> Review:
    """Return what becomes of each file.

    Args:
        files: as `read_folder` returns them.
        skipped: the by-products and hidden files of the folder.
    """
    sent = [path for path in sorted(files) if is_delivered(path)]
    homes = [path for path in sent if not _is_machine_only(path)]
    left_out = [Remark(path, "by-product or hidden") for path in skipped]
    left_out += [Remark(path, _why(path)) for path in sorted(files) if not is_delivered(path)]
    return Review(
        tuple((path, len(files[path])) for path in homes),
        tuple(path for path in sent if _is_machine_only(path)),
        tuple(sorted(left_out, key=lambda remark: remark.path)),
        (*_doubts(files, homes), *_total_doubt(files, sent)),
    )


def show_size(size: int) -> str:
    """Return a size for people."""
    if size < 1024:
        return f"{size} B"
    return f"{size / 1024:.0f} KiB" if size < 1024 * 1024 else f"{size / 1024 / 1024:.1f} MiB"


def _is_machine_only(path: str) -> bool:
    return path == "course.toml" or path.rpartition("/")[2] == "checks.py"


def _why(path: str) -> str:
    parts = PurePosixPath(path).parts
    is_solution_there = any(is_solution(part) for part in parts)
    return "a solution" if is_solution_there and not any(map(is_skipped, parts)) else "by-product"


def _doubts(files: CourseFiles, paths: Sequence[str]) -> list[Remark]:
    solutions = {files[path]: path for path in files if _why(path) == "a solution"}
    seen: dict[str, str] = {}
    doubts = []
    for path in paths:
        content, name = files[path], _plain(path)
        if _WORDS.search(name):
            doubts.append(Remark(path, "its name looks like that of a solution"))
        if content in solutions:
            doubts.append(Remark(path, f"the same content as {solutions[content]}"))
        if _MARK in content:
            doubts.append(Remark(path, f"it contains {_MARK.decode()}"))
        if len(content) >= BIG_FILE_BYTES:
            size = show_size(len(content))
            doubts.append(Remark(path, f"{size}: every machine downloads and keeps it"))
        if _TEXTS.fullmatch(name) and not _is_text(content):
            doubts.append(Remark(path, "not UTF-8: JupyterLab does not open it"))
        if name in seen:
            doubts.append(Remark(path, f"many systems cannot tell its name from {seen[name]}"))
        seen[name] = path
    return doubts


def _total_doubt(files: CourseFiles, paths: Sequence[str]) -> list[Remark]:
    total = sum(len(files[path]) for path in paths)
    if total < BIG_TOTAL_BYTES:
        return []
    return [Remark(".", f"{show_size(total)} together: every machine downloads and keeps it")]


def _plain(path: str) -> str:
    """Return a path without accents and in lower case."""
    letters = unicodedata.normalize("NFD", path.casefold())
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _is_text(content: bytes) -> bool:
    try:
        content.decode()
    except UnicodeDecodeError:
        return False
    return True
