"""Asking a running hub about courses, with the token of a trainer or of the command line."""

from __future__ import annotations

from typing import Any

from vmlab.courses.package import Package
from vmlab.errors import CourseError, HostError
from vmlab.hub.access import HubAccess
from vmlab.hub.answers import HubRefusedError
from vmlab.hub.client import ask_hub

_LIMIT_S = 300.0  # an archive may be large, and a trainer's line slow
_NO_TOKEN = {401, 403}
_NO_COURSE = {400, 404, 413}


def publish(access: HubAccess, package: Package) -> dict[str, Any]:
    """Publish a course; return the hub's answer.

    Raises:
        CourseError: the hub refused it.
        HostError: the hub does not answer, or refuses the token.
    """
    headers = {"Content-Type": "application/gzip"}
    data = package.archive.data
    return _ask(access, "POST", f"courses/{package.name}", data=data, headers=headers)


def remove_course(access: HubAccess, name: str, *, drop_progress: bool) -> dict[str, Any]:
    """Take a course back; return the hub's answer.

    Raises:
        HostError, CourseError: as `publish`.
    """
    progress = "drop" if drop_progress else "keep"
    return _ask(access, "DELETE", f"courses/{name}?progress={progress}")


def list_courses(access: HubAccess) -> dict[str, Any]:
    """Return the newest version of every course, `courses`, and what was withdrawn, `removed`.

    Raises:
        HostError, CourseError: as `publish`.
    """
    return _ask(access, "GET", "courses")


def list_receipts(access: HubAccess, name: str) -> dict[str, Any]:
    """Return each machine's newest receipt for a course, `receipts`, and its `version`.

    Raises:
        HostError, CourseError: as `publish`.
    """
    return _ask(access, "GET", f"courses/{name}/receipts")


def _ask(access: HubAccess, method: str, path: str, **more: Any) -> dict[str, Any]:
    try:
        return ask_hub(access, method, f"vmlab/{path}", limit_s=_LIMIT_S, **more)
    except HubRefusedError as error:
        if error.status in _NO_TOKEN:
            raise HostError(
                f"the hub at {access.url} refuses the token: {error.reason or error.status}",
                hint="the token needs the scope custom:vmlab:courses; "
                "`vmlab up` makes such a token",
            ) from error
        if error.status in _NO_COURSE and error.reason and not error.is_unknown_call:
            text, _, hint = error.reason.partition("\n  hint: ")
            raise CourseError(text, hint=hint) from error
        raise
