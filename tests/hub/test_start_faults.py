"""Starts that fail, are cancelled or watched: a real hub, the fake provider.

What breaks spawners of machines while the hub lives. A hub that is killed is in
tests/vm/test_hub_killed.py, with machines that outlive it.
"""

from __future__ import annotations

import contextlib
import html
import json
from urllib.parse import quote

import pytest
import requests

from fakes.waiting import wait_until
from hub.running_hub import RunningHub
from vmlab.names import machine_name
from vmlab.providers.fake import START_PHASES

SLOW = dict.fromkeys(START_PHASES, 0.15)
SLOW_TO_SERVE = SLOW | {"server": 8.0}  # time to come and watch


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    with RunningHub(tmp_path_factory.mktemp("hub"), trainees=tuple("abcdefgh")) as running:
        yield running


@pytest.fixture(autouse=True)
def no_faults(hub):
    yield
    hub.set_faults()
    for user in hub.api("GET", "users").json():
        if user["servers"]:
            hub.stop_server(user["name"])


def machine_state(hub, user: str) -> str:
    """The machine's state as the board shows it."""
    rows = hub.api("GET", "vmlab/board", token=hub.kept_token("admin")).json()["rows"]
    return next((row["state"] for row in rows if row["user"] == user), "")


def machine_problem(hub, user: str) -> str:
    rows = hub.api("GET", "vmlab/board", token=hub.kept_token("admin")).json()["rows"]
    return next((row["problem"] for row in rows if row["user"] == user), "")


def start_and_watch(hub, user: str):
    """As `watch`, for a start that fails at once: it may be over before anybody asks for events."""
    for _ in range(20):
        request_start(hub, user)
        with contextlib.suppress(requests.HTTPError):
            return list(watch(hub, user))
    raise AssertionError(f"the start of {user} was always over before its events were asked for")


def watch(hub, user: str):
    """The events of a start as a browser gets them, until the hub ends the stream."""
    url = f"users/{quote(user, safe='')}/server/progress"
    answer = hub.api("GET", url, stream=True)
    answer.raise_for_status()
    for line in answer.iter_lines(decode_unicode=True):
        if line.startswith("data:"):
            yield json.loads(line.removeprefix("data:"))


# `machine_state` may be a second old: the board asks the provider so often for all its readers.


def request_start(hub, user: str) -> requests.Response:
    return hub.api("POST", f"users/{quote(user, safe='')}/server")


@pytest.mark.parametrize("phase", START_PHASES)
def test_a_failure_in_any_phase_is_told_in_plain_words(hub, phase):
    hub.set_faults(fail_at=phase, fail_message="secret detail", delays_s={phase: 0.3})
    request_start(hub, "a")
    *_, last = watch(hub, "a")
    assert last["failed"] is True
    assert "Your machine could not be set up. Please tell a facilitator." in last["message"]
    for word in ("secret detail", "Traceback", "desk-", "Error"):
        assert word not in json.dumps(last)
    assert "secret detail" in hub.log.read_text()
    wait_until(lambda: machine_state(hub, "a") in {"stopped", "absent"})
    hub.set_faults()
    hub.start_server("a")
    wait_until(lambda: machine_state(hub, "a") == "running")


def test_an_unexpected_failure_is_told_in_plain_words_too(hub):
    (hub.folder / "fake.json").write_text("{ no json")
    *_, last = start_and_watch(hub, "g")
    assert last["failed"] is True
    assert "Your machine could not be started. Please tell a facilitator." in last["message"]
    assert "Prévenez un encadrant" in last["html_message"]
    assert "JSON" not in json.dumps(last)
    assert "unexpected JSONDecodeError" in hub.log.read_text()


@pytest.mark.parametrize("phase", START_PHASES)
def test_a_start_cancelled_in_any_phase_leaves_nothing(hub, phase):
    hub.set_faults(hang_at=phase)
    request_start(hub, "b")
    for event in watch(hub, "b"):
        if event.get("phase") == phase:
            break
    answer = hub.api("DELETE", "users/b/server")
    assert answer.status_code in {202, 204}, answer.text
    wait_until(lambda: not hub.server("b"))
    wait_until(lambda: machine_state(hub, "b") in {"stopped", "absent"})
    hub.set_faults()
    hub.start_server("b")


def test_every_browser_sees_every_event_and_none_is_needed(hub):
    hub.set_faults(delays_s=SLOW_TO_SERVE)
    request_start(hub, "c")
    stream = watch(hub, "c")
    early = [next(stream) for _ in range(4)]
    stream.close()  # a tab that is closed while the machine starts
    whole = list(watch(hub, "c"))
    for event in (*early, *whole):
        event.pop("age_s", None)
    assert whole[: len(early)] == early
    assert [event["phase"] for event in whole if "phase" in event] == [*START_PHASES, "ready"]
    assert whole[-1]["ready"] is True
    percents = [event["progress"] for event in whole]
    assert percents == sorted(percents)


def test_the_second_start_knows_how_long_it_takes(tmp_path):
    with RunningHub(tmp_path, trainees=("d",)) as hub:
        hub.set_faults(delays_s=SLOW)
        hub.start_server("d")
        hub.stop_server("d")
        hub.set_faults(delays_s=SLOW_TO_SERVE)
        request_start(hub, "d")
        etas = [event["eta_s"] for event in watch(hub, "d") if "phase" in event]
    assert etas[0] >= sum(SLOW.values()) - 0.2
    assert etas == sorted(etas, reverse=True)
    assert etas[-1] == 0


def test_a_start_of_another_kind_is_promised_nothing_by_the_last(tmp_path):
    with RunningHub(tmp_path, trainees=("d",)) as hub:
        hub.set_faults(delays_s=SLOW, way="clone")
        hub.start_server("d")
        hub.stop_server("d")
        hub.set_faults(delays_s=SLOW_TO_SERVE, way="boot")
        request_start(hub, "d")
        events = [event for event in watch(hub, "d") if "phase" in event]
    power = [event["phase"] for event in events].index("power")
    assert None not in [event["eta_s"] for event in events[:power]]
    assert {event["eta_s"] for event in events[power:-1]} == {None}
    percents = [event["progress"] for event in events]
    assert percents == sorted(percents)


def test_a_start_that_takes_too_long_says_so(tmp_path):
    config = "c.VMSpawner.start_timeout = 12\n"
    with RunningHub(tmp_path, trainees=("a",), extra_config=config) as hub:
        hub.set_faults(hang_at="mounts")
        request_start(hub, "a")
        *_, last = watch(hub, "a")
        assert last["failed"] is True
        assert "was not ready in time" in last["message"]
        wait_until(lambda: machine_state(hub, "a") == "stopped")
        assert "the last phase was mounts" in hub.log.read_text()


SETTINGS = "Bad config encountered: no folder '/home/trainee/projet' <b>"


def test_a_server_that_its_settings_keep_from_serving_is_told_and_started_without_them(hub):
    """The page says why while it waits, the board and the list say it afterwards."""
    trouble = {"ends": 2, "is_plain": False, "line": SETTINGS}
    hub.set_faults(trouble={"a": trouble})
    request_start(hub, "a")
    events = []
    for event in watch(hub, "a"):
        events.append(event)
        if event.get("notice"):
            hub.set_faults(trouble={"a": {**trouble, "is_plain": True}})
    (notice,) = [event for event in events if event.get("notice")]
    assert "your own settings" in notice["message"].lower()
    assert html.escape(SETTINGS) in notice["html_message"]
    assert "vos propres réglages" in notice["html_message"].lower()
    assert events[-1]["ready"] is True
    wait_until(lambda: SETTINGS in machine_problem(hub, "a"))


def test_a_server_that_never_comes_up_is_given_up_with_its_reason(hub):
    hub.set_faults(trouble={"b": {"ends": 4, "is_plain": False, "line": SETTINGS}})
    request_start(hub, "b")
    *_, last = watch(hub, "b")
    assert last["failed"] is True
    assert "not even without your own settings" in last["message"]
    assert html.escape(SETTINGS) in last["html_message"]
    assert "même sans vos propres réglages" in last["html_message"]
    assert "<b>" not in last["html_message"]


@pytest.mark.parametrize("name", ["ada lovelace", "日本 ünï", "x" * 200, ".hidden", "-o", "a'b\"c"])
def test_any_user_name_gets_a_machine_of_its_own(hub, name):
    hub.add_user(name, "trainees")
    stored = quote(name, safe="")
    model = hub.api("GET", f"users/{stored}").json()
    hub.start_server(name)
    wait_until(lambda: machine_state(hub, model["name"]) == "running")
    state = hub.api("GET", f"users/{stored}").json()["servers"][""]["state"]["vmlab"]
    assert state["machine"] == machine_name(model["name"])
    hub.stop_server(name)


@pytest.mark.parametrize("name", ["../../etc", "a/b"])
def test_a_user_name_with_a_path_in_it_is_refused_with_words(hub, name):
    answer = hub.api("POST", f"users/{quote(name, safe='')}")
    assert answer.status_code == 409
    assert f"{name} is not in it" in answer.json()["message"]


def test_no_state_that_the_hub_shows_holds_a_token(hub):
    hub.start_server("f")
    token = hub.server_token("f")
    assert token not in json.dumps(hub.api("GET", "users/f").json())
    assert token not in hub.log.read_text()
