"""How the delivery of a course went: what a machine tells the hub (`POST receipts`). Pure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

MAX_BODY_BYTES = 64 * 1024
"""Of a request to the hub, archives apart."""

MAX_FILES_TOLD = 500
"""Of each list."""

MAX_TEXT_CHARS = 400
"""Of a path, or of why a version was refused."""

_MAX_WHY_CHARS = 300
_ROOM_BYTES = MAX_BODY_BYTES * 3 // 4  # for the lists


class Reason(StrEnum):
    """Why a file is not in its place."""

    EDITED = "edited"  # the trainee's own version stayed; no obstacle: a receipt has them as `kept`
    NOT_A_FILE = "not-a-file"  # a folder, a pipe or a broken link has the file's name
    NOT_A_FOLDER = "not-a-folder"  # a file or a broken link has the name of a folder above
    UNREADABLE = "unreadable"  # the file that is there cannot be read
    FORBIDDEN = "forbidden"  # file or folder belongs to somebody else or is locked
    NO_ROOM = "no-room"
    FAILED = "failed"


OBSTACLE_REASONS = frozenset(Reason) - {Reason.EDITED}


@dataclass(frozen=True)
class Obstacle:
    """One file of a course that is not in its place.

    Attributes:
        path: within the course.
        beside: where in the home the new text is instead; empty when it is nowhere.
    """

    path: str
    reason: Reason
    beside: str = ""


def make_receipt(
    course: str, version: int, kept: Sequence[str], obstacles: Sequence[Obstacle]
) -> dict[str, Any]:
    """Return the body that tells how it went; of very many files those that fit, obstacles first.

    Args:
        kept: paths that the trainee had edited.
    """
    room = _ROOM_BYTES
    rows: dict[str, list[Any]] = {"kept": [], "obstacles": []}
    told = [("obstacles", asdict(obstacle)) for obstacle in obstacles]
    for where, row in [*told, *(("kept", path) for path in kept)]:
        # A name may need six bytes for each letter.
        room -= len(json.dumps(row)) + 2
        if room < 0 or len(rows["kept"]) + len(rows["obstacles"]) == MAX_FILES_TOLD:
            break
        rows[where].append(row)
    return {"course": course, "version": version, **rows}


def make_refusal(course: str, version: int, why: str) -> dict[str, Any]:
    """Return the body that tells why a version is not taken."""
    return {"course": course, "version": version, "kept": [], "refused": why[:_MAX_WHY_CHARS]}


def read_reason(word: str) -> Reason:
    """Return the reason of an obstacle.

    A newer agent may know more reasons; that a file is missing is told all the same.
    """
    return Reason(word) if word in OBSTACLE_REASONS else Reason.FAILED
