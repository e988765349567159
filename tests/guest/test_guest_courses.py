"""Courses from a real HTTP server into a real home, through the real helper process."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.fake_system import FakeSystem
from fakes.small_hub import SmallHub
from fakes.waiting import wait_until
from surroundings import threads_end
from vmlab_guest.courses import follow as module
from vmlab_guest.courses.deliver import deliver
from vmlab_guest.courses.follow import Follower
from vmlab_guest.courses.held import Outcome, parse_outcome
from vmlab_guest.delivery import HubCourses
from vmlab_guest.hub import Hub, HubError
from vmlab_protocol.receipts import Obstacle, Reason

EXERCISE = "01-who/exercise.ipynb"
RECEIPT = {"course": "first", "version": 1, "kept": [], "obstacles": []}


def make_course(text: str) -> dict[str, bytes]:
    return {"course.toml": b"x", EXERCISE: text.encode(), "01-who/checks.py": b"y"}


def read(place: Path) -> str:
    return place.read_text() if place.exists() else ""


class Desk:
    def __init__(self, root: Path, hub: SmallHub) -> None:
        self.system = FakeSystem(root)
        self.home = root / "home/trainee"
        self.hub = hub
        self.problems: list[OSError] = []
        self._followers: list[Follower] = []
        self.follower = self.make_follower()

    def make_follower(self) -> Follower:
        hub = Hub.from_env(self.hub.env)
        assert hub is not None
        follower = Follower(self.system, hub, self._deliver, threading.Lock())
        self._followers.append(follower)
        return follower

    def _deliver(self, original: Path | None, name: str, version: int) -> Outcome:
        if self.problems:
            raise self.problems.pop()
        return deliver(original, self.home, name, version)

    def stop(self) -> None:
        for follower in self._followers:
            follower.stop()

    def has_logged(self, words: str) -> bool:
        return any(words in line for line in self.system.logged)

    def wait_for_notice(self, words: str) -> str:
        """Return all notices as soon as one has these words: they follow the receipt."""
        place = self.system.root / "run/vmlab/notices.json"
        return wait_until(lambda: text if words in (text := read(place)) else "")

    def read(self) -> dict[str, str]:
        top = self.home / "first"
        return {p.relative_to(top).as_posix(): p.read_text() for p in top.rglob("*") if p.is_file()}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    with threads_end(), SmallHub() as hub:
        desk = Desk(tmp_path / "root", hub)
        yield desk
        desk.stop()


def test_what_is_published_arrives_with_a_receipt(desk: Desk) -> None:
    desk.hub.publish(make_course("one"), "first", 1)
    assert desk.follower.run_round() is True
    assert desk.read() == {EXERCISE: "one"}
    original = desk.system.root / "var/lib/vmlab/courses/first/1"
    assert (original / "01-who/checks.py").read_bytes() == b"y"
    assert desk.hub.state.receipts == [RECEIPT]


def test_a_push_reaches_a_machine_that_waits(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    desk.hub.publish(make_course("one"), "first", 1)
    desk.follower.start()
    desk.hub.wait_for(lambda state: state.requests and "known=first" in state.requests[-1])
    (desk.home / "first" / EXERCISE).write_text("my work")
    desk.hub.publish(make_course("two"), "first", 2)
    desk.hub.wait_for(lambda state: len(state.receipts) == 2)
    assert desk.hub.state.receipts[1] == RECEIPT | {"version": 2, "kept": [EXERCISE]}
    assert desk.read() == {EXERCISE: "my work", "01-who/exercise.v2.ipynb": "two"}


def told(desk: Desk) -> list[dict[str, str]]:
    """What the trainee is told, in JupyterLab and in terminals."""
    table = desk.system.root / "run/vmlab/notices.json"
    return json.loads(table.read_text()) if table.exists() else []


def test_a_version_that_arrives_is_told_once_and_the_first_one_is_not(desk: Desk) -> None:
    desk.hub.publish(make_course("one"), "first", 1)
    desk.follower.run_round()
    assert told(desk) == []
    (desk.home / "first" / EXERCISE).write_text("my work")
    desk.hub.publish(make_course("two"), "first", 2)
    for _ in range(2):  # the machine was started again meanwhile
        desk.make_follower().run_round()
        (notice,) = told(desk)
        assert notice["en"].startswith("Version 2 of the course first has arrived in your folder")
        assert f"the new text beside it: {EXERCISE}." in notice["en"]
        assert notice["fr"].startswith("La version 2 du cours first est arrivée")
        assert (desk.system.root / f"run/vmlab/notices.d/{notice['id']}.fr").exists()


def test_a_course_that_is_new_in_a_running_machine_is_told(desk: Desk) -> None:
    desk.hub.publish(make_course("one"), "first", 1)
    desk.follower.run_round()
    desk.hub.publish(make_course("other"), "second", 1)
    desk.follower.run_round()
    assert [notice["en"].split(" has arrived")[0] for notice in told(desk)] == [
        "Version 1 of the course second"
    ]


def test_what_cannot_be_delivered_at_first_is_told_when_it_is_there(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PAUSE_FIRST_S", 0.0)
    desk.hub.publish(make_course("one"), "first", 1)
    desk.follower.run_round()
    desk.hub.publish(make_course("two"), "first", 2)
    desk.problems = [OSError(errno.ENOSPC, "No space left on device")]
    desk.follower.run_round()
    assert desk.has_logged("No space")
    assert told(desk) == []
    desk.follower.run_round()
    assert len(told(desk)) == 1


def test_hub_away_and_errors_and_full_disk_are_tried_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PAUSE_FIRST_S", 0.01)
    desk.hub.publish(make_course("one"), "first", 1)
    desk.hub.state.fail_next = 3
    desk.problems = [OSError(errno.ENOSPC, "No space left on device"), OSError("again")]
    desk.follower.start()
    desk.hub.wait_for(lambda state: state.receipts)
    assert desk.read() == {EXERCISE: "one"}
    assert any("500 as the test asked for" in line for line in desk.system.logged)
    assert any("No space left" in line for line in desk.system.logged)


def test_a_lost_receipt_is_sent_again_and_the_archive_is_not(desk: Desk) -> None:
    desk.hub.publish(make_course("one"), "first", 1)
    problem = HubError("gone")

    class NoReceipts(Hub):
        def post_json(self, *args: object) -> object:
            raise problem

    follower = Follower(
        desk.system,
        NoReceipts(desk.hub.api_url, desk.hub.env["JUPYTERHUB_API_TOKEN"]),
        desk._deliver,
        threading.Lock(),
    )
    follower.run_round()
    assert desk.has_logged("first 1: gone")
    assert desk.follower.run_round() is True
    assert desk.hub.state.receipts == [RECEIPT]
    assert sum("courses/first/1" in line for line in desk.hub.state.requests) == 1


def test_an_archive_cut_short_leaves_nothing(desk: Desk) -> None:
    desk.hub.publish(make_course("one" * 1000), "first", 1)
    desk.hub.state.cut_archives = True
    desk.follower.run_round()
    assert desk.has_logged("cut off after")
    assert not (desk.home / "first").exists()
    desk.hub.state.cut_archives = False
    desk.make_follower().run_round()
    assert desk.read() == {EXERCISE: "one" * 1000}


def test_a_course_that_no_machine_takes_is_told_once_and_holds_nobody_up(desk: Desk) -> None:
    desk.hub.publish_archive("damaged", 1, "0" * 64, b"no archive")
    desk.hub.publish(make_course("one"), "first", 1)
    desk.follower.start()
    desk.hub.wait_for(lambda state: len(state.receipts) == 2)
    refusal, receipt = desk.hub.state.receipts
    assert (refusal["course"], refusal["version"], refusal["kept"]) == ("damaged", 1, [])
    assert "the archive is damaged" in refusal["refused"]
    assert receipt == RECEIPT
    assert desk.read() == {EXERCISE: "one"}
    # The next version of another course comes at once, and the bad one is not asked for again.
    desk.hub.publish(make_course("two"), "first", 2)
    desk.hub.wait_for(lambda state: len(state.receipts) == 3)
    assert desk.read() == {EXERCISE: "two"}
    assert sum("courses/damaged/" in line for line in desk.hub.state.requests) == 1


def test_a_refusal_that_did_not_reach_the_hub_is_told_without_a_second_download(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PAUSE_FIRST_S", 0.01)
    desk.hub.publish_archive("damaged", 1, "0" * 64, b"no archive")
    desk.hub.state.fail_posts = 2
    desk.follower.start()
    desk.hub.wait_for(lambda state: state.receipts)
    assert desk.hub.state.receipts[0]["course"] == "damaged"
    assert sum("courses/damaged/" in line for line in desk.hub.state.requests) == 1


def test_a_course_that_waits_for_room_does_not_hold_up_the_others(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One in trouble is tried again by a clock of its own; the hub is asked without a pause."""
    desk.hub.publish(make_course("one"), "first", 1)
    desk.problems = [OSError(errno.EIO, "a sick disk")]
    monkeypatch.setattr(module, "_PAUSE_FIRST_S", 50.0)
    desk.follower.start()
    desk.hub.wait_for(lambda state: state.requests and "known=first" in state.requests[-1])
    desk.hub.publish(make_course("other"), "second", 1)
    desk.hub.wait_for(lambda state: state.receipts)
    assert desk.hub.state.receipts == [RECEIPT | {"course": "second"}]
    assert desk.has_logged("first 1: [Errno 5] a sick disk")


def test_what_is_not_in_its_place_is_told_to_hub_and_trainee_and_tried_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_PAUSE_FIRST_S", 0.01)
    desk.hub.publish(make_course("one"), "first", 1)
    outcomes = [
        Outcome((Obstacle("a.md", Reason.NO_ROOM),)),
        Outcome((Obstacle("a.md", Reason.NO_ROOM),)),
        Outcome((Obstacle("a.md", Reason.NOT_A_FILE, "first/a.v1.md"),)),
    ]
    monkeypatch.setattr(desk, "_deliver", lambda *_: outcomes.pop(0))
    desk.make_follower().start()
    desk.hub.wait_for(lambda state: len(state.receipts) == 2)
    told = [receipt["obstacles"] for receipt in desk.hub.state.receipts]
    assert told == [
        [{"path": "a.md", "reason": "no-room", "beside": ""}],
        [{"path": "a.md", "reason": "not-a-file", "beside": "first/a.v1.md"}],
    ]
    notices = desk.wait_for_notice("first/a.v1.md")
    assert "votre disque est plein" in notices


def test_a_course_that_was_taken_back_goes_and_comes_again(desk: Desk) -> None:
    desk.hub.publish({**make_course("one"), "own.md": b"text"}, "first", 1)
    desk.follower.start()
    desk.hub.wait_for(lambda state: len(state.receipts) == 1)
    (desk.home / "first/own.md").write_text("my own words")
    desk.hub.take_back("first", 2)
    desk.hub.wait_for(lambda state: len(state.receipts) == 2)
    assert desk.hub.state.receipts[1] == RECEIPT | {"version": 2, "kept": ["own.md"]}
    assert desk.read() == {"own.md": "my own words"}
    assert not (desk.system.root / "var/lib/vmlab/courses/first").exists(), "checks and originals"
    assert "ont retiré le cours first" in desk.wait_for_notice("own.md")
    desk.hub.publish({**make_course("one"), "own.md": b"text"}, "first", 3)
    desk.hub.wait_for(lambda state: len(state.receipts) == 3)
    assert desk.read() == {"own.md": "my own words", "own.v3.md": "text", EXERCISE: "one"}


def test_what_was_taken_back_before_it_came_is_no_news(desk: Desk) -> None:
    desk.hub.take_back("first", 2)
    desk.follower.run_round()
    assert desk.hub.state.receipts == []
    assert not (desk.system.root / "run/vmlab/notices.json").exists()


def test_a_hub_that_counts_from_one_again_is_not_believed(desk: Desk) -> None:
    desk.hub.publish(make_course("one"), "first", 1)
    desk.follower.run_round()
    desk.hub.publish(make_course("other"), "first", 1)
    desk.make_follower().run_round()
    assert desk.read() == {EXERCISE: "other"}


def test_a_wrong_token_is_said_without_showing_it(desk: Desk) -> None:
    hub = Hub(desk.hub.api_url, "another-token")
    with pytest.raises(HubError, match="403 no such token") as caught:
        hub.get_json("courses?known=&wait=0", 5)
    assert caught.value.status == 403
    assert "another-token" not in str(caught.value) + repr(hub)


def test_no_hub_at_all(tmp_path: Path) -> None:
    with SmallHub() as hub:
        url = hub.api_url
    with pytest.raises(HubError, match="no answer"):
        Hub(url, "t").get_json("courses", 5)
    with pytest.raises(HubError, match="is not the address of a hub"):
        Hub("file:///etc/passwd", "t").get_json("courses", 5)


def test_a_start_does_not_wait_for_a_hub_that_is_away(tmp_path: Path) -> None:
    system = FakeSystem(tmp_path / "root")
    with SmallHub() as hub:
        env = hub.env
    courses = HubCourses(system)
    with threads_end():
        courses.follow(env)
        courses.follow({})
    assert "courses: the seed names no hub" in system.logged


def run_helper(*arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "vmlab_guest.courses.deliver", *arguments]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(command, env=env, capture_output=True, check=False, timeout=60)


def test_the_helper_process_says_what_it_kept_or_why_not(tmp_path: Path) -> None:
    original, home = tmp_path / "1", tmp_path / "home"
    original.mkdir()
    (original / "course.toml").write_text("")
    (original / "exercise.ipynb").write_text("one")
    (home / "first").mkdir(parents=True)
    (home / "first/exercise.ipynb").write_text("my work")
    done = run_helper(str(original), str(home), "first", "1")
    assert done.returncode == 0
    assert parse_outcome(done.stdout).kept == ("exercise.ipynb",)
    done = run_helper("-", str(home), "first", "2")
    assert parse_outcome(done.stdout) == Outcome((Obstacle("exercise.ipynb", Reason.EDITED),))
    done = run_helper(str(tmp_path / "nothing"), str(home), "first", "3")
    assert (done.returncode, done.stdout) == (1, b"")
    assert b"Traceback" not in done.stderr
    assert b"nothing holds no course" in done.stderr
