"""How a delivery went: what could not go to its place, why, and where it lies instead. Pure."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

from vmlab_guest.errors import DeliveryError
from vmlab_guest.outside import load_json

_MAX_PATH = 400
_MAX_RECEIPT_BYTES = 48 * 1024
"""The hub takes 64 KiB; a name may need six bytes for each letter."""

_MAX_TOLD = 500
"""The hub takes no longer lists."""


class Reason(StrEnum):
    """Why a file is not in its place; the hub knows the same words (`vmlab.courses.troubles`)."""

    EDITED = "edited"  # the trainee's own version stayed
    NOT_A_FILE = "not-a-file"  # a folder, a pipe or a broken link has the file's name
    NOT_A_FOLDER = "not-a-folder"  # a file or a broken link has the name of a folder above
    UNREADABLE = "unreadable"  # the file that is there cannot be read
    FORBIDDEN = "forbidden"  # file or folder belongs to somebody else or is locked
    NO_ROOM = "no-room"
    FAILED = "failed"


@dataclass(frozen=True)
class Held:
    """One file that is not in its place.

    Attributes:
        path: within the course.
        beside: where in the home the new text lies; empty when it lies nowhere.
    """

    path: str
    reason: Reason
    beside: str = ""


@dataclass(frozen=True)
class Outcome:
    """What became of a delivery; `removed` files were no longer in the course."""

    held: tuple[Held, ...] = ()
    removed: int = 0

    @property
    def kept(self) -> tuple[str, ...]:
        """The files that the trainee had edited."""
        return tuple(h.path for h in self.held if h.reason is Reason.EDITED)

    @property
    def obstacles(self) -> tuple[Held, ...]:
        """What could not go to its place for another reason."""
        return tuple(h for h in self.held if h.reason is not Reason.EDITED)

    @property
    def is_complete(self) -> bool:
        """Whether every text is in the home, in its place or beside it."""
        return all(h.beside for h in self.obstacles)


def dump_outcome(outcome: Outcome) -> str:
    """Return what the helper process prints."""
    return json.dumps(asdict(outcome))


def parse_outcome(output: bytes) -> Outcome:
    """Return what the helper printed; it belongs to the trainee, so nothing is sure.

    Raises:
        DeliveryError: it printed something else.
    """
    try:
        said = load_json(output)
        held = tuple(_parse_held(row) for row in said["held"])
        removed = said["removed"]
    except (ValueError, KeyError, TypeError) as error:
        raise DeliveryError("the delivery helper did not say what it did") from error
    if type(removed) is not int or removed < 0:
        raise DeliveryError("the delivery helper did not say how many files it removed")
    return Outcome(held, removed)


def _parse_held(row: Any) -> Held:
    path, beside = row["path"], row["beside"]
    for text in (path, beside):
        if not isinstance(text, str) or len(text) > _MAX_PATH:
            raise ValueError("no path")
    return Held(path, Reason(row["reason"]), beside)


def make_receipt(course: str, version: int, outcome: Outcome) -> dict[str, Any]:
    """Return the body of `POST receipts`; of very many files those that fit, obstacles first."""
    room = _MAX_RECEIPT_BYTES
    kept: list[str] = []
    obstacles: list[dict[str, str]] = []
    for held in (*outcome.obstacles, *(h for h in outcome.held if h.reason is Reason.EDITED)):
        is_edited = held.reason is Reason.EDITED
        room -= len(json.dumps(held.path if is_edited else asdict(held))) + 2
        if room < 0 or len(kept) + len(obstacles) == _MAX_TOLD:
            break
        if is_edited:
            kept.append(held.path)
        else:
            obstacles.append({**asdict(held), "reason": str(held.reason)})
    return {"course": course, "version": version, "kept": kept, "obstacles": obstacles}


def make_refusal(course: str, version: int, why: str) -> dict[str, Any]:
    """Return the body of `POST receipts` that tells why a version is not taken."""
    return {"course": course, "version": version, "kept": [], "refused": why[:300]}
