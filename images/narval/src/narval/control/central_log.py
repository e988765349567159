"""The central log: takes lines from everybody, keeps them with the run, and answers questions.

Lines are appended to `central_log.jsonl` of the acquisition's folder, and to `log.jsonl` in the
folder of the run that their sub-system is in.
"""

from __future__ import annotations

import json
import logging
import os
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from narval.config import Address, reachable_host
from narval.control.log_record import LogFilter, LogRecord, read_level, read_record
from narval.control.naming import Entry, Kind
from narval.control.peer import Peer
from narval.control.registration import Registration
from narval.control.server import Server, serve
from narval.control.wire import MAX_LINE_BYTES
from narval.errors import NarvalError
from narval.runs import LOG_FILE
from narval.topology.model import LogLevel

NAME = "central_log"
FILE = "central_log.jsonl"
MAX_FILE_BYTES = 64 * 2**20
"""At this size the file is renamed to end with `.old`, in place of the one before."""
_MAX_REMEMBERED = 20_000
_MAX_ANSWERED_BYTES = MAX_LINE_BYTES // 2

logger = logging.getLogger(__name__)


class CentralLog:
    """The log. Made by `serve_log`."""

    def __init__(self, folder: Path, least: LogLevel) -> None:
        self.server: Server
        self._registration: Registration | None = None
        self._file = folder / FILE
        self._least = LogFilter(level=least)
        self._runs: dict[str, Path] = {}
        self._records: deque[LogRecord] = deque(maxlen=_MAX_REMEMBERED)
        self._said = ""

    def greet(self, peer: Peer) -> None:
        """Let a client log and ask."""
        peer.handlers = {"log": self._take, "query": self._query, "run": self._set_run}

    async def register(
        self, naming: Address, secret: str, name: str, *, wait_s: float = 0.0
    ) -> None:
        """Have the naming service tell others where we are; raises as `Registration.begin`."""
        host = reachable_host(self.server.host)
        entry = Entry(name, Kind.CENTRAL_LOG, host, self.server.port, os.getpid())
        self._registration = Registration(naming, secret, entry)
        await self._registration.begin(wait_s)

    def close(self) -> None:
        """Stop; again: no change."""
        if self._registration is not None:
            self._registration.close()
        self.server.close()

    async def _take(self, records: Sequence[dict[str, Any]]) -> None:
        taken = [record for record in map(read_record, records) if self._least.has(record)]
        self._records.extend(taken)
        by_file: dict[Path, list[LogRecord]] = {}
        for record in taken:
            by_file.setdefault(self._file, []).append(record)
            if record.sub_system in self._runs:
                by_file.setdefault(self._runs[record.sub_system], []).append(record)
        for file, lines in by_file.items():
            self._append(file, lines)

    async def _set_run(self, sub_system: str, folder: str | None) -> None:
        """Keep the lines of a sub-system with this run from now on.

        Raises:
            NarvalError: no folder can be called so.
        """
        if folder is not None and "\0" in folder:
            raise NarvalError(f"{folder[:60]!r} is not a folder")
        if folder is None:
            self._runs.pop(sub_system, None)
        else:
            self._runs[sub_system] = Path(folder) / LOG_FILE

    async def _query(
        self,
        sub_system: str | None = None,
        actor: str | None = None,
        level: str = LogLevel.DEBUG,
        last: int = 100,
    ) -> list[dict[str, Any]]:
        """Return the last records that fit, oldest first; fewer if they fill half a message."""
        wanted = LogFilter(sub_system, actor, read_level(level))
        found: list[dict[str, Any]] = []
        size = 0
        for record in reversed(self._records):
            if len(found) >= last or size > _MAX_ANSWERED_BYTES:
                break
            if wanted.has(record):
                found.append(asdict(record))
                size += len(json.dumps(found[-1]))
        return found[::-1]

    def _append(self, file: Path, records: Sequence[LogRecord]) -> None:
        try:
            if file == self._file and file.exists() and file.stat().st_size > MAX_FILE_BYTES:
                file.replace(file.with_suffix(".jsonl.old"))
            with file.open("a", encoding="utf-8") as out:
                out.writelines(json.dumps(asdict(record)) + "\n" for record in records)
            self._said = ""
        except OSError as error:
            text = f"{file}: {error.strerror}; lines are kept in memory only"
            if text != self._said:
                logger.error("%s", text)
                self._said = text


async def serve_log(at: Address, secret: str, folder: Path, least: LogLevel) -> CentralLog:
    """Run the central log until it is closed.

    Args:
        folder: the acquisition's; the log's file is in it.
        least: less serious lines are dropped.

    Raises:
        PortError: the port cannot be listened on.
    """
    log = CentralLog(folder, least)
    log.server = await serve(at.host, at.port, secret, log.greet)
    return log
