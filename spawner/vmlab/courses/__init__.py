"""Courses on the hub's side: checking, packing, publishing, listing (docs/protocols.md, 3)."""

from vmlab.courses.archive import Archive, pack_course, unpack_course
from vmlab.courses.folder import read_folder
from vmlab.courses.model import Course, CourseFiles, Exercise, Step, Title
from vmlab.courses.parse import parse_course
from vmlab.courses.shelf import Listing, Published, Shelf

__all__ = [
    "Archive",
    "Course",
    "CourseFiles",
    "Exercise",
    "Listing",
    "Published",
    "Shelf",
    "Step",
    "Title",
    "pack_course",
    "parse_course",
    "read_folder",
    "unpack_course",
]
