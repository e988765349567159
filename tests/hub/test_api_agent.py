"""The real agent's and the learner's library's client code against a real hub."""

from __future__ import annotations

import threading

import pytest

from fakes.courses import make_files, write_folder
from fakes.fake_system import FakeSystem
from hub.running_hub import PROJECT, RunningHub
from lab.exercise import Exercise
from lab.report import report
from vmlab.courses.package import make_package
from vmlab.hub.access import HubAccess
from vmlab.hub.course_calls import list_receipts, publish
from vmlab_guest.courses.deliver import deliver
from vmlab_guest.courses.follow import Follower
from vmlab_guest.hub import Hub

LIMIT_S = 60


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with RunningHub(tmp_path_factory.mktemp("hub")) as running:
        running.start_server("ada")
        yield running


@pytest.fixture
def access(hub):
    return HubAccess(hub.base_url, hub.cli_token)


def test_a_push_reaches_the_home_and_what_was_edited_stays(hub, access, tmp_path, request):
    env = hub.server_env("ada")
    home = tmp_path / "home"
    home.mkdir()
    machine = FakeSystem(tmp_path / "machine")
    arrived = threading.Semaphore(0)

    def bring(original, name, version):
        outcome = deliver(original, home, name, version)
        arrived.release()
        return outcome

    client = Hub.from_env(env)
    assert client is not None
    follower = Follower(machine, client, bring, threading.Lock())
    follower.start()
    request.addfinalizer(follower.stop)

    course = write_folder(tmp_path / "course", make_files({"notes.md": b"one"}))
    publish(access, make_package(course))
    assert arrived.acquire(timeout=LIMIT_S), machine.logged
    copy = home / "first-steps"
    assert (copy / "notes.md").read_bytes() == b"one"
    assert not (copy / "01-who" / "solution.ipynb").exists()

    (copy / "notes.md").write_text("my own words")
    (course / "notes.md").write_text("two")
    version = publish(access, make_package(course))["version"]
    assert arrived.acquire(timeout=LIMIT_S), machine.logged
    assert (copy / "notes.md").read_text() == "my own words"

    # The receipt follows the delivery; one more push after it means that it was sent.
    (course / "notes.md").write_text("three")
    publish(access, make_package(course))
    assert arrived.acquire(timeout=LIMIT_S), machine.logged
    follower.stop()
    (receipt,) = list_receipts(access, "first-steps")["receipts"]
    assert receipt["user"] == "ada"
    assert receipt["version"] in {version, version + 1}
    assert receipt["kept"] == ["notes.md"]


def test_a_check_is_reported(hub, access, tmp_path, monkeypatch):
    publish(access, make_package(write_folder(tmp_path / "course", make_files())))
    for key, value in hub.server_env("ada").items():
        if key.startswith("JUPYTERHUB_") and value is not None:
            monkeypatch.setenv(key, str(value))
    failures: list[str] = []
    exercise = Exercise("first-steps", "01-who", 1, tmp_path)
    report(exercise, "home-disk", True, lambda: failures.append("home-disk"))
    for thread in threading.enumerate():
        if thread.name == "report":
            thread.join(LIMIT_S)
    assert failures == []
    board = hub.api("GET", "vmlab/board", token=hub.user_token("facilitator")).json()
    (row,) = (row for row in board["rows"] if row["user"] == "ada")
    assert row["steps"]["01-who/home-disk"]["passed"] is True


@pytest.mark.parametrize(
    "folder", [p.parent for p in sorted(PROJECT.glob("notebooks/*/course.toml"))]
)
def test_our_own_courses_can_be_published(access, folder):
    package = make_package(folder)
    assert package.review.doubts == ()
    assert publish(access, package)["name"] == folder.name
