"""The board's data, against a real hub: everybody sees what their role allows."""

from __future__ import annotations

import pytest

from fakes.courses import make_files
from hub.running_hub import RunningHub
from vmlab.courses import pack_course

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with RunningHub(tmp_path_factory.mktemp("hub")) as running:
        running.start_server("ada")
        running.add_user(HOSTILE, "trainees")
        running.add_user("outsider")
        data = pack_course(make_files()).data
        path = "vmlab/courses/first-steps"
        running.api("POST", path, token=running.cli_token, data=data).raise_for_status()
        yield running


def board(hub, who: str, **params) -> dict:
    answer = hub.api("GET", "vmlab/board", token=hub.user_token(who), params=params)
    answer.raise_for_status()
    return answer.json()


def names(found: dict) -> list[str]:
    return [row["user"] for row in found["rows"]]


@pytest.mark.parametrize("who", ["facilitator", "trainer"])
def test_the_own_group_and_no_more(hub, who):
    assert names(board(hub, who)) == [HOSTILE, "ada", "bob", "eve"]


def test_an_administrator_sees_all_but_staff(hub):
    assert names(board(hub, "admin")) == [HOSTILE, "ada", "bob", "eve", "outsider"]


def test_two_readers_within_a_second_get_their_own_rows(hub):
    admin, facilitator = hub.user_token("admin"), hub.user_token("facilitator")
    seen = [
        len(hub.api("GET", "vmlab/board", token=token).json()["rows"])
        for token in (admin, facilitator, admin, facilitator)
    ]
    assert seen == [5, 4, 5, 4]


def test_a_trainee_gets_nothing(hub):
    for token in (hub.user_token("ada"), hub.server_token("ada")):
        answer = hub.api("GET", "vmlab/board", token=token)
        assert answer.status_code == 403
        assert "ada" not in answer.json()


def test_only_names_but_no_servers_is_not_enough(hub):
    token = hub.user_token("admin", scopes=["admin-ui", "list:users", "read:users:name"])
    assert hub.api("GET", "vmlab/board", token=token).json()["rows"] == []


def test_a_single_server_may_be_shared(hub):
    token = hub.user_token("admin", scopes=["admin-ui", "read:servers!server=ada/"])
    assert names(hub.api("GET", "vmlab/board", token=token).json()) == ["ada"]


def states_of(hub) -> dict[str, str]:
    return {row["user"]: row["state"] for row in board(hub, "facilitator")["rows"]}


def test_machines_and_their_states(hub):
    assert states_of(hub) == {HOSTILE: "absent", "ada": "running", "bob": "absent", "eve": "absent"}


def test_a_machine_that_starts_is_pending(hub):
    hub.set_faults(delays_s={"boot": 30})
    hub.api("POST", "users/bob/server").raise_for_status()
    # What the board shows is up to a second old.
    seen = {states_of(hub)["bob"]}
    while seen == {"absent"}:
        seen.add(states_of(hub)["bob"])
    hub.set_faults()
    hub.api("DELETE", "users/bob/server").raise_for_status()
    assert seen <= {"absent", "pending"}


def test_who_may_open_a_machine_has_its_address(hub):
    urls = {r["user"]: r["url"] for r in board(hub, "admin")["rows"]}
    assert (urls["ada"], urls["bob"]) == (f"{hub.machine_url('ada')}/", "")
    assert {r["url"] for r in board(hub, "facilitator")["rows"]} == {""}


def test_the_course(hub):
    found = board(hub, "facilitator")
    assert found["course"]["title"] == {"en": "First steps", "fr": "Premiers pas"}
    assert [s["step"] for s in found["course"]["steps"]] == ["user", "home-disk"]
    assert board(hub, "facilitator", course="first-steps")["course"] == found["course"]


def test_a_course_that_is_not_there(hub):
    token = hub.user_token("facilitator")
    answer = hub.api("GET", "vmlab/board", token=token, params={"course": "<script>"})
    assert answer.status_code == 404


def test_progress_outlives_the_hub(hub):
    hub.report("ada", "01-who/user").raise_for_status()
    hub.stop()
    hub.start()
    (row,) = (r for r in board(hub, "facilitator")["rows"] if r["user"] == "ada")
    assert row["passed"] == 1
