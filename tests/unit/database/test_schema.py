"""Databases of earlier VMLabs, written by them, are upgraded in place and lose nothing."""

from __future__ import annotations

import io
import shutil
import sqlite3
import subprocess
import sys
from argparse import Namespace
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Engine, create_engine, event

from vmlab.database import Database
from vmlab.database.engine import open_engine, sqlite_url
from vmlab.database.schema import MIGRATIONS
from vmlab.database.tables import SCHEMA_VERSION, Base, RevisionRow
from vmlab.errors import HostError
from vmlab.model import Volume

EARLIER = Path(__file__).parent / "earlier"
SCHEMAS = [1, 2, 3, 4]
BOOKKEEPING = {"meta", RevisionRow.__tablename__}

Rows = dict[str, list[dict[str, object]]]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "vmlab.sqlite"


def make_earlier(path: Path, schema: int) -> Rows:
    """Put the database of an earlier VMLab there; return its rows."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript((EARLIER / f"schema_{schema}.sql").read_text(encoding="utf-8"))
    return read_rows(path)


def read_rows(path: Path) -> Rows:
    """Return all rows of all tables as SQLite itself sees them, without VMLab's bookkeeping."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        return {
            name: [dict(row) for row in connection.execute(f'SELECT * FROM "{name}"')]
            for (name,) in names
            if name not in BOOKKEEPING
        }


def schema_of(path: Path) -> tuple[list[tuple], list[tuple]]:
    """Return what the database says of itself: to VMLabs without alembic, and to alembic."""
    with closing(sqlite3.connect(path)) as connection:
        return (
            connection.execute("SELECT value FROM meta WHERE key = 'schema'").fetchall(),
            connection.execute("SELECT version_num FROM vmlab_revision").fetchall(),
        )


def assert_nothing_lost(path: Path, before: Rows) -> None:
    after = read_rows(path)
    assert set(after) == {*Base.metadata.tables} - BOOKKEEPING
    for table, rows in before.items():
        added = {"obstacles": "[]", "refused": ""} if table == "receipt" else {}
        assert after[table] == [added | row for row in rows], table
    for table in set(after) - set(before):
        assert after[table] == [], table


@contextmanager
def before_each_statement(do) -> Iterator[None]:
    """Call `do(number)` before every statement of any engine, and before each commit."""
    counted = iter(range(1_000_000))

    def _statement(*_: object) -> None:
        do(next(counted))

    event.listen(Engine, "before_cursor_execute", _statement)
    event.listen(Engine, "commit", _statement)
    try:
        yield
    finally:
        event.remove(Engine, "before_cursor_execute", _statement)
        event.remove(Engine, "commit", _statement)


class TestEarlier:
    @pytest.mark.parametrize("schema", SCHEMAS)
    def test_upgraded_in_place_and_opened_twice(self, path, schema):
        before = make_earlier(path, schema)
        assert all(before.values()), "an earlier database has rows in every table"
        for _ in range(2):
            Database(sqlite_url(path)).close()
            assert_nothing_lost(path, before)
            assert schema_of(path) == ([(str(SCHEMA_VERSION),)], [(str(SCHEMA_VERSION),)])

    @pytest.mark.parametrize("schema", SCHEMAS)
    def test_of_use_afterwards(self, path, schema):
        make_earlier(path, schema)
        database = Database(sqlite_url(path))
        newest = database.courses.find("first-steps")
        assert (newest.version, newest.title_fr) == (2, "Premiers pas — d'abord")
        receipts = database.courses.receipts("first-steps")
        kept = {(receipt.user, receipt.server): receipt.kept for receipt in receipts}
        assert len(kept["ada", ""]) == 600
        assert kept["Zoë ☃", ""] == ("01-qui/Zoë ☃.ipynb",)
        assert len(database.progress.of_course("first-steps")) == 10
        assert database.phase_medians("qemu/desk") == {"boot": 12.5, "server": 0.1}
        database.volumes.add(Volume("home-new"))
        database.languages.choose("ada", "en")
        assert database.languages.all()["ada"] == "en"
        database.close()

    def test_addresses_stay_with_those_who_have_them(self, path):
        make_earlier(path, 4)
        numbers = Database(sqlite_url(path)).numbers
        before = numbers.all()
        assert (before["ada"], before["Zoë ☃"]) == (1, 7)
        # The place in the list of accounts is somebody's already: no address changes hands.
        assert numbers.ensure("bob", ("bob", "ada"), 254) not in before.values()
        assert {user: numbers.all()[user] for user in before} == before

    def test_many_open_it_at_once_and_one_upgrades_it(self, path):
        before = make_earlier(path, 1)
        with ThreadPoolExecutor(4) as pool:
            for database in pool.map(Database, [sqlite_url(path)] * 4):
                database.close()
        assert_nothing_lost(path, before)

    @pytest.mark.parametrize("schema", SCHEMAS)
    def test_killed_before_any_statement(self, path, tmp_path, schema):
        """What the disk has before a statement is what a process that is killed there leaves."""
        before = make_earlier(path, schema)
        left = []

        def keep(number: int) -> None:
            folder = tmp_path / f"killed-{number}"
            folder.mkdir()
            for file in path.parent.glob(f"{path.name}*"):
                if not file.name.endswith("-shm"):  # of the living only
                    shutil.copy(file, folder)
            left.append(folder / path.name)

        with before_each_statement(keep):
            Database(sqlite_url(path)).close()
        assert len(left) > 5
        for killed in left:
            Database(sqlite_url(killed)).close()
            assert_nothing_lost(killed, before)

    def test_a_fault_at_any_statement_changes_nothing(self, path):
        before = make_earlier(path, 1)
        at = 0
        while _fails_at(path, at):
            assert read_rows(path) == before, at
            at += 1
        assert at > 20
        assert_nothing_lost(path, before)


def _fails_at(path: Path, number: int) -> bool:
    """Open the database while this statement fails; False if there are fewer."""

    def fail(at: int) -> None:
        if at == number:
            raise OSError("the disk is gone")

    with before_each_statement(fail):
        try:
            open_engine(sqlite_url(path)).dispose()
        except HostError as error:
            return "the disk is gone" in error.message
    return False


class TestRefused:
    @pytest.mark.parametrize("table", ["meta", "vmlab_revision"])
    @pytest.mark.parametrize("schema", ["6", "0", "", "0003", "9" * 5000, "a1b2c3"])
    def test_another_schema_and_untouched(self, path, table, schema):
        Database(sqlite_url(path)).close()
        column = {"meta": "value", "vmlab_revision": "version_num"}[table]
        with closing(sqlite3.connect(path)) as connection:
            connection.execute(f"UPDATE {table} SET {column} = ?", [schema])
            connection.commit()
        before = read_rows(path)
        with pytest.raises(HostError, match=f"has schema {schema};") as caught:
            Database(sqlite_url(path))
        assert "install that version" in caught.value.hint
        assert read_rows(path) == before

    @pytest.mark.parametrize("cut", [1000, 5000, 9000])
    def test_a_damaged_file_is_told_from_a_full_disk(self, path, cut):
        make_earlier(path, 1)
        content = path.read_bytes()
        path.write_bytes(content[:100] + b"\xff" * cut + content[100 + cut :])
        with pytest.raises(HostError, match="cannot be opened") as caught:
            Database(sqlite_url(path))
        assert "from a backup" in caught.value.hint
        assert path.read_bytes()[100 : 100 + cut] == b"\xff" * cut, "nothing was repaired behind it"

    def test_a_missing_folder_is_no_damage(self, tmp_path):
        with pytest.raises(HostError) as caught:
            Database(sqlite_url(tmp_path / "gone" / "x.sqlite"))
        assert "check that its folder exists" in caught.value.hint


class TestSteps:
    def test_the_newest_step_is_the_schema_of_the_tables(self):
        steps = ScriptDirectory(MIGRATIONS)
        found = [(step.revision, step.down_revision) for step in steps.walk_revisions()]
        numbers = range(SCHEMA_VERSION, 0, -1)
        assert found == [(str(n), str(n - 1) if n > 1 else None) for n in numbers]

    @pytest.mark.parametrize("schema", SCHEMAS)
    def test_an_upgraded_database_has_the_tables_of_a_new_one(self, path, schema):
        make_earlier(path, schema)
        Database(sqlite_url(path)).close()
        assert _differences(path) == []

    def test_all_steps_make_the_tables_of_a_new_one(self, path):
        """As SQL, so that is what an operator gets, too."""
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(_as_sql("sqlite", "head"))
        assert _differences(path) == []
        assert schema_of(path) == ([(str(SCHEMA_VERSION),)], [(str(SCHEMA_VERSION),)])

    @pytest.mark.parametrize("begin", ["", "1:", "2:"])
    def test_postgresql_takes_them(self, begin):
        sql = _as_sql("postgresql", f"{begin}head")
        assert "ALTER TABLE receipt ADD COLUMN obstacles JSON DEFAULT '[]' NOT NULL" in sql
        assert ("CREATE TABLE step_result" in sql) == (not begin)
        assert "INSERT INTO meta (key, value) VALUES ('schema', '5')" in sql
        assert "vmlab_revision" in sql
        assert "alembic_version" not in sql, "that is JupyterHub's"

    def test_the_hubs_alembic_is_left_alone(self, path):
        """One database for both, as on a server: JupyterHub's revision stays JupyterHub's."""
        make_earlier(path, 1)
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
            connection.execute("INSERT INTO alembic_version VALUES ('4621fec11365')")
            connection.commit()
        Database(sqlite_url(path)).close()
        assert read_rows(path)["alembic_version"] == [{"version_num": "4621fec11365"}]

    def test_only_an_upgrade_imports_alembic(self, path):
        Database(sqlite_url(path)).close()
        code = (
            "import sys; from vmlab.database import Database\n"
            "for url in sys.argv[1:]: Database(url).close()\n"
            "print([module for module in sys.modules if module.startswith('alembic')])"
        )
        urls = [sqlite_url(path), sqlite_url(path.with_name("new.sqlite"))]
        run = [sys.executable, "-c", code, *urls]
        assert subprocess.run(run, check=True, capture_output=True, text=True).stdout == "[]\n"


def _differences(path: Path) -> list[object]:
    engine = create_engine(sqlite_url(path))
    with engine.connect() as connection:
        settings = {"version_table": RevisionRow.__tablename__}
        context = MigrationContext.configure(connection, opts=settings)
        found = compare_metadata(context, Base.metadata)
    engine.dispose()
    return found


def _as_sql(dialect: str, steps: str) -> str:
    """Return the steps as SQL, as `alembic -x dialect=... upgrade --sql` prints them."""
    out = io.StringIO()
    options = Namespace(x=[f"dialect={dialect}"])
    config = Config(MIGRATIONS / "alembic.ini", output_buffer=out, cmd_opts=options)
    command.upgrade(config, steps, sql=True)
    return out.getvalue()
