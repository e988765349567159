"""Courses: a trainer's folder and archive, from the push to a trainee's machine."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import shutil
import tarfile
import warnings
import zlib

import nbformat

from fuzz.target import check, scratch, target
from lab.cells import find_answers, find_names
from vmlab.courses import pack_course, parse_course, read_folder, unpack_course
from vmlab.courses.folder import check_limits, is_delivered
from vmlab.errors import ConfigError, CourseError
from vmlab_guest.courses.archive import unpack
from vmlab_guest.errors import DeliveryError

_PARSE = "vmlab.courses.parse"
NOTEBOOK = (
    b'{"cells": [{"cell_type": "markdown", "metadata": {}, "source": ["1"]}], "metadata": {}, '
    b'"nbformat": 4, "nbformat_minor": 4}'
)
CHECKS = b"def user(name): ...\n"
COURSE = b"""[course]
name = "first-steps"
title = { en = "First steps", fr = "Premiers pas" }
[[exercise]]
folder = "01-who"
title = { en = "Who am I?", fr = "Qui suis-je ?" }
[[exercise.step]]
name = "user"
title = { en = "Your user", fr = "Votre utilisateur" }
"""
FILES = {"course.toml": COURSE, "01-who/exercise.ipynb": NOTEBOOK, "01-who/checks.py": CHECKS}


def _parse(path: str, data: bytes) -> None:
    course = parse_course(FILES | {path: data}, "first-steps")
    for exercise in course.exercises:
        for title in (course.title, exercise.title, *(step.title for step in exercise.steps)):
            (title.en + title.fr).encode()
    check(course.name != "", course)


@target("course-toml", ConfigError, parsers=(f"{_PARSE}:parse_course", f"{_PARSE}:_read_exercise"))
def course_toml(data: bytes) -> None:
    _parse("course.toml", data)


@target(
    "notebook",
    ConfigError,
    parsers=("vmlab.courses.notebooks:notebook_mistakes", "vmlab.courses.notebooks:_cell_problem"),
)
def notebook(data: bytes) -> None:
    """What the push takes, Jupyter's server opens, sends to a browser, and saves."""
    _parse("01-who/exercise.ipynb", data)
    wrong: dict[str, Exception] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cells without names get some
        opened = nbformat.reads(data.decode(), as_version=4, capture_validation_error=wrong)
    check(not wrong, wrong)
    json.dumps(opened, allow_nan=False).encode()
    check(nbformat.writes(opened, capture_validation_error=wrong) != "" and not wrong, wrong)


@target("cell", parsers=("lab.cells:find_answers",))
def cell(data: bytes) -> None:
    """A trainee's own cell, which may be no Python."""
    source = data.decode("utf-8", "replace")
    found = {*find_names(source), *find_answers(source)}
    if source.isascii():  # Python reads other spellings of a letter as one
        check(all(name in source for name in found), source)


@target("checks-py", ConfigError, parsers=(f"{_PARSE}:_checks_mistakes",))
def checks_py(data: bytes) -> None:
    _parse("01-who/checks.py", data)


@target(
    "course-archive",
    CourseError,
    ConfigError,
    parsers=("vmlab.courses.archive:unpack_course", "vmlab.courses.archive:_gunzip"),
    is_text=False,
)
def course_archive(data: bytes) -> None:
    unpack_course(data)


def mend_checksums(data: bytes) -> bytes:
    """Return an archive whose headers have their right checksums, which mutations break."""
    blocks = bytearray(data)
    for at in range(0, len(data) - tarfile.BLOCKSIZE + 1, tarfile.BLOCKSIZE):
        if blocks[at + 257 : at + 262] == b"ustar":
            header = blocks[at : at + tarfile.BLOCKSIZE]
            header[148:156] = b" " * 8
            blocks[at + 148 : at + 156] = b"%06o\0 " % sum(header)
    return bytes(blocks)


@target(
    "course-tar",
    CourseError,
    ConfigError,
    parsers=(
        "vmlab.courses.archive:unpack_course",
        "vmlab.courses.archive:pack_course",
        "vmlab.courses.folder:check_limits",
        "vmlab_guest.courses.archive:unpack",
        "vmlab_protocol.paths:path_problem",
    ),
    is_text=False,
)
def course_tar(data: bytes) -> None:
    """What the hub takes, it repacks, and every machine can unpack that."""
    files = unpack_course(gzip.compress(mend_checksums(data), 1, mtime=0))
    delivered = {path: content for path, content in files.items() if is_delivered(path)}
    archive = pack_course(files)
    check(unpack_course(archive.data) == delivered, "another content")
    target_folder = scratch("unpacked") / "1"
    unpack(io.BytesIO(archive.data), archive.digest, target_folder)
    found = {
        path.relative_to(target_folder).as_posix(): path.read_bytes()
        for path in target_folder.rglob("*")
        if path.is_file()
    }
    shutil.rmtree(target_folder)
    check(found == delivered, "another content in the machine")


@target(
    "course-paths",
    ConfigError,
    parsers=("vmlab.courses.folder:read_folder", "vmlab.courses.folder:check_limits"),
    is_text=False,
    most_bytes=2048,
)
def course_paths(data: bytes) -> None:
    """Names of files in a trainer's folder, one a line: any bytes that a file may be called by."""
    folder = scratch("course") / "first-steps"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "course.toml").write_bytes(COURSE)
    for line in data.split(b"\n")[:20]:
        name = line.replace(b"\0", b"").replace(b"/", b"")[:200]
        if name not in {b"", b".", b".."}:
            (folder / name.decode(errors="surrogateescape")).write_bytes(b"x")
    files = read_folder(folder)
    check_limits(files, "folder")
    check(unpack_course(pack_course(files).data).keys() <= files.keys(), "other names")


@target(
    "machine-archive",
    DeliveryError,
    parsers=("vmlab_guest.courses.archive:unpack", "vmlab_guest.courses.archive:_extract_one"),
    is_text=False,
)
def machine_archive(data: bytes) -> None:
    """An archive that no hub of ours has packed: nothing is written outside its folder."""
    data = mend_checksums(data)
    place = scratch("delivery")
    shutil.rmtree(place / "in", ignore_errors=True)
    try:
        unpack(
            io.BytesIO(gzip.compress(data, 1, mtime=0)),
            hashlib.sha256(data).hexdigest(),
            place / "in/1",
        )
    finally:
        check({path.name for path in place.iterdir()} <= {"in"}, "something beside its folder")
        check({path.name for path in (place / "in").iterdir()} <= {"1"}, "left-overs")
        links = [path for path in place.rglob("*") if path.is_symlink()]
        check(not links, links)


@target("machine-gzip", DeliveryError, parsers=("vmlab_guest.courses.archive:_decompress",),
        is_text=False)  # fmt: skip
def machine_gzip(data: bytes) -> None:
    try:
        raw = zlib.decompressobj(wbits=31).decompress(data, 2**20)
    except zlib.error:
        raw = b""
    unpack(io.BytesIO(data), hashlib.sha256(raw).hexdigest(), scratch("gzip") / "1")
