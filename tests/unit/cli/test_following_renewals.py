"""Following a renewal through whatever happens to the hub meanwhile."""

from __future__ import annotations

import pytest

from vmlab.cli.replaced import follow_renewal
from vmlab.errors import MachineConflictError
from vmlab.hub.access import HubAccess
from vmlab.hub.answers import HubAbsentError
from vmlab.web.api.renewal import NO_RENEWAL

AWAY = HubAbsentError(HubAccess("http://127.0.0.1:1", "t"), "refused")
OLD, NEW = "desk-ada-0-20260101T000000Z", "desk-ada-0-20260102T000000Z"


def answer(stage: str, kept: str = "") -> dict:
    return {**NO_RENEWAL, "machine": "desk-ada-0", "stage": stage, "kept": kept}


class Hub:
    """Gives these answers, one after the other; an error is raised."""

    def __init__(self, *answers: dict | Exception) -> None:
        self._answers = list(answers)
        self.asked: list[str] = []

    def __call__(self, method: str) -> dict:
        self.asked.append(method)
        given = self._answers.pop(0)
        if isinstance(given, Exception):
            raise given
        return given


def follow(hub: Hub, *kept: set[str]) -> tuple[str, bool]:
    looks = list(kept)
    return follow_renewal(hub, lambda: looks.pop(0), look_s=0)


def test_it_is_looked_at_until_it_is_over():
    hub = Hub(answer("stopping"), answer("aside"), answer("starting", NEW))
    assert follow(hub, {OLD}) == (NEW, True)
    assert hub.asked == ["POST", "GET", "GET"]


def test_a_restarted_hub_is_asked_to_begin_again():
    hub = Hub(answer("stopping"), AWAY, AWAY, NO_RENEWAL, answer("stopping"), answer("done", NEW))
    assert follow(hub, {OLD}, {OLD}) == (NEW, False)
    assert hub.asked == ["POST", "GET", "GET", "GET", "POST", "GET"]


def test_a_machine_that_is_set_aside_already_is_not_replaced_again():
    hub = Hub(answer("aside"), NO_RENEWAL)
    assert follow(hub, {OLD}, {OLD, NEW}) == (NEW, False)
    assert hub.asked == ["POST", "GET"], "the new machine is not set aside, too"


def test_a_failure_is_one():
    with pytest.raises(MachineConflictError):
        follow(Hub(answer("stopping"), answer("failed")), set())


def test_a_hub_that_does_not_run_at_first_is_not_waited_for():
    with pytest.raises(HubAbsentError):
        follow(Hub(AWAY), set())
