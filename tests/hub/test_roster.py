"""The list of people below the board, against a real hub."""

from __future__ import annotations

import pytest

from fakes.courses import make_files
from fakes.waiting import wait_until
from hub.running_hub import RunningHub
from vmlab.courses import pack_course
from vmlab.names import machine_name

LONG_AGO = 100_000.0


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with RunningHub(tmp_path_factory.mktemp("hub")) as running:
        for user in ("ada", "bob"):
            running.start_server(user)
        running.add_user("old")
        running.set_faults(idle_s={"ada": 10.0, "bob": LONG_AGO})
        yield running


def ask(hub, path: str, who: str, **more):
    return hub.api("GET", f"vmlab/people{path}", token=hub.user_token(who), **more)


def rows(hub, who: str) -> dict[str, dict]:
    answer = ask(hub, "", who)
    answer.raise_for_status()
    return {row["user"]: row for row in answer.json()["people"]}


def test_a_facilitator_sees_trainees_and_may_start_and_stop_them(hub):
    wait_until(lambda: rows(hub, "facilitator")["bob"]["state"] == "running")
    found = rows(hub, "facilitator")
    assert found.pop("facilitator")["role"] == "facilitators"  # oneself
    assert {user: (row["role"], row["state"]) for user, row in found.items()} == {
        "ada": ("trainees", "running"),
        "bob": ("trainees", "running"),
        "eve": ("trainees", "absent"),
    }
    for row in found.values():
        assert (row["may_start"], row["may_stop"], row["url"]) == (True, True, "")


def test_an_administrator_sees_all_with_their_roles_and_may_open_what_runs(hub):
    found = rows(hub, "admin")
    assert {user: row["role"] for user, row in found.items()} == {
        "ada": "trainees",
        "admin": "administrators",
        "bob": "trainees",
        "eve": "trainees",
        "facilitator": "facilitators",
        "old": "unlisted",
        "trainer": "trainers",
    }
    assert (found["ada"]["url"], found["eve"]["url"]) == (f"{hub.machine_url('ada')}/", "")
    assert found["ada"]["machine"] == machine_name("ada")


def test_when_somebody_was_seen_last(hub):
    hub.login("eve")
    token = hub.user_token("facilitator")

    def seen() -> float:
        answer = hub.api("GET", "vmlab/people", token=token).json()
        eve = next(row for row in answer["people"] if row["user"] == "eve")
        return answer["now"] - eve["active"] if eve["active"] else 0.0

    assert -1 < wait_until(seen) < 600


def test_who_works_just_now_is_asked_of_the_machines(hub):
    idle_s = {machine_name("ada"): 10.0, machine_name("bob"): LONG_AGO}
    assert ask(hub, "/work", "facilitator").json() == {"idle_s": idle_s}
    one = ask(hub, "/work", "facilitator", params={"user": "bob"}).json()
    assert one == {"idle_s": {machine_name("bob"): LONG_AGO}}


def test_only_what_one_may_see(hub):
    token = hub.user_token("admin", scopes=["admin-ui", "read:servers!server=ada/"])
    (row,) = hub.api("GET", "vmlab/people", token=token).json()["people"]
    assert (row["user"], row["may_start"], row["may_stop"], row["url"]) == ("ada", False, False, "")
    work = hub.api("GET", "vmlab/people/work", token=token).json()
    assert set(work["idle_s"]) == {machine_name("ada")}


@pytest.mark.parametrize("path", ["", "/work"])
def test_a_trainee_gets_nothing(hub, path):
    for token in (hub.user_token("ada"), hub.server_token("ada")):
        answer = hub.api("GET", f"vmlab/people{path}", token=token)
        assert answer.status_code == 403
        assert "ada" not in answer.text


def test_the_board_tells_of_every_course_that_somebody_has_begun(hub):
    files = make_files()
    other = files["course.toml"].replace(b'"first-steps"', b'"second"')
    for name, changes in (("first-steps", {}), ("second", {"course.toml": other})):
        data = pack_course(files | changes).data
        path = f"vmlab/courses/{name}"
        hub.api("POST", path, token=hub.cli_token, data=data).raise_for_status()
    hub.report("bob", "01-who/user").raise_for_status()
    token = hub.user_token("facilitator")
    answer = hub.api("GET", "vmlab/board", token=token, params={"course": "second"}).json()
    (bob,) = (row for row in answer["rows"] if row["user"] == "bob")
    (begun,) = bob["begun"]
    assert (begun["course"], begun["passed"], begun["total"]) == ("first-steps", 1, 2)
    assert begun["last_progress"] == begun["last_tried"]
    assert (bob["passed"], bob["last_progress"]) == (0, None)
