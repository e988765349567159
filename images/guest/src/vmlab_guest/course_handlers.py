"""The course in JupyterLab: what the hub knows of it, and which of its files have arrived.

    GET vmlab/courses   the hub's `own/courses`, with a path for each notebook that is there

docs/protocols.md, section 8. Asked with the rights of the trainee, in a thread.
"""

from __future__ import annotations

import asyncio
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import APIHandler
from tornado import web

from vmlab_guest.courses.record import read_record
from vmlab_guest.hub import Hub, HubError
from vmlab_protocol.courses import is_course_name
from vmlab_protocol.machine import HOME
from vmlab_protocol.paths import path_problem

_ROOT = Path(os.environ.get("VMLAB_ROOT") or "/")  # elsewhere for tests
_ANSWER_S = 15.0
_MOST = 50
_NOTEBOOK = "exercise.ipynb"
_readers = ThreadPoolExecutor(1, thread_name_prefix="vmlab-courses")
"""Looks into the home, which may be on a file server that is away: no other call needs its
thread."""


class CoursesHandler(APIHandler):
    """The trainee's courses."""

    @web.authenticated
    async def get(self) -> None:
        """Answer them; 502 when the hub does not."""
        try:
            loop = asyncio.get_running_loop()
            self.finish(json.dumps(await loop.run_in_executor(_readers, _read_courses)))
        except HubError as error:
            self.set_status(502)
            self.finish(json.dumps({"status": 502, "message": str(error)}))


COURSE_HANDLERS: tuple[tuple[str, type[APIHandler]], ...] = (("courses", CoursesHandler),)
"""By what follows the prefix of VMLab's handlers."""


def _read_courses() -> dict[str, Any]:
    hub = Hub.from_env(os.environ)
    if hub is None:
        raise HubError("this server knows no hub")
    return locate_notebooks(hub.get_json("own/courses", _ANSWER_S), _ROOT / HOME.lstrip("/"))


def locate_notebooks(answer: object, home: Path) -> dict[str, Any]:
    """Return the hub's answer with `delivered` for courses and `notebook` for exercises.

    `delivered`: a version of the course has been brought into this home. `notebook`: the path of
    the exercise's notebook within the home; empty while there is none.

    Raises:
        HubError: the answer breaks its format.
    """
    record = read_record(home)
    try:
        outline: dict[str, Any] = {"courses": [], "current": answer["current"]}  # type: ignore[index]
        for course in answer["courses"][:_MOST]:  # type: ignore[index]
            name = course["name"]
            if not is_course_name(name):
                raise ValueError(f"{name!r} is not a name of a course")
            exercises = [
                {**exercise, "notebook": _find_notebook(home, name, exercise["folder"])}
                for exercise in course["exercises"]
            ]
            row = {**course, "exercises": exercises, "delivered": name in record}
            outline["courses"].append(row)
    except (TypeError, KeyError, ValueError) as error:
        raise HubError(f"the hub's courses break their format: {str(error)[:100]!r}") from error
    return outline


def _find_notebook(home: Path, course: str, folder: object) -> str:
    if not isinstance(folder, str) or path_problem(folder):
        raise ValueError(f"{folder!r} is not a folder of an exercise")
    path = f"{course}/{folder}/{_NOTEBOOK}"
    return path if (home / path).is_file() else ""
