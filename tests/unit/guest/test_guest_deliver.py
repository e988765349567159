"""Three-way delivery: whatever is pushed, what a trainee wrote is never lost."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmlab_guest.courses import place as module
from vmlab_guest.courses.deliver import deliver
from vmlab_guest.courses.held import Outcome
from vmlab_guest.courses.record import RECORD, read_record
from vmlab_guest.files import write_file
from vmlab_protocol.receipts import Obstacle, Reason

EXERCISE = "01/exercise.ipynb"


class Desk:
    """A home, and the originals that the agent unpacked."""

    def __init__(self, tmp_path: Path) -> None:
        self.home = tmp_path / "home"
        self.home.mkdir()
        self.originals = tmp_path / "originals"

    def push(self, version: int, files: dict[str, str]) -> list[str]:
        """Deliver, and return what was kept; `held` tells about the rest."""
        self.outcome = self.bring(version, files)
        return list(self.outcome.kept)

    @property
    def obstacles(self) -> list[Obstacle]:
        return list(self.outcome.obstacles)

    def bring(self, version: int, files: dict[str, str]) -> Outcome:
        original = self.originals / str(version)
        for path, text in {"course.toml": "", "01/checks.py": "secret answers", **files}.items():
            place = original / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text)
        return deliver(original, self.home, "course", version)

    def read(self) -> dict[str, str]:
        top = self.home / "course"
        return {
            path.relative_to(top).as_posix(): path.read_text()
            for path in top.rglob("*")
            if path.is_file()
        }

    def edit(self, path: str, text: str) -> None:
        (self.home / "course" / path).write_text(text)


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_a_first_delivery_without_checks_and_description(desk: Desk) -> None:
    assert desk.push(1, {EXERCISE: "one", "README.md": "hello"}) == []
    assert desk.read() == {EXERCISE: "one", "README.md": "hello"}


def test_what_nobody_touched_is_replaced(desk: Desk) -> None:
    desk.push(1, {EXERCISE: "one"})
    assert desk.push(2, {EXERCISE: "two"}) == []
    assert desk.read() == {EXERCISE: "two"}


def test_what_was_edited_stays_and_the_new_text_lies_beside(desk: Desk) -> None:
    desk.push(1, {EXERCISE: "one"})
    desk.edit(EXERCISE, "my work")
    assert desk.push(2, {EXERCISE: "two"}) == [EXERCISE]
    assert desk.read() == {EXERCISE: "my work", "01/exercise.v2.ipynb": "two"}
    assert desk.push(2, {EXERCISE: "two"}) == [EXERCISE], "told again, changed nothing"
    assert desk.push(3, {EXERCISE: "three"}) == [EXERCISE]
    assert desk.read() == {
        EXERCISE: "my work",
        "01/exercise.v2.ipynb": "two",
        "01/exercise.v3.ipynb": "three",
    }


def test_an_edited_file_without_news_is_not_reported(desk: Desk) -> None:
    desk.push(1, {EXERCISE: "one"})
    desk.edit(EXERCISE, "my work")
    assert desk.push(2, {EXERCISE: "one", "new.md": "new"}) == []
    assert desk.read() == {EXERCISE: "my work", "new.md": "new"}


def test_work_beside_is_not_overwritten_either(desk: Desk) -> None:
    desk.push(1, {EXERCISE: "one"})
    desk.edit(EXERCISE, "my work")
    desk.edit("01/exercise.v2.ipynb", "my second try")
    desk.push(2, {EXERCISE: "two"})
    assert desk.read() == {
        EXERCISE: "my work",
        "01/exercise.v2.ipynb": "my second try",
        "01/exercise.v2-1.ipynb": "two",
    }


def test_a_deleted_exercise_comes_back(desk: Desk) -> None:
    desk.push(1, {EXERCISE: "one"})
    (desk.home / "course" / EXERCISE).unlink()
    desk.push(1, {EXERCISE: "one"})
    assert desk.read() == {EXERCISE: "one"}


def test_going_back_to_the_new_text_ends_being_kept(desk: Desk) -> None:
    desk.push(1, {EXERCISE: "one"})
    desk.edit(EXERCISE, "my work")
    desk.push(2, {EXERCISE: "two"})
    desk.edit(EXERCISE, "two")
    assert desk.push(2, {EXERCISE: "two"}) == []
    assert desk.push(3, {EXERCISE: "three"}) == []
    assert desk.read()[EXERCISE] == "three"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"courses": {"course": {"x": 1}}}', "\0"])
def test_without_a_record_everything_different_is_kept(desk: Desk, text: str) -> None:
    desk.push(1, {EXERCISE: "one"})
    (desk.home / RECORD).write_text(text)
    assert desk.push(2, {EXERCISE: "two"}) == [EXERCISE]
    assert desk.read() == {EXERCISE: "one", "01/exercise.v2.ipynb": "two"}


def test_a_folder_or_link_at_the_place_is_the_trainees(desk: Desk) -> None:
    place = desk.home / "course" / EXERCISE
    place.mkdir(parents=True)
    assert desk.push(1, {EXERCISE: "one", "a.md": "a"}) == []
    assert desk.obstacles == [Obstacle(EXERCISE, Reason.NOT_A_FILE, "course/01/exercise.v1.ipynb")]
    assert place.is_dir()
    assert desk.read() == {"01/exercise.v1.ipynb": "one", "a.md": "a"}


@pytest.mark.parametrize("fail_at", range(4))
def test_a_full_disk_in_the_middle_loses_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, fail_at: int
) -> None:
    desk.push(1, {EXERCISE: "one", "b.md": "b1", "c.md": "c1"})
    desk.edit(EXERCISE, "my work")
    write, count = write_file, 0

    def write_or_fail(*args: Any, **more: Any) -> None:
        nonlocal count
        count += 1
        if count == fail_at + 1:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(*args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(module, "write_file", write_or_fail)
        patch.setattr("vmlab_guest.courses.record.write_file", write_or_fail)
        desk.push(2, {EXERCISE: "two", "b.md": "b2", "c.md": "c2"})
    told = [EXERCISE, "b.md", "c.md", str(RECORD)][fail_at]
    assert desk.obstacles == [Obstacle(told, Reason.NO_ROOM)]
    assert not desk.outcome.is_complete
    assert desk.read()[EXERCISE] == "my work"
    assert desk.push(2, {EXERCISE: "two", "b.md": "b2", "c.md": "c2"}) == [EXERCISE]
    assert desk.read() == {
        EXERCISE: "my work",
        "01/exercise.v2.ipynb": "two",
        "b.md": "b2",
        "c.md": "c2",
    }


ACTIONS = st.one_of(
    st.tuples(st.just("push"), st.sampled_from(["A", "B", "C"])),
    st.tuples(st.just("edit"), st.sampled_from(["A", "mine", "mine too"])),
    st.tuples(st.just("delete"), st.just("")),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(ACTIONS, max_size=12))
def test_no_order_of_pushes_and_edits_loses_work(
    tmp_path_factory: pytest.TempPathFactory, actions: list[tuple[str, str]]
) -> None:
    desk = Desk(tmp_path_factory.mktemp("desk"))
    place = desk.home / "course" / EXERCISE
    version, own, offered = 0, None, None
    for kind, text in actions:
        if kind == "push":
            version += 1
            desk.push(version, {EXERCISE: text})
            # An edited file gets a text beside it only when that text is news.
            assert text == offered or text in desk.read().values()
            offered = text
        elif kind == "edit" and place.parent.is_dir():
            place.write_text(text)
            own = text if text.startswith("mine") else None
        elif kind == "delete" and place.exists():
            place.unlink()
            own = None
        if own is not None:
            assert place.read_text() == own


def test_the_record_is_plain_and_complete(desk: Desk) -> None:
    desk.push(3, {EXERCISE: "one"})
    assert (
        json.loads((desk.home / RECORD).read_text())["courses"]["course"][EXERCISE]["version"] == 3
    )
    assert read_record(desk.home)["course"][EXERCISE].kept is False
