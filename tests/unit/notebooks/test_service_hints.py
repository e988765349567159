"""The service of the first course: each way to go wrong has the hint that leads on."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from fakes.waiting import wait_until
from lab.exercise import Exercise, load_steps
from lab.look import Service, process

FOLDER = Path(__file__).parents[3] / "notebooks/first-steps/02-processes-and-services"
GOOD = Service("loaded", "active", "enabled", 7, "always", 1, "success", reload_needed=False)


@pytest.fixture
def course(monkeypatch, tmp_path):
    steps = load_steps(Exercise("first-steps", FOLDER.name, 1, FOLDER))
    module = sys.modules[steps["survive"].__module__]
    unit = tmp_path / "counter.service"
    unit.touch()
    monkeypatch.setattr(module, "UNIT_FILE", unit)
    monkeypatch.setattr(module, "SETTLE_S", 0.0)

    def judge(step: str, state: Service):
        monkeypatch.setattr(module, "service", lambda _name: state)
        return steps[step]()

    judge.steps = steps  # type: ignore[attr-defined]  # for tests of one step
    return judge


KILLED = {"active": "failed", "result": "signal", "ended": True}
ENDED = {"active": "inactive", "ended": True, "restarts": 0}


@pytest.mark.parametrize(
    ("step", "changes", "hint"),
    [
        ("service", {"load": "masked"}, "unmask"),
        ("service", {"reload_needed": True}, "daemon-reload"),
        ("service", {"load": "bad-setting"}, "full path"),
        ("service", {"active": "inactive"}, "enable --now"),
        ("service", {"enabled": "disabled"}, "WantedBy"),
        ("service", ENDED, "must keep running"),
        ("service", {"active": "activating", "restarts": 3}, "again and again"),
        ("service", {"active": "failed", "result": "start-limit-hit"}, "again and again"),
        ("service", {"active": "failed", "result": "exit-code"}, "(exit-code)"),
        ("service", KILLED, "It was killed"),
        ("survive", {"load": "not-found"}, "step `service`"),
        ("survive", {"restart": "no"}, "Restart=always"),
        ("survive", {**KILLED, "restart": "no", "restarts": 0}, "Restart=always"),
        ("survive", {**ENDED, "restart": "no"}, "systemctl start counter"),
        ("survive", {**ENDED, "restart": "on-failure"}, "counts as a clean exit"),
        ("survive", {**ENDED, "restart": "on-abort"}, "counts as a clean exit"),
        ("survive", {"active": "inactive", "restarts": 0}, "systemctl stop"),
        ("survive", {"active": "activating", "restarts": 1}, "in a few seconds"),
        ("survive", {"active": "activating", "restarts": 5}, "again and again"),
        ("survive", {"restarts": 0}, "never had to"),
    ],
)
def test_hints(course, step, changes, hint):
    outcome = course(step, replace(GOOD, **changes))
    assert not outcome.passed
    assert hint in outcome.en
    assert outcome.fr


@pytest.mark.parametrize("step", ["service", "survive"])
def test_a_good_service_passes(course, step):
    assert course(step, GOOD).passed


def test_another_process_than_the_notebooks_own_is_not_it(course):
    start = course.steps["start"]
    own = subprocess.Popen(["sleep", "3600"])
    # A shell's child, as of somebody who looked for a number in a terminal.
    other = subprocess.Popen(
        ["/bin/sh", "-c", "sleep 3600 & echo $!; wait"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert other.stdout is not None
        number = int(other.stdout.readline())
        wait_until(lambda: (found := process(number)) and found.name == "sleep")
        assert start(own).passed
        assert start(own.pid).passed
        outcome = start(number)
        assert not outcome.passed
        assert f"its parent is {other.pid}" in outcome.en
        assert not start(os.getpid()).passed
    finally:
        own.kill()
        os.kill(number, 9)
        own.wait()
        other.wait()
        other.stdout.close()
