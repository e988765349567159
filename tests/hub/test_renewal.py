"""A new machine with the same volume, over the API of a real hub."""

from __future__ import annotations

import pytest

from fakes.waiting import wait_until
from hub.running_hub import RunningHub
from vmlab.names import machine_name


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with RunningHub(tmp_path_factory.mktemp("hub"), trainees=tuple("abcd")) as running:
        running.add_user("outsider")
        yield running


def renew(hub, user: str, who: str, **more):
    return hub.api("POST", f"vmlab/machines/{user}/renew", token=hub.user_token(who), **more)


def wait_until_over(hub, user: str) -> dict:
    def over() -> dict | None:
        answer = hub.api("GET", f"vmlab/machines/{user}/renew", token=hub.user_token("admin"))
        answer.raise_for_status()
        return None if answer.json()["stage"] in {"stopping", "aside"} else answer.json()

    answer = wait_until(over)
    assert answer
    return answer


def wait_until_ready(hub, user: str) -> None:
    wait_until(lambda: hub.server(user).get("ready"))


@pytest.mark.parametrize(("user", "who"), [("a", "a"), ("a", "facilitator"), ("b", "admin")])
def test_whoever_may_stop_and_start_it_gets_a_new_machine(hub, user, who):
    hub.start_server(user)
    token = hub.server_token(user)
    answer = renew(hub, user, who)
    assert answer.status_code == 202, answer.text
    assert answer.json()["machine"] == machine_name(user)
    over = wait_until_over(hub, user)
    assert over["stage"] == "starting"
    assert over["kept"].startswith(machine_name(user))
    wait_until_ready(hub, user)
    assert hub.server_token(user) != token
    assert hub.api("GET", "user", token=token).status_code == 403
    hub.stop_server(user)


def test_a_machine_that_is_off_or_that_failed_to_start_can_be_renewed(hub):
    hub.start_server("c")
    hub.stop_server("c")
    assert renew(hub, "c", "c").status_code == 202
    assert wait_until_over(hub, "c")["stage"] == "starting"
    wait_until_ready(hub, "c")
    hub.stop_server("c")
    hub.set_faults(fail_at="mounts")
    hub.api("POST", "users/c/server")
    wait_until(lambda: not hub.server("c").get("pending"))
    hub.set_faults()
    renew(hub, "c", "c").raise_for_status()
    assert wait_until_over(hub, "c")["kept"]
    wait_until_ready(hub, "c")
    hub.stop_server("c")


def test_a_start_under_way_is_cancelled(hub):
    hub.set_faults(hang_at="boot")
    hub.api("POST", "users/d/server")
    hub.set_faults()
    renew(hub, "d", "facilitator").raise_for_status()
    assert wait_until_over(hub, "d")["stage"] == "starting"
    wait_until_ready(hub, "d")
    hub.stop_server("d")


def test_it_may_be_left_off(hub):
    hub.start_server("d")
    renew(hub, "d", "facilitator", json={"start": False}).raise_for_status()
    assert wait_until_over(hub, "d")["stage"] == "done"
    assert not hub.server("d")


def test_others_learn_nothing_and_change_nothing(hub):
    hub.start_server("b")
    for user, who in (("b", "a"), ("nobody", "a"), ("outsider", "facilitator")):
        assert renew(hub, user, who).status_code == 404
    own = hub.server_token("b")
    assert hub.api("POST", "vmlab/machines/b/renew", token=own).status_code == 404
    only_stop = hub.user_token("admin", scopes=["delete:servers", "read:servers"])
    assert hub.api("POST", "vmlab/machines/b/renew", token=only_stop).status_code == 404
    assert hub.server("b")["ready"]


@pytest.mark.parametrize("body", ["[]", "{", '{"start": 1}'])
def test_bad_bodies_are_refused(hub, body):
    answer = renew(hub, "b", "admin", data=body)
    assert answer.status_code == 400


def test_the_board_says_who_may_renew(hub):
    def rows(who: str) -> dict[str, bool]:
        answer = hub.api("GET", "vmlab/board", token=hub.user_token(who)).json()
        return {row["user"]: row["may_renew"] for row in answer["rows"]}

    assert rows("facilitator") == dict.fromkeys("abcd", True)
    watcher = hub.user_token("admin", scopes=["admin-ui", "list:users", "read:servers"])
    answer = hub.api("GET", "vmlab/board", token=watcher).json()
    assert not any(row["may_renew"] for row in answer["rows"])
