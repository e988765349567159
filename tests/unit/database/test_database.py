"""VMLab's database, on real SQLite files."""

from __future__ import annotations

import sqlite3
import stat
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from vmlab.database import Database, Receipt, StepReport, StoredCourse, StoredStep, open_database
from vmlab.database.engine import sqlite_url
from vmlab.errors import HostError
from vmlab_protocol.receipts import Obstacle, Reason


@pytest.fixture
def path(tmp_path):
    return tmp_path / "vmlab.sqlite"


@pytest.fixture
def database(path):
    made = Database(sqlite_url(path))
    yield made
    made.close()


def course(version: int, name: str = "first-steps", digest: str = "") -> StoredCourse:
    step = StoredStep("01-who", "Who?", "Qui ?", "user", "Your user", "Votre utilisateur")
    return StoredCourse(name, version, digest or f"d{version}", "First", "Premiers", (step,), 10.0)


def add(database: Database, digest: str, name: str = "first-steps", saved=None) -> tuple:
    return database.courses.add_version(
        lambda version: course(version, name, digest),
        name,
        digest,
        (saved if saved is not None else []).append,
    )


class TestOpening:
    def test_only_the_owner_may_read_it(self, database, path):
        database.record_start("k", {"boot": 1})
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600, file

    def test_one_object_for_one_path(self, path):
        assert open_database(path) is open_database(path)
        assert open_database(path) is open_database(sqlite_url(path))

    def test_opening_again_keeps_everything(self, database, path):
        add(database, "a")
        database.close()
        again = Database(sqlite_url(path))
        assert again.courses.find("first-steps") == course(1, digest="a")
        again.close()

    def test_a_newer_schema_is_refused_by_name(self, database, path):
        database.close()
        with sqlite3.connect(path) as connection:
            connection.execute("UPDATE meta SET value = '7' WHERE key = 'schema'")
        with pytest.raises(HostError, match=r"schema 7; this VMLab knows schema 4") as caught:
            Database(sqlite_url(path))
        assert "newer VMLab" in caught.value.hint

    def test_a_missing_folder_is_named(self, tmp_path):
        with pytest.raises(HostError, match="gone"):
            Database(sqlite_url(tmp_path / "gone" / "x.sqlite"))

    def test_something_else_is_no_database(self, path):
        path.write_bytes(b"not a database at all, but long enough to be looked at " * 20)
        with pytest.raises(HostError, match="cannot be opened"):
            Database(sqlite_url(path))


class TestPhases:
    def test_no_history_no_medians(self, database):
        assert database.phase_medians("qemu/desk") == {}

    def test_median_by_phase_and_key(self, database):
        for seconds in (1.0, 9.0, 2.0):
            database.record_start("qemu/desk", {"boot": seconds})
        database.record_start("qemu/desk", {"server": 4.0})
        database.record_start("fake/desk", {"boot": 100.0})
        assert database.phase_medians("qemu/desk") == {"boot": 2.0, "server": 4.0}

    def test_only_the_last_20_count(self, database):
        for _ in range(20):
            database.record_start("k", {"boot": 1000.0})
        for _ in range(20):
            database.record_start("k", {"boot": 1.0})
        assert database.phase_medians("k") == {"boot": 1.0}

    @pytest.mark.parametrize("seconds", [-1.0, float("nan"), float("inf")])
    def test_impossible_durations_are_refused(self, database, seconds):
        with pytest.raises(ValueError, match="cannot take"):
            database.record_start("k", {"boot": seconds})


class TestCourses:
    def test_the_same_content_makes_no_version(self, database):
        saved: list[int] = []
        assert add(database, "a", saved=saved) == (course(1, digest="a"), False)
        assert add(database, "a", saved=saved) == (course(1, digest="a"), True)
        assert add(database, "b", saved=saved) == (course(2, digest="b"), False)
        assert saved == [1, 2]

    def test_an_older_content_is_a_new_version(self, database):
        add(database, "a")
        add(database, "b")
        newest, unchanged = add(database, "a")
        assert (newest.version, unchanged) == (3, False)

    def test_latest_of_each(self, database):
        add(database, "a")
        add(database, "b")
        add(database, "c", name="other")
        assert [(c.name, c.version) for c in database.courses.latest()] == [
            ("first-steps", 2),
            ("other", 1),
        ]

    def test_find(self, database):
        add(database, "a")
        add(database, "b")
        assert database.courses.find("first-steps").version == 2
        assert database.courses.find("first-steps", 1).digest == "a"
        assert database.courses.find("first-steps", 3) is None
        assert database.courses.find("nothing") is None

    def test_an_archive_that_cannot_be_stored_makes_no_version(self, database):
        def fail(version: int) -> None:
            raise OSError("disk full")

        with pytest.raises(OSError, match="disk full"):
            database.courses.add_version(course, "first-steps", "d1", fail)
        assert database.courses.find("first-steps") is None

    def test_many_at_once_get_different_versions(self, database):
        barrier = threading.Barrier(8)

        def push(number: int) -> int:
            barrier.wait()
            return add(database, f"digest{number}")[0].version

        with ThreadPoolExecutor(8) as pool:
            assert sorted(pool.map(push, range(8))) == list(range(1, 9))

    def test_receipts_newest_of_each_machine(self, database):
        for version, kept in ((1, ()), (2, ("01-who/exercise.ipynb",))):
            database.courses.add_receipt(Receipt("bob", "", "first-steps", version, 5.0, kept))
        database.courses.add_receipt(Receipt("ada", "", "first-steps", 1, 6.0, ()))
        database.courses.add_receipt(Receipt("ada", "", "other", 4, 6.0, ()))
        assert database.courses.receipts("first-steps") == [
            Receipt("ada", "", "first-steps", 1, 6.0, ()),
            Receipt("bob", "", "first-steps", 2, 5.0, ("01-who/exercise.ipynb",)),
        ]

    def test_a_receipt_again_replaces_the_first(self, database):
        database.courses.add_receipt(Receipt("ada", "", "c", 1, 6.0, ("a",)))
        database.courses.add_receipt(Receipt("ada", "", "c", 1, 7.0, ()))
        assert database.courses.receipts("c") == [Receipt("ada", "", "c", 1, 7.0, ())]

    def test_what_was_refused_stands_beside_what_the_machine_has(self, database):
        obstacle = Obstacle("a.md", Reason.NOT_A_FILE, "c/a.v1.md")
        taken = Receipt("ada", "", "c", 1, 6.0, ("b.md",), (obstacle,))
        database.courses.add_receipt(taken)
        database.courses.add_receipt(Receipt("ada", "", "c", 2, 7.0, refused="too odd"))
        database.courses.add_receipt(Receipt("bob", "", "c", 2, 8.0, refused="too odd"))
        assert database.courses.receipts("c") == [
            replace(taken, refused="too odd", refused_version=2),
            Receipt("bob", "", "c", 0, 8.0, refused="too odd", refused_version=2),
        ]
        third = Receipt("ada", "", "c", 3, 9.0)
        database.courses.add_receipt(third)
        assert database.courses.receipts("c")[0] == third, "the refusal is old news"


class TestTakingBack:
    def test_the_next_version_says_so(self, database):
        assert database.courses.remove("first-steps", 9.0, drop_progress=False) is None
        add(database, "a")
        gone = database.courses.remove("first-steps", 9.0, drop_progress=False)
        assert (gone.version, gone.is_removed, gone.steps) == (2, True, ())
        assert database.courses.latest() == [gone]
        again = database.courses.remove("first-steps", 10.0, drop_progress=False)
        assert again == gone, "once is enough"
        back, unchanged = add(database, "a")
        assert (back.version, unchanged) == (3, False)

    @pytest.mark.parametrize(("drop", "left"), [(False, 1), (True, 0)])
    def test_progress_is_kept_or_dropped_of_this_course(self, database, drop, left):
        add(database, "a")
        for name in ("first-steps", "other"):
            database.progress.record(StepReport("ada", "", name, "01-who", "user", True, 5.0))
        database.courses.remove("first-steps", 9.0, drop_progress=drop)
        assert len(database.progress.of_course("first-steps")) == left
        assert len(database.progress.of_course("other")) == 1


class TestProgress:
    def report(self, database, *, passed: bool, at: float, user: str = "ada"):
        database.progress.record(StepReport(user, "", "c", "01-who", "user", passed, at))

    def result(self, database):
        (found,) = database.progress.of_course("c")
        return found

    def test_attempts_until_the_first_pass(self, database):
        self.report(database, passed=False, at=1)
        self.report(database, passed=False, at=2)
        assert (self.result(database).attempts, self.result(database).first_passed) == (2, None)
        self.report(database, passed=True, at=3)
        found = self.result(database)
        assert (found.attempts, found.first_passed, found.last_at) == (3, 3.0, 3.0)

    def test_what_was_passed_stays_passed(self, database):
        self.report(database, passed=True, at=3)
        self.report(database, passed=False, at=9)
        self.report(database, passed=True, at=10)
        found = self.result(database)
        assert (found.attempts, found.first_passed, found.last_at) == (1, 3.0, 10.0)
        assert found.last_passed

    def test_users_do_not_mix(self, database):
        self.report(database, passed=True, at=1, user="ada")
        self.report(database, passed=False, at=2, user="bob")
        assert [(r.user, r.first_passed) for r in database.progress.of_course("c")] == [
            ("ada", 1.0),
            ("bob", None),
        ]
        assert database.progress.of_course("other") == []

    def test_reports_at_the_same_moment_all_count(self, database):
        barrier = threading.Barrier(8)

        def one(number: int) -> None:
            barrier.wait()
            self.report(database, passed=False, at=number)

        with ThreadPoolExecutor(8) as pool:
            list(pool.map(one, range(8)))
        assert self.result(database).attempts == 8

    @pytest.mark.parametrize("name", ["<script>", "Zoë ☃", "a'; DROP TABLE meta; --", "x" * 250])
    def test_any_name_is_only_text(self, database, name):
        self.report(database, passed=True, at=1, user=name)
        assert self.result(database).user == name


class TestLanguages:
    def test_the_last_choice_counts_for_each_user(self, database):
        assert database.languages.all() == {}
        for user, language in (("ada", "fr"), ("bob", "en"), ("ada", "en")):
            database.languages.choose(user, language)
        assert database.languages.all() == {"ada": "en", "bob": "en"}
