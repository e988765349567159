"""Machines in which nobody works: a real hub, the fake provider's activity."""

from __future__ import annotations

import time

import pytest

from fakes.waiting import wait_until
from hub.running_hub import RunningHub
from vmlab.names import machine_name
from vmlab.upkeep.idle.break_file import declare_break

# 6 s, warned 3 s ahead.
IDLE = "[idle]\nstop_after = 0.1"
LONG_AGO = 3600.0


@pytest.fixture
def hub(tmp_path):
    with RunningHub(tmp_path, lab_lines=IDLE) as running:
        yield running


def test_who_works_keeps_the_machine_and_who_does_not_is_warned_first(hub):
    hub.set_faults(idle_s={"ada": 0, "bob": LONG_AGO})
    hub.start_server("ada")
    hub.start_server("bob")
    wait_until(lambda: not hub.server("bob"))
    log = hub.log.read_text()
    bob = machine_name("bob")
    assert log.index(f"{bob}: warned, stop at") < log.index(f"{bob} is stopped: nobody has worked")
    assert hub.server("ada")["ready"]
    assert f"{machine_name('ada')}: warned" not in log


def test_a_break_suspends_it(hub):
    declare_break(hub.folder, time.time() + 3600)
    hub.set_faults(idle_s={"ada": LONG_AGO, "bob": LONG_AGO})
    hub.start_server("ada")
    answer = hub.api("GET", "vmlab/idle", token=hub.user_token("facilitator"))
    assert answer.json()["is_break"] is True
    # As soon as it ends, it takes effect; until then nothing was warned.
    assert "warned" not in hub.log.read_text()
    answer = hub.api("POST", "vmlab/idle", token=hub.user_token("facilitator"), json={"until": 0})
    assert answer.json()["is_break"] is False
    wait_until(lambda: not hub.server("ada"))


def test_who_may_declare_a_break(hub):
    for token in (hub.user_token("ada"), hub.user_token("admin", scopes=["admin-ui"])):
        answer = hub.api("POST", "vmlab/idle", token=token, json={"until": time.time() + 60})
        assert answer.status_code == 403
    assert hub.api("GET", "vmlab/idle", token=hub.user_token("ada")).status_code == 403
    for body in ({}, {"until": "x"}, {"until": True}, {"until": time.time() + 1e9}):
        answer = hub.api("POST", "vmlab/idle", token=hub.user_token("facilitator"), json=body)
        assert answer.status_code == 400, body
