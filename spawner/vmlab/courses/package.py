"""A course folder as it is sent to a hub: checked and packed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from vmlab.courses.archive import Archive, pack_course
from vmlab.courses.folder import list_skipped, read_folder
from vmlab.courses.parse import parse_course
from vmlab.courses.review import Review, review_course


@dataclass(frozen=True)
class Package:
    """A course folder, checked and packed."""

    name: str
    archive: Archive
    review: Review


def make_package(folder: Path) -> Package:
    """Check and pack a course folder.

    Raises:
        ConfigError: the course has a mistake; names file and line.
        CourseError: it is too large.
    """
    files = read_folder(folder)
    course = parse_course(files, str(folder))
    review = review_course(files, list_skipped(folder))
    return Package(course.name, pack_course(files), review)
