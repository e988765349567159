"""JupyterLab's files where the home is on the file server: while that is away, only they wait.

Whoever opens, lists or saves a file may wait for the file server, for as long as it is away.
Jupyter's own manager does part of that in the loop that also serves pages, kernels, terminals and
notices. Here all of it is done in the loop of another thread, the lane. Who asked for a file waits,
and is told after a while; nobody else does.

Only a server whose home is there is started with it (`vmlab_guest.server.own_server`).
"""

from __future__ import annotations

import asyncio
import inspect
import os
import re
import threading
import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from jupyter_client.kernelspec import KernelSpecManager
from jupyter_core.paths import jupyter_path
from jupyter_server.base.handlers import APIHandler, AuthenticatedFileHandler
from jupyter_server.services.contents.largefilemanager import AsyncLargeFileManager
from tornado import web
from tornado.httputil import HTTPServerRequest
from tornado.routing import Matcher, Rule
from traitlets import Float, default

from vmlab_guest.language import read_language
from vmlab_guest.shares.words import FILES_WAIT
from vmlab_guest.system import RUN
from vmlab_protocol.notices import Language

_RUN = Path(os.environ.get("VMLAB_ROOT") or "/") / RUN
_TERMINALS = re.compile(r"/api/terminals/?$")

T = TypeVar("T")


class Lane:
    """A thread with a loop in which files are waited for.

    Args:
        answer_s: how long who asks waits, in seconds.
        silent_s: after how long something is said to wait, in seconds.
    """

    def __init__(self, answer_s: float, silent_s: float) -> None:
        self._answer_s = answer_s
        self._silent_s = silent_s
        self._begun: dict[object, float] = {}  # what is not over yet, and since when
        self._loop = asyncio.new_event_loop()
        # Of nobody's concern at the server's end: it may wait for the file server then.
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    @property
    def is_here(self) -> bool:
        """Whether the caller runs in it."""
        return asyncio.get_running_loop() is self._loop

    @property
    def is_waiting(self) -> bool:
        """Whether something has waited for so long that the file server seems to be away."""
        now = time.monotonic()
        return any(now - begun > self._silent_s for begun in list(self._begun.values()))

    async def run(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return what the work in the lane returns; work there may itself ask for more of it.

        Raises:
            HTTPError: 503, it took too long; it goes on, and nobody is told how it ends.
        """
        if self.is_here:
            return await work()
        mark = object()
        self._begun[mark] = time.monotonic()
        begun = asyncio.run_coroutine_threadsafe(self._follow(mark, work), self._loop)
        answer = asyncio.wrap_future(begun)
        done, _ = await asyncio.wait({answer}, timeout=self._answer_s)
        if not done:
            answer.add_done_callback(_forget)
            raise away_error()
        return answer.result()

    async def _follow(self, mark: object, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        try:
            return await work()
        finally:
            del self._begun[mark]

    def close(self) -> None:
        """End the thread; what runs in it has ended."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


def away_error() -> web.HTTPError:
    """Return what JupyterLab tells a trainee whose file has to wait."""
    words = FILES_WAIT.fr if read_language(_RUN) is Language.FR else FILES_WAIT.en
    return web.HTTPError(503, words)


def _forget(answer: asyncio.Future[Any]) -> None:
    """Take note of how it ended: who asked was told that it takes too long."""
    if not answer.cancelled():
        answer.exception()


class WhileAway(Matcher):
    """Matches what would wait in the main loop, while files wait.

    Args:
        lane: where they do.
    """

    def __init__(self, lane: Lane) -> None:
        self._lane = lane

    def match(self, request: HTTPServerRequest) -> dict[str, Any] | None:
        """Return no arguments for a handler; None: it is somebody else's."""
        opens = request.method == "POST" and _TERMINALS.search(request.path)
        return {} if opens and self._lane.is_waiting else None


class AwayHandler(APIHandler):
    """Says that it has to wait."""

    @web.authenticated
    async def post(self) -> None:
        """Say it."""
        raise away_error()


class ServedFile(AuthenticatedFileHandler):
    """A raw file: sent from the main loop, once the lane has seen it."""

    @web.authenticated
    async def get(self, path: str, **more: Any) -> None:  # type: ignore[override]  # as Jupyter's
        """Send it."""
        await self.contents_manager.file_exists(path)  # type: ignore[no-untyped-call]
        sending = super().get(path, **more)
        if sending is not None:
            await sending


class ServedFiles(AsyncLargeFileManager):
    """Jupyter's manager of files, in a lane of its own.

    It is asked for the folder of a kernel, too, before the kernel manager looks into the home.
    """

    answer_s = Float(
        30.0,
        config=True,
        help="Seconds that a request waits for a file. What it began goes on when it can.",
    )
    silent_s = Float(
        5.0,
        config=True,
        help="A file that takes longer keeps terminals from being opened, which wait for the home.",
    )

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.lane = Lane(self.answer_s, self.silent_s)
        self._main: asyncio.AbstractEventLoop | None = None

    @default("files_handler_class")
    def _files_handler_class_default(self) -> type[AuthenticatedFileHandler]:
        return ServedFile

    async def in_lane(self, work: Callable[[], Coroutine[Any, Any, T]]) -> T:
        """Return what the work in the lane returns; raises as `Lane.run`."""
        if not self.lane.is_here:
            self._main = asyncio.get_running_loop()
        return await self.lane.run(work)

    def guard_terminals(self, web_app: Any) -> None:
        """Have a server refuse to open terminals while files wait."""
        web_app.default_router.rules.insert(0, Rule(WhileAway(self.lane), AwayHandler))

    def emit(self, data: Any) -> None:
        """Tell what was done to a file, from the loop in which those are who listen."""
        main = self._main or asyncio.get_running_loop()
        main.call_soon_threadsafe(super().emit, data)


class LocalSpecs(KernelSpecManager):
    """Jupyter's manager of kernel specifications, which looks for them in the main loop.

    Without that of ~/.ipython, where IPython had them long ago.
    """

    def _kernel_dirs_default(self) -> list[str]:
        return jupyter_path("kernels")


def _move_to_lane(name: str) -> None:
    """Have a method of Jupyter's manager run in the lane, whoever calls it."""
    inner = getattr(AsyncLargeFileManager, name)

    async def method(self: ServedFiles, *args: Any, **more: Any) -> Any:
        return await self.in_lane(partial(inner, self, *args, **more))

    setattr(ServedFiles, name, method)


# All of its methods that may wait, in whatever version of it.
for _name, _ in inspect.getmembers(AsyncLargeFileManager, inspect.iscoroutinefunction):
    if not _name.startswith("_"):
        _move_to_lane(_name)
