"""What was delivered to a home before: the record that tells edited files from untouched ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from vmlab_guest.files import write_file
from vmlab_protocol.outside import load_json

RECORD = Path(".local/share/vmlab/delivered.json")
_MAX_RECORD_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True)
class Delivered:
    """What is on record for one file: the text last offered to the trainee.

    Attributes:
        kept: something else stayed in the file's place, and this text is beside it.
        older: the digest of our own older text, if that is what stayed: it could not be replaced.
        beside: every copy that was put beside, oldest first: where in the home, and its digest.
    """

    digest: str
    version: int
    kept: bool = False
    older: str = ""
    beside: Mapping[str, str] = field(default_factory=dict)

    @property
    def digests(self) -> set[str]:
        """What is in its place as long as nobody has edited it."""
        return {self.digest, self.older} - {""}

    @property
    def lies_beside(self) -> str:
        """Where the newest text is, if it is not in its place."""
        return next(reversed(list(self.beside)), "") if self.kept else ""


Record = dict[str, dict[str, Delivered]]
"""By course and path."""


def read_record(home: Path) -> Record:
    """Return what was delivered to this home.

    One that is damaged or cannot be read counts as none: then every file that differs is taken for
    edited and kept.
    """
    place = home / RECORD
    try:
        if not place.is_file():
            return {}  # nothing, or a pipe that would never say a word
        with place.open("rb") as stream:
            courses = load_json(stream.read(_MAX_RECORD_BYTES))["courses"]
        return {
            str(course): {str(path): _entry(entry) for path, entry in files.items()}
            for course, files in courses.items()
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}


def write_record(home: Path, record: Record) -> None:
    """Replace the record.

    Raises:
        OSError: the disk is full, or the place is not the trainee's.
    """
    courses = {
        course: {path: asdict(entry) for path, entry in files.items()}
        for course, files in record.items()
        if files
    }
    text = json.dumps({"courses": courses}, indent=1)
    write_file(home / RECORD, text.encode(), 0o644, durable=True)


def _entry(entry: Mapping[str, object]) -> Delivered:
    beside = entry.get("beside", {})
    if not isinstance(beside, dict):
        raise TypeError("beside is not an object")
    return Delivered(
        digest=str(entry["digest"]),
        version=int(str(entry["version"])),
        kept=entry["kept"] is True,
        older=str(entry.get("older", "")),
        beside={str(place): str(digest) for place, digest in beside.items()},
    )
