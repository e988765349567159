"""Asking a running hub about courses, with the token of a trainer or of the command line."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from vmlab.courses.archive import Archive, pack_course
from vmlab.courses.folder import list_skipped, read_folder
from vmlab.courses.parse import parse_course
from vmlab.courses.review import Review, review_course
from vmlab.errors import ConfigError, CourseError, HostError
from vmlab.paths import Paths
from vmlab_protocol.outside import load_json

_LIMIT = aiohttp.ClientTimeout(total=300, connect=10)


@dataclass(frozen=True)
class HubAccess:
    """Where a hub is and what opens it."""

    url: str  # with a slash at the end
    token: str = field(repr=False)

    @property
    def api_url(self) -> str:
        """Where VMLab's API begins."""
        return f"{self.url.rstrip('/')}/hub/api/vmlab"


def find_access(paths: Paths, url: str = "", token_file: Path | None = None) -> HubAccess:
    """Return the command line's access: what `vmlab up` wrote, or what the caller names.

    Raises:
        HostError: no hub was started here, or a file cannot be read.
        ConfigError: the URL is invalid.
    """
    if url and urlsplit(url).scheme not in {"http", "https"}:
        raise ConfigError(f"--hub {url!r} is not a URL", hint="for instance http://127.0.0.1:8000/")
    known = {} if url and token_file else _read_cli_file(paths.state / "cli.json")
    token = _read_token(token_file) if token_file else known["token"]
    return HubAccess(url or known["url"], token)


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
    """Withdraw a course; return the hub's answer.

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


def _read_cli_file(path: Path) -> dict[str, str]:
    try:
        known = load_json(path.read_bytes())
        return {"url": str(known["url"]), "token": str(known["token"])}
    except FileNotFoundError as e:
        raise HostError(
            f"no hub was started here: {path} does not exist",
            hint="start one with `vmlab up`, or give --hub and --token-file",
        ) from e
    except (OSError, ValueError, KeyError, TypeError) as e:
        raise HostError(
            f"{path} cannot be used: {e}", hint="remove the file and run `vmlab up` again"
        ) from e


def _read_token(path: Path) -> str:
    try:
        token = path.read_text().strip()
    except (OSError, UnicodeDecodeError) as e:
        raise HostError(f"the token file {path} cannot be read: {e}") from e
    if not token or not token.isascii() or not token.isprintable():
        raise ConfigError(f"{path} holds no token", hint="it must hold the token and nothing else")
    return token


def _ask(access: HubAccess, method: str, path: str, **more: Any) -> dict[str, Any]:
    try:
        status, body = asyncio.run(_request(access, method, path, more))
    except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as e:
        raise HostError(
            f"the hub at {access.url} does not answer: {e or type(e).__name__}",
            hint="check with `vmlab status`; `vmlab up` starts it",
        ) from e
    if status == 200 and isinstance(body, dict):
        return body
    message = str(body.get("message", "")) if isinstance(body, dict) else ""
    raise _error(access, status, message)


async def _request(
    access: HubAccess, method: str, path: str, more: dict[str, Any]
) -> tuple[int, Any]:
    headers = {"Authorization": f"token {access.token}", **more.pop("headers", {})}
    async with (
        aiohttp.ClientSession(timeout=_LIMIT) as session,
        session.request(
            method, f"{access.api_url}/{path}", headers=headers, allow_redirects=False, **more
        ) as response,
    ):
        content = await response.read()
        try:
            return response.status, load_json(content)
        except ValueError:
            return response.status, None


def _error(access: HubAccess, status: int, message: str) -> Exception:
    if status in {401, 403}:
        return HostError(
            f"the hub at {access.url} refuses the token: {message or status}",
            hint="the token needs the scope custom:vmlab:courses; `vmlab up` makes such a token",
        )
    if status in {400, 404, 413} and message:
        text, _, hint = message.partition("\n  hint: ")
        return CourseError(text, hint=hint)
    return HostError(
        f"the hub at {access.url} answered {status}{f': {message}' if message else ''}",
        hint="see the hub's log, or check that --hub is the address of a hub with VMLab",
    )
