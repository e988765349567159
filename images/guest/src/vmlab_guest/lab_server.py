"""VMLab's handlers in the single-user server: notices, language, keeping the lab, the home.

Below the user's prefix, for whoever may use the server (docs/protocols.md, 8). Enabled by
jupyter-config/vmlab.json; labextension/ is what asks.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from jupyter_server.base.handlers import APIHandler, JupyterHandler
from jupyter_server.utils import url_path_join
from tornado import iostream, web

from vmlab_guest.activity import KEEP
from vmlab_guest.course_handlers import COURSE_HANDLERS
from vmlab_guest.cover import cover_page
from vmlab_guest.lab_language import LanguageHandler, follow_language
from vmlab_guest.language import read_language
from vmlab_guest.snapshot_handlers import SNAPSHOT_HANDLERS
from vmlab_guest.takehome import write_archive
from vmlab_protocol.machine import HOME
from vmlab_protocol.outside import load_json

_ROOT = Path(os.environ.get("VMLAB_ROOT") or "/")  # elsewhere for tests
_RUN = _ROOT / "run/vmlab"
_MAX_BYTES = 256 * 1024
_ID = re.compile(r"[0-9a-f]{1,64}")
_QUEUED = 8  # pieces of the archive that wait for the browser
_STALL_S = 60.0  # the longest that a browser may take for one
_AT_ONCE = 2
_packers = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="vmlab-home")
"""Threads for making archives only: a browser that reads slowly does not delay other calls for a
thread."""


class NoticesHandler(APIHandler):
    """What the machine has to say."""

    @web.authenticated
    async def get(self) -> None:
        """Answer language, time of the announced stop (or 0), and notices."""
        self.finish(json.dumps(await asyncio.to_thread(read_news, _RUN)))


class SeenHandler(APIHandler):
    """A notice that was read."""

    @web.authenticated
    async def post(self, notice: str) -> None:
        """Note that it was seen, as terminals do."""
        (_RUN / "notices-seen" / notice).touch()
        self.finish("{}")


class KeepHandler(APIHandler):
    """Somebody is there."""

    @web.authenticated
    async def post(self) -> None:
        """Note it for the agent."""
        (_ROOT / KEEP.lstrip("/")).touch()
        self.finish("{}")


class HomeHandler(JupyterHandler):
    """The home folder as an archive."""

    _under_way = 0  # of all handlers

    @web.authenticated
    async def get(self) -> None:
        """Send it while it is made."""
        if HomeHandler._under_way >= _AT_ONCE:
            raise web.HTTPError(
                429, "Your home is already being downloaded. Wait until that is done."
            )
        HomeHandler._under_way += 1
        try:
            await self._send()
        finally:
            HomeHandler._under_way -= 1

    async def _send(self) -> None:
        name = f"{self.current_user.username}-home"
        self.set_header("Content-Type", "application/gzip")
        self.set_header(
            "Content-Disposition", f"attachment; filename*=UTF-8''{_quote(name)}.tar.gz"
        )
        self.set_header("X-Accel-Buffering", "no")
        pieces: asyncio.Queue[bytes | None] = asyncio.Queue(_QUEUED)
        gone = threading.Event()
        write = _make_writer(asyncio.get_running_loop(), pieces, gone)

        def work() -> list[str]:
            try:
                return write_archive(_ROOT / HOME.lstrip("/"), name, write)
            finally:
                if not gone.is_set():
                    write(None)

        making = asyncio.get_running_loop().run_in_executor(_packers, work)
        try:
            while (piece := await pieces.get()) is not None:
                self.write(piece)
                async with asyncio.timeout(_STALL_S):
                    await self.flush()
            for problem in await making:
                self.log.warning("not in the archive: %s", problem)
        except iostream.StreamClosedError:
            pass  # the browser went away
        except TimeoutError:
            self.log.warning("download of the home cut off: nobody read for %.0f s", _STALL_S)
            _hang_up(self)
        finally:
            gone.set()
            while not pieces.empty():  # lets the thread see it
                pieces.get_nowait()
            making.add_done_callback(_forget)


def _make_writer(
    loop: asyncio.AbstractEventLoop, pieces: asyncio.Queue[bytes | None], gone: threading.Event
) -> Callable[[bytes | None], None]:
    def write(piece: bytes | None) -> None:
        if gone.is_set():
            raise BrokenPipeError("the browser went away")
        asyncio.run_coroutine_threadsafe(pieces.put(piece), loop).result()

    return write


def _hang_up(handler: Any) -> None:
    """Close the connection: half an archive must not look like a whole one."""
    handler.request.connection.stream.close()


def _forget(task: asyncio.Future[list[str]]) -> None:
    """Take note of how it ended; a browser that went away is not an error."""
    if not task.cancelled():
        task.exception()


def _quote(name: str) -> str:
    from urllib.parse import quote  # noqa: PLC0415 - once in a while

    return quote(name, safe="")


def read_news(run: Path) -> dict[str, Any]:
    """Return what is to be told now; what cannot be read is nothing to tell."""
    table = _read_json(run / "notices.json", [])
    seen = run / "notices-seen"
    rows = [
        {**row, "seen": (seen / row["id"]).exists()}
        for row in (table if isinstance(table, list) else [])
        if _is_notice(row)
    ]
    warning = _read_json(run / "warning.json", {})
    stop_at = warning.get("stop_at", 0) if isinstance(warning, dict) else 0
    if type(stop_at) not in {int, float}:
        stop_at = 0
    return {"language": read_language(run), "stop_at": stop_at, "notices": rows}


def _is_notice(row: object) -> bool:
    return (
        isinstance(row, dict)
        and set(row) == {"id", "en", "fr"}
        and all(isinstance(text, str) for text in row.values())
        and _ID.fullmatch(row["id"]) is not None
    )


def _read_json(path: Path, default: Any) -> Any:
    try:
        with path.open(encoding="utf-8") as stream:
            return load_json(stream.read(_MAX_BYTES))
    except (OSError, ValueError):
        return default


def _jupyter_server_extension_points() -> list[dict[str, str]]:
    return [{"module": "vmlab_guest.lab_server"}]


def _load_jupyter_server_extension(app: Any) -> None:
    follow_language(app)

    def at(pattern: str) -> str:
        return str(url_path_join(app.web_app.settings["base_url"], "vmlab", pattern))

    app.web_app.add_handlers(
        ".*$",
        [
            (at("notices"), NoticesHandler),
            (at(rf"notices/({_ID.pattern})/seen"), SeenHandler),
            (at("keep"), KeepHandler),
            (at("language"), LanguageHandler),
            (at(r"home\.tar\.gz"), HomeHandler),
            *(
                (at(pattern), handler)
                for pattern, handler in (*SNAPSHOT_HANDLERS, *COURSE_HANDLERS)
            ),
        ],
    )
    guard = getattr(app.contents_manager, "guard_terminals", None)  # of `served_files`
    if guard is not None:
        guard(app.web_app)
    pages = app.web_app.settings.get("lab_jinja2_env")
    if pages is None:  # started without JupyterLab, for instance as `jupyter server`
        app.log.info("vmlab: no JupyterLab here, so nothing to put before it")
    else:
        cover_page(pages, lambda: read_language(_RUN))
