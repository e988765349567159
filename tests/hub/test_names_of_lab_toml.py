"""Names and roles are lab.toml's: what the hub refuses, and what its start puts right."""

from __future__ import annotations

import pytest
import requests
from jupyterhub import orm

from fakes.waiting import wait_until
from hub.running_hub import RunningHub
from vmlab.names import machine_name


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with RunningHub(tmp_path_factory.mktemp("hub"), trainees=("ada", "bob", "eve")) as running:
        running.start_server("ada")
        yield running


@pytest.mark.parametrize(
    ("method", "path", "body", "words"),
    [
        ("PATCH", "users/ada", {"name": "ada2"}, "vmlab volume export ada"),
        ("PATCH", "users/ada", {"admin": True}, "roles are set in lab.toml"),
        ("DELETE", "users/ada", None, "take the name out"),
        ("DELETE", "users/eve", None, "vmlab volume delete eve"),
        ("POST", "users/ada2", None, "ada2 is not in it: add the name"),
        ("POST", "users", {"usernames": ["bob", "zoe", "zac"]}, "zoe, zac is not in it"),
        ("POST", "groups/facilitators/users", {"users": ["ada"]}, "move ada to another list"),
        ("DELETE", "groups/trainees/users", {"users": ["ada"]}, "move ada to another list"),
        ("DELETE", "groups/trainees", None, "roles are set in lab.toml"),
    ],
)
def test_what_lab_toml_says_cannot_be_changed_in_the_hub(hub, method, path, body, words):
    for token in (hub.token, hub.user_token("admin")):
        answer = hub.api(method, path, token=token, json=body)
        assert answer.status_code == 409, answer.text
        assert words in answer.json()["message"]
    assert hub.server("ada")["ready"]
    assert hub.server("ada")["state"]["vmlab"]["machine"] == machine_name("ada")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PATCH", "users/ada", {"name": "ada2"}),
        ("DELETE", "users/ada", None),
        ("POST", "users", {"usernames": ["zoe"]}),
        ("POST", "groups/trainees/users", {"users": ["ada"]}),
    ],
)
def test_who_may_not_ask_learns_nothing(hub, method, path, body):
    for who in ("ada", "facilitator"):
        answer = hub.api(method, path, token=hub.user_token(who), json=body)
        assert answer.status_code in {403, 404}
        assert "lab.toml" not in answer.text


def test_what_is_not_lab_tomls_still_works(hub):
    hub.api("POST", "groups/friends").raise_for_status()
    hub.api("POST", "groups/friends/users", json={"users": ["ada"]}).raise_for_status()
    assert "friends" in hub.api("GET", "users/ada").json()["groups"]
    hub.api("DELETE", "groups/friends").raise_for_status()
    hub.api("PATCH", "users/ada", json={"name": "ada", "admin": False}).raise_for_status()


def test_an_account_that_lab_toml_does_not_have_is_removed_when_its_machine_is_off(hub):
    hub.add_user("old")
    hub.start_server("old")
    answer = hub.api("DELETE", "users/old")
    assert (answer.status_code, answer.json()["message"]) == (
        409,
        "the machine of old is running: stop it first",
    )
    assert hub.server("old")["ready"]
    hub.stop_server("old")
    hub.api("DELETE", "users/old").raise_for_status()
    assert hub.api("GET", "users/old").status_code == 404


def board(hub) -> dict[str, tuple[str, str]]:
    answer = hub.api("GET", "vmlab/board", token=hub.kept_token("admin"))
    return {row["user"]: (row["machine"], row["state"]) for row in answer.json()["rows"]}


def test_a_start_of_the_hub_puts_right_what_an_older_version_left(tmp_path):
    """Machines run on through it: tests/vm/test_hub_killed.py, with ones that outlive a hub."""
    with RunningHub(tmp_path, trainees=("ada", "bob", "eve")) as hub:
        eve = hub.login("eve")
        hub.start_server("ada")
        hub.stop()
        with hub.database() as db:
            # Renamed, and the next start of the hub made the account of lab.toml again.
            orm.User.find(db, "ada").name = "ada2"
            db.add(orm.User(name="ada"))
        lab = hub.folder / "lab.toml"
        lab.write_text(lab.read_text().replace(', "eve"]', "]"))
        hub.start()
        off = {user: (machine_name(user), "absent") for user in ("ada", "bob", "eve")}
        assert board(hub) == off
        hub.start_server("ada")
        wait_until(lambda: board(hub) == off | {"ada": (machine_name("ada"), "running")})
        assert hub.login("ada").get(f"{hub.base_url}/hub/home", timeout=60).url.endswith("/home")
        page = eve.get(f"{hub.base_url}/hub/home", timeout=60)
        assert "/hub/login" in page.url
        with pytest.raises(requests.HTTPError, match="403"):
            hub.login("eve")  # the password is still in the file


def test_a_machine_of_a_name_that_lab_toml_followed_is_found_on_the_board(tmp_path):
    with RunningHub(tmp_path, trainees=("ada", "bob")) as hub:
        hub.stop()
        with hub.database() as db:
            state = {"vmlab": {"version": 1, "machine": machine_name("bert")}}
            db.add(orm.Spawner(name="", user=orm.User.find(db, "bob"), state=state))
        hub.start()
        hub.start_server("bob")
        wait_until(lambda: board(hub)["bob"] == (machine_name("bert"), "running"))
