"""A machine that reboots from inside, or crashes, comes back; one switched off does not."""

from __future__ import annotations

import pytest

from fakes.waiting import wait_until
from hub.running_hub import RunningHub

FAST = "c.VMSpawner.poll_interval = 1\n"


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    with RunningHub(folder, trainees=tuple("abcd"), extra_config=FAST) as running:
        yield running


def journal(hub) -> list[str]:
    file = hub.folder / "fake-journal.jsonl"
    return file.read_text().splitlines() if file.exists() else []


def machine_state(hub, user: str) -> str:
    rows = hub.api("GET", "vmlab/board", token=hub.kept_token("admin")).json()["rows"]
    return next((row["state"] for row in rows if row["user"] == user), "")


@pytest.mark.parametrize(("user", "cause"), [("a", "reboot"), ("b", "panic")])
def test_it_is_started_again_and_the_server_is_still_there(hub, user, cause):
    hub.set_faults(journal=True)
    hub.start_server(user)
    begun = len(journal(hub))
    hub.set_faults(journal=True, ends={user: cause})
    wait_until(lambda: len(journal(hub)) == begun + 2)
    wait_until(lambda: machine_state(hub, user) == "running")
    assert hub.server(user)["ready"], "never given up"
    assert f"desk-{user}" in hub.log.read_text()
    assert f"restarted after a {cause} from inside" in hub.log.read_text()
    hub.stop_server(user)


def test_who_switches_the_machine_off_has_it_off(hub):
    hub.set_faults()
    hub.start_server("c")
    hub.set_faults(ends={"c": "poweroff"})
    wait_until(lambda: not hub.server("c"))
    assert machine_state(hub, "c") == "stopped"


def wait_until_started_again(hub, times: int) -> None:
    wait_until(lambda: count(hub, "d", "restarted after a panic") == times)


def test_a_machine_that_does_nothing_but_crash_is_let_go(hub):
    hub.set_faults()
    hub.start_server("d")
    for number in range(3):
        hub.set_faults(ends={"d": f"panic {number}"})
        wait_until_started_again(hub, number + 1)
        wait_until(lambda: machine_state(hub, "d") == "running")
    hub.set_faults(ends={"d": "panic 3"})
    wait_until(lambda: not hub.server("d"))
    assert count(hub, "d", "not started again: panic once more") >= 1


def count(hub, user: str, words: str) -> int:
    lines = hub.log.read_text().splitlines()
    return sum(f"desk-{user}" in line and words in line for line in lines)
