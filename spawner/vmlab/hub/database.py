"""The hub's own database on SQLite: commits that do not wait for the disk.

JupyterHub commits about ten times for each start, on its event loop. In SQLite's stock mode each
of them waits for the disk several times, and the whole hub with it. Here they only append to the
write-ahead log; the checkpoint, which waits for the disk, is made by another thread.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any


class WalConnection(sqlite3.Connection):
    """A connection that appends to a log and leaves writing it to the disk to the system.

    A hub that is killed loses nothing. A host that loses power may lose the last seconds, never
    the database's consistency (https://sqlite.org/wal.html), and it loses its machines as well.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.execute("PRAGMA journal_mode = WAL")
        self.execute("PRAGMA synchronous = NORMAL")
        self.execute("PRAGMA wal_autocheckpoint = 0")


def carry_over(file: Path) -> None:
    """Checkpoint the write-ahead log into the database; waits for the disk, never for writers.

    Raises:
        sqlite3.Error: the database cannot be opened or written.
    """
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)")


def make_db_settings(file: Path) -> dict[str, Any]:
    """Return the hub's `db_url` and `db_kwargs`."""
    return {
        "db_url": f"sqlite:///{file}",
        "db_kwargs": {
            # The first one is what JupyterHub sets when there are no arguments of ours.
            "connect_args": {"check_same_thread": False, "factory": WalConnection}
        },
    }
