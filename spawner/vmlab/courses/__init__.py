"""Courses on the hub's side: checking, packing, publishing, listing (docs/protocols.md, 3).

model      a course: frozen facts
folder     which files of a folder belong to a course
parse      from a course's files to a `Course`, with every mistake named
notebooks  whether JupyterLab can open and save a notebook
archive    a course as one archive, the same bytes for the same content
package    a course folder as it is sent to a hub
review     what a push sends, and what its sender should look at first
store      what the hub has published
"""

from vmlab.courses.archive import Archive, pack_course, unpack_course
from vmlab.courses.folder import read_folder
from vmlab.courses.model import Course, CourseFiles, Exercise, Step, Title
from vmlab.courses.parse import parse_course
from vmlab.courses.store import CourseStore, Listing, Published

__all__ = [
    "Archive",
    "Course",
    "CourseFiles",
    "CourseStore",
    "Exercise",
    "Listing",
    "Published",
    "Step",
    "Title",
    "pack_course",
    "parse_course",
    "read_folder",
    "unpack_course",
]
