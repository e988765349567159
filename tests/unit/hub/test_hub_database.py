"""The hub's database on SQLite."""

from __future__ import annotations

import sqlite3

from sqlalchemy import create_engine, text

from vmlab.hub.database import WalConnection, carry_over, make_db_settings


def test_commits_do_not_wait_for_the_disk(tmp_path):
    settings = make_db_settings(tmp_path / "hub.sqlite")
    engine = create_engine(settings["db_url"], **settings["db_kwargs"])
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 1
        assert connection.execute(text("PRAGMA wal_autocheckpoint")).scalar() == 0
    engine.dispose()


def test_the_log_is_carried_over_while_the_hub_has_the_database_open(tmp_path):
    file = tmp_path / "hub.sqlite"
    hub = sqlite3.connect(file, factory=WalConnection)
    hub.execute("CREATE TABLE t (x)")
    hub.executemany("INSERT INTO t VALUES (?)", [("x" * 1000,)] * 1000)
    hub.commit()
    before = file.stat().st_size
    carry_over(file)
    assert file.stat().st_size > before + 1_000_000
    assert hub.execute("SELECT count(*) FROM t").fetchone() == (1000,)
    hub.close()
