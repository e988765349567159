"""Publishing, listing and waking those who wait."""

from __future__ import annotations

import asyncio
import errno
import stat

import pytest

from fakes.courses import COURSE_TOML, make_files
from vmlab.courses import CourseStore, pack_course, unpack_course
from vmlab.courses import store as module
from vmlab.database import Database
from vmlab.database.engine import sqlite_url
from vmlab.errors import ConfigError, CourseError


@pytest.fixture
def store(tmp_path):
    database = Database(sqlite_url(tmp_path / "db.sqlite"))
    yield CourseStore(database, tmp_path / "courses", clock=lambda: 1000.0)
    database.close()


def archive(text: str = "v1") -> bytes:
    return pack_course(make_files({"01-who/text.md": text.encode()})).data


async def until_waiting(store: CourseStore) -> None:
    async with asyncio.timeout(60):
        while not store._waiters:  # noqa: ASYNC110 - there is no event for "somebody waits"
            await asyncio.sleep(0)


class TestPublishing:
    def test_first_version(self, store):
        published = store.publish(archive(), "first-steps")
        assert (published.course.version, published.unchanged) == (1, False)
        assert published.course.published == 1000.0
        assert [s.key for s in published.course.steps] == ["01-who/user", "01-who/home-disk"]
        assert published.course.steps[0].exercise_fr == "Qui suis-je ?"

    def test_the_archive_has_the_digest_that_the_listing_names(self, store):
        course = store.publish(archive(), "first-steps").course
        stored = store.archive_path("first-steps", 1)
        assert pack_course(unpack_course(stored.read_bytes())).digest == course.digest
        assert stat.S_IMODE(stored.stat().st_mode) == 0o600

    def test_same_content_no_new_version(self, store):
        store.publish(archive(), "first-steps")
        again = store.publish(archive(), "first-steps")
        assert (again.course.version, again.unchanged) == (1, True)
        assert not store.archive_path("first-steps", 2).exists()

    def test_new_content_new_version_and_the_old_one_stays(self, store):
        store.publish(archive("v1"), "first-steps")
        assert store.publish(archive("v2"), "first-steps").course.version == 2
        assert unpack_course(store.archive_path("first-steps", 1).read_bytes())["01-who/text.md"]

    def test_a_client_that_leaves_solutions_in(self, store, monkeypatch):
        with monkeypatch.context() as patch:
            patch.setattr("vmlab.courses.archive.is_delivered", lambda path: True)
            data = pack_course(make_files()).data
        assert "01-who/solution.ipynb" in unpack_course(data)
        store.publish(data, "first-steps")
        stored = store.archive_path("first-steps", 1).read_bytes()
        assert "01-who/solution.ipynb" not in unpack_course(stored)

    def test_another_name_is_refused(self, store):
        with pytest.raises(CourseError, match="is course 'first-steps', not 'other'"):
            store.publish(archive(), "other")

    def test_a_mistake_is_named_with_its_line(self, store):
        files = make_files({"course.toml": COURSE_TOML.replace("folder", "foldr").encode()})
        with pytest.raises(ConfigError, match=r"course\.toml:6"):
            store.publish(pack_course(files).data, "first-steps")

    def test_more_courses_than_a_machine_takes(self, store, monkeypatch):
        monkeypatch.setattr(module, "MAX_COURSES", 1)
        store.publish(archive(), "first-steps")
        store.publish(archive("v2"), "first-steps")
        text = COURSE_TOML.replace('"first-steps"', '"second"').encode()
        second = pack_course(make_files({"course.toml": text})).data
        with pytest.raises(CourseError, match="1 courses are published") as caught:
            store.publish(second, "second")
        assert "vmlab course remove first-steps" in caught.value.hint
        store.remove("first-steps", drop_progress=False)
        assert store.publish(second, "second").course.version == 1

    def test_what_was_taken_back_is_not_to_be_had(self, store):
        store.publish(archive(), "first-steps")
        before = store.listing()
        assert store.find("first-steps", 1) is not None
        store.remove("first-steps", drop_progress=False)
        now = store.listing()
        assert now.digest != before.digest
        assert [(c.name, c.version) for c in now.removed] == [("first-steps", 2)]
        assert store.find("first-steps", 1) is store.find("first-steps", 2) is None
        assert not store.archive_path("first-steps", 1).exists()
        assert store.remove("nothing", drop_progress=False) is None

    def test_a_full_disk(self, store, monkeypatch):
        def full(*_: object, **__: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(module, "write_atomic", full)
        with pytest.raises(CourseError, match="No space left") as caught:
            store.publish(archive(), "first-steps")
        assert "room" in caught.value.hint
        assert store.listing().courses == ()


class TestWaiting:
    async def test_no_wait_when_it_is_news(self, store):
        assert (await store.wait_for_change("other", 60)).courses == ()

    async def test_a_push_wakes_everybody_at_once(self, store):
        known = store.listing().digest
        waits = [asyncio.create_task(store.wait_for_change(known, 3600)) for _ in range(5)]
        await asyncio.to_thread(store.publish, archive(), "first-steps")
        store.announce()
        async with asyncio.timeout(60):
            listings = await asyncio.gather(*waits)
        assert {listing.courses[0].version for listing in listings} == {1}

    async def test_a_call_that_changes_nothing_wakes_nobody_for_good(self, store):
        known = store.listing().digest
        wait = asyncio.create_task(store.wait_for_change(known, 60))
        await until_waiting(store)
        store.announce()
        done, _ = await asyncio.wait([wait], timeout=0.2)
        assert not done
        wait.cancel()

    async def test_the_wait_ends(self, store):
        known = store.listing().digest
        assert (await store.wait_for_change(known, 0.05)).digest == known

    async def test_a_cancelled_wait_leaves_nothing(self, store):
        wait = asyncio.create_task(store.wait_for_change(store.listing().digest, 60))
        await until_waiting(store)
        wait.cancel()
        await asyncio.wait([wait])
        assert not store._waiters

    def test_the_digest_follows_the_content(self, store):
        digests = {store.listing().digest}
        for text in ("v1", "v2", "v1"):
            store.publish(archive(text), "first-steps")
            digests.add(store.listing().digest)
        assert len(digests) == 4
