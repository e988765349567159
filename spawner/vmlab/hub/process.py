"""The hub's process as `vmlab up` sees it: started, watched, stopped."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Generator, Mapping
from types import FrameType, TracebackType
from typing import IO, Self

from vmlab.errors import HostError
from vmlab.hub.lock import HubLock
from vmlab.hub.log_file import tidy
from vmlab.hub.sessions import ask_status, open_session, pauses
from vmlab.paths import Paths

_UP_LIMIT_S = 120
_ANSWER_LIMIT_S = 5
_STOP_LIMIT_S = 30
_ASK_AGAIN_S = 0.1
_LAST_LINES = 20
_OK = 200

# Nothing secret is sent either way, and the certificate is not for the loopback's name.
_ANY_NAME = ssl.create_default_context()
_ANY_NAME.check_hostname = False
_ANY_NAME.verify_mode = ssl.CERT_NONE


class StopRequestedError(KeyboardInterrupt):
    """Somebody pressed Ctrl-C, closed the terminal, or asked with SIGTERM.

    Of this kind because asyncio drops any other that is raised while it runs a callback.
    """


@contextlib.contextmanager
def stop_on_signals() -> Generator[None]:
    """Turn SIGINT, SIGTERM and SIGHUP into StopRequestedError; further ones are ignored."""

    def request(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - signal's contract
        for each in signals:
            signal.signal(each, signal.SIG_IGN)  # cleaning up is not to be cut
        raise StopRequestedError

    signals = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {each: signal.signal(each, request) for each in signals}
    try:
        yield
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)


class HubProcess:
    """JupyterHub in a process group of its own, so that Ctrl-C reaches `vmlab up` alone.

    A context manager: leaving it stops the hub, and with it the proxy, and waits for both.
    """

    def __init__(
        self, command: list[str], environment: Mapping[str, str], paths: Paths, lock: HubLock
    ) -> None:
        """Start the hub; its output goes to hub.log in the state folder.

        Raises:
            HostError: it cannot be started, or the log cannot be written.
        """
        self.log = paths.hub_log
        self.show_log = False
        try:
            tidy(self.log)
            descriptor = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            self._log_start = self.log.stat().st_size
            with os.fdopen(descriptor, "wb") as log:
                self._process = subprocess.Popen(
                    command,
                    cwd=paths.state,  # nothing of the hub's may land in somebody's folder
                    # The operator's own program: what they export is for it, and goes no further
                    # (vmlab.system.environment).
                    env={**os.environ, **environment},
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=[lock.descriptor],
                )
        except OSError as e:
            raise HostError(f"the hub cannot be started: {e}") from e

    @property
    def pid(self) -> int:
        """The hub's process id."""
        return self._process.pid

    def wait_until_up(self, url: str) -> None:
        """Return when the hub answers through its proxy.

        Raises:
            HostError: it ended or does not answer; carries the last lines of its log.
        """
        if self.show_log:
            threading.Thread(target=self._copy_log, args=(sys.stderr,), daemon=True).start()
        asyncio.run(self.until_up(url))

    async def until_up(self, url: str) -> None:
        """As `wait_until_up`, where an event loop runs."""
        async with open_session(limit_s=_ANSWER_LIMIT_S, tls=_ANY_NAME) as session:
            for pause_s in pauses(_UP_LIMIT_S, _ASK_AGAIN_S):
                if await ask_status(session, f"{url}hub/health", follow=True) == _OK:
                    return
                if self._process.poll() is not None:
                    raise self._ended()
                await asyncio.sleep(pause_s)
        raise HostError(
            f"the hub does not answer at {url} after {_UP_LIMIT_S} s", hint=self._last_words()
        )

    def wait(self) -> None:
        """Never return: the hub should not end by itself.

        Raises:
            HostError: it ended.
        """
        self._process.wait()
        raise self._ended()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(_STOP_LIMIT_S)
            except subprocess.TimeoutExpired:
                # The proxy is in the hub's process group.
                os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait()

    def _ended(self) -> HostError:
        return HostError(
            f"the hub ended with status {self._process.returncode}", hint=self._last_words()
        )

    def _last_words(self) -> str:
        with self.log.open("rb") as file:
            if self._log_start <= self.log.stat().st_size:  # else it was emptied since
                file.seek(self._log_start)
            lines = file.read().decode(errors="replace").splitlines()[-_LAST_LINES:]
        return "\n".join([f"the end of {self.log}:", *(f"  {line}" for line in lines)])

    def _copy_log(self, target: IO[str]) -> None:
        with self.log.open("rb") as file:
            file.seek(self._log_start)
            while self._process.poll() is None:
                if file.tell() > self.log.stat().st_size:  # emptied meanwhile
                    file.seek(0)
                target.write(file.read().decode(errors="replace"))
                target.flush()
                time.sleep(_ASK_AGAIN_S)
