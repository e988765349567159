"""What the bodies of requests say, checked before anything is done with it. Pure: JSON in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from vmlab.errors import LabError
from vmlab_protocol.courses import FOLDER_PATTERN, MAX_VERSION, NAME_PATTERN, is_version
from vmlab_protocol.notices import Language
from vmlab_protocol.paths import path_problem
from vmlab_protocol.receipts import MAX_FILES_TOLD, MAX_TEXT_CHARS, Obstacle, read_reason

MAX_PASTED_CHARS = 10_000


class BodyError(LabError):
    """A body that cannot be used; the message says what is expected."""


@dataclass(frozen=True)
class ReceiptBody:
    """A machine has this version of a course, or says why it has not (`database.Receipt`)."""

    course: str
    version: int
    kept: tuple[str, ...]
    obstacles: tuple[Obstacle, ...] = ()
    refused: str = ""


@dataclass(frozen=True)
class ProgressBody:
    """A check ran in a machine."""

    course: str
    exercise: str
    step: str
    passed: bool


def parse_receipt(body: dict[str, Any]) -> ReceiptBody:
    """Return what `POST receipts` says.

    Raises:
        BodyError: it is not a valid one.
    """
    version = body.get("version")
    if not is_version(version):
        raise BodyError(f"version must be a whole number from 1 to {MAX_VERSION}")
    return ReceiptBody(
        _name(body, "course", NAME_PATTERN),
        version,
        _kept(body.get("kept")),
        _obstacles(body.get("obstacles", [])),
        _text(body.get("refused", ""), "refused"),
    )


def parse_progress(body: dict[str, Any]) -> ProgressBody:
    """Return what `POST progress` says; raises as `parse_receipt`."""
    return ProgressBody(
        course=_name(body, "course", NAME_PATTERN),
        exercise=_name(body, "exercise", FOLDER_PATTERN),
        step=_name(body, "step", NAME_PATTERN),
        passed=_flag(body, "passed"),
    )


def parse_break(body: dict[str, Any]) -> float:
    """Return until when `POST idle` wants a break, in seconds; raises as `parse_receipt`."""
    until = body.get("until")
    if type(until) not in {int, float}:
        raise BodyError(
            "until must be a time in seconds since the epoch, or 0, which ends the break"
        )
    return float(until or 0)


def parse_language(body: dict[str, Any]) -> Language:
    """Return what `POST language` chooses; raises as `parse_receipt`."""
    language = body.get("language")
    if not isinstance(language, str) or language not in set(Language):
        raise BodyError(f"language must be one of {', '.join(Language)}")
    return Language(language)


def parse_ssh_key(body: dict[str, Any]) -> str:
    """Return what was pasted in `POST ssh/keys`; raises as `parse_receipt`."""
    key = body.get("key")
    if not isinstance(key, str) or len(key) > MAX_PASTED_CHARS:
        raise BodyError(f"key must be a text of at most {MAX_PASTED_CHARS} characters")
    return key


def parse_renewal(body: dict[str, Any]) -> bool:
    """Return whether the new machine of `POST renew` is to start; raises as `parse_receipt`."""
    return _flag(body, "start", default=True)


def _name(body: dict[str, Any], key: str, pattern: str) -> str:
    value = body.get(key)
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise BodyError(f"{key} must be a string that matches {pattern}")
    return value


def _flag(body: dict[str, Any], key: str, *, default: bool | None = None) -> bool:
    value = body.get(key, default)
    if not isinstance(value, bool):
        raise BodyError(f"{key} must be true or false")
    return value


def _kept(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > MAX_FILES_TOLD:
        raise BodyError(f"kept must be a list of at most {MAX_FILES_TOLD} paths")
    for path in value:
        if not isinstance(path, str) or path_problem(path):
            raise BodyError("kept must hold relative paths of files")
    return tuple(value)


def _obstacles(value: Any) -> tuple[Obstacle, ...]:
    if not isinstance(value, list) or len(value) > MAX_FILES_TOLD:
        raise BodyError(f"obstacles must be a list of at most {MAX_FILES_TOLD} objects")
    return tuple(_obstacle(each) for each in value)


def _obstacle(value: Any) -> Obstacle:
    if not isinstance(value, dict):
        raise BodyError("obstacles must hold objects with path, reason and beside")
    reason = _text(value.get("reason"), "reason")
    return Obstacle(
        _text(value.get("path"), "path"),
        read_reason(reason),
        _text(value.get("beside"), "beside"),
    )


def _text(value: Any, key: str) -> str:
    """Return a text to be shown: what a trainee's machine says is never more than that."""
    if not isinstance(value, str) or len(value) > MAX_TEXT_CHARS:
        raise BodyError(f"{key} must be a text of at most {MAX_TEXT_CHARS} characters")
    return "".join(char if char.isprintable() else "·" for char in value)
