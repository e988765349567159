"""Opening a database: connections and transactions."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session

from vmlab.database.schema import ensure_schema
from vmlab.errors import HostError

_WRITE = "vmlab_write"
_BUSY_MS = 10_000
_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class Sessions:
    """Transactions on one database; safe to use from any thread, each with its own session."""

    def __init__(self, engine: Engine) -> None:
        self._read = engine
        self._write = engine.execution_options(**{_WRITE: True})

    @contextmanager
    def read(self) -> Iterator[Session]:
        """Give a session that sees one state of the database."""
        with Session(self._read) as session, session.begin():
            yield session

    @contextmanager
    def write(self) -> Iterator[Session]:
        """Give a session whose changes are committed at the end, or all undone by an exception."""
        with Session(self._write) as session, session.begin():
            yield session


def open_engine(url: str) -> Engine:
    """Connect and make sure that the tables are there; a database of an older VMLab is upgraded.

    Args:
        url: as SQLAlchemy takes it, for instance `sqlite:////var/lib/vmlab/vmlab.sqlite`.

    Raises:
        HostError: it cannot be opened, or was written by a newer VMLab.
    """
    engine = create_engine(url)
    try:
        if engine.dialect.name == "sqlite":
            _prepare_sqlite(engine)
        with engine.execution_options(**{_WRITE: True}).begin() as connection:
            ensure_schema(connection)
    except (SQLAlchemyError, OSError) as e:
        shown = engine.url.render_as_string(hide_password=True)
        raise HostError(f"the database {shown} cannot be opened: {e}", hint=_hint(e)) from e
    return engine


def sqlite_url(path: Path) -> str:
    """Return the URL of a database file."""
    return f"sqlite:///{path}"


def _prepare_sqlite(engine: Engine) -> None:
    """Use WAL, and take the write lock at the begin of a transaction that will write."""
    if engine.url.database:
        # Its owner's alone before it has content; -wal and -shm take the mode over.
        os.close(os.open(engine.url.database, os.O_RDWR | os.O_CREAT, 0o600))

    @event.listens_for(engine, "connect")
    def _connected(connection: Any, _record: Any) -> None:
        # ref: https://docs.sqlalchemy.org/en/20/dialects/sqlite.html#pysqlite-serializable
        # Python's driver would otherwise begin transactions by itself, and too late.
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout = {_BUSY_MS}",
            "journal_mode = WAL",
            "synchronous = NORMAL",
            "foreign_keys = ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A transaction that reads first and then writes fails at once, without waiting, if
        # another one wrote in between; IMMEDIATE makes it wait at the begin instead.
        write = connection.get_execution_options().get(_WRITE, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def _hint(error: Exception) -> str:
    """Return what to do about a database that cannot be opened."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    # The low byte is the kind of error, what is above it tells more.
    if getattr(cause, "sqlite_errorcode", 0) & 0xFF in _DAMAGED:
        return (
            "the file is damaged: stop the lab and put the file back from a backup of the state "
            "folder, without the -wal and -shm beside it"
        )
    return "check that its folder exists, is writable and has room"
