"""Bringing a version of a course into a trainee's home without ever losing the trainee's work.

Runs as the trainee (`python -m vmlab_guest.courses.deliver ORIGINAL HOME NAME VERSION`), so that
no link in a home can make root write elsewhere. Prints `{"kept": [paths]}`.

Three-way: what was delivered last (its digest is on record), what lies there now, what is new.

| now          | new text    | what happens                                        |
| ------------ | ----------- | --------------------------------------------------- |
| missing      | any         | written: a lost or deleted exercise comes back       |
| as delivered | other       | replaced by one rename                              |
| edited       | as recorded | nothing                                             |
| edited       | other       | kept; the new text is put beside as `NAME.vN.ipynb` |

The record is written last: whatever point a delivery is cut at, the next one finishes it.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from vmlab_guest.courses.names import is_for_trainee, make_beside
from vmlab_guest.files import write_atomically
from vmlab_guest.outside import load_json

RECORD = Path(".local/share/vmlab/delivered.json")
_MAX_RECORD_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class Delivered:
    """What is on record for one file: the text last offered to the trainee."""

    digest: str
    version: int
    kept: bool = False  # the trainee's own version stayed, this text lies beside it


def deliver(original: Path, home: Path, name: str, version: int) -> list[str]:
    """Bring one version of a course into a home.

    Args:
        original: the unpacked course.

    Returns:
        The paths, relative to the course, that the trainee had edited and that were kept.

    Raises:
        OSError: the disk is full or the like; files written so far are whole.
    """
    record = read_record(home)
    files = dict(record.get(name, {}))
    for source in sorted(path for path in original.rglob("*") if path.is_file()):
        path = source.relative_to(original).as_posix()
        if is_for_trainee(path):
            files[path] = _deliver_file(
                source.read_bytes(), home / name, path, version, files.get(path)
            )
    if files != record.get(name):
        record[name] = files
        _write_record(home, record)
    return sorted(
        path
        for path, entry in files.items()
        if entry.kept and (original / path).is_file() and is_for_trainee(path)
    )


def read_record(home: Path) -> dict[str, dict[str, Delivered]]:
    """Return what was delivered to this home: course, path, entry.

    A damaged record counts as none: then every file that differs is taken for edited and kept.
    """
    try:
        with (home / RECORD).open("rb") as stream:
            courses = load_json(stream.read(_MAX_RECORD_BYTES))["courses"]
        return {
            str(course): {
                str(path): Delivered(
                    digest=str(entry["digest"]),
                    version=int(entry["version"]),
                    kept=entry["kept"] is True,
                )
                for path, entry in files.items()
            }
            for course, files in courses.items()
        }
    except (FileNotFoundError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def _write_record(home: Path, record: dict[str, dict[str, Delivered]]) -> None:
    courses = {
        course: {path: asdict(entry) for path, entry in files.items()}
        for course, files in record.items()
    }
    text = json.dumps({"courses": courses}, indent=1, sort_keys=True)
    write_atomically(home / RECORD, text.encode(), 0o644, durable=True)


def _deliver_file(
    new: bytes, folder: Path, path: str, version: int, last: Delivered | None
) -> Delivered:
    """Bring one file and return its new entry in the record."""
    place = folder / path
    digest = _digest(new)
    offered = Delivered(digest, version)
    now = _digest_of(place)
    if now == digest:
        return last if last and last.digest == digest and not last.kept else offered
    if now is None or (last is not None and now == last.digest):
        # Between this look and the rename a save could slip in; it would have to hit the same
        # millisecond, and Jupyter then asks the trainee because the file changed on disk.
        write_atomically(place, new, 0o644, durable=True)
        return offered
    if last is not None and last.digest == digest:
        return last  # edited, and there is no newer text
    _put_beside(new, digest, folder, path, version)
    return replace(offered, kept=True)


def _put_beside(new: bytes, digest: str, folder: Path, path: str, version: int) -> None:
    """Write the new text under the first name that is free or holds it already."""
    for number in range(1000):
        place = folder / make_beside(path, version, number)
        now = _digest_of(place)
        if now == digest:
            return
        if now is None:
            write_atomically(place, new, 0o644, durable=True)
            return
    raise FileExistsError(f"a thousand versions of {path} lie in {folder}")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _digest_of(place: Path) -> str | None:
    """Return the digest of what lies at `place`; None if there is nothing.

    What is no readable file (a folder, a pipe) counts as the trainee's own and is never opened.
    """
    if not os.path.lexists(place):
        return None
    if not place.is_file():
        return "not a file"
    with place.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def main(arguments: list[str]) -> int:
    """Run one delivery; print its result as JSON, or the reason of a failure."""
    original, home, name, version = arguments
    try:
        kept = deliver(Path(original), Path(home), name, int(version))
    except OSError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(json.dumps({"kept": kept}) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
