"""The line for start slots, against a real hub: a class that starts at once."""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from fakes.waiting import wait_until
from hub.running_hub import RunningHub
from vmlab.names import machine_name
from vmlab.providers.fake import START_PHASES

CLASS = tuple(f"t{number:02d}" for number in range(20))
SLOTS = 2
TWO_SLOTS = f"c.VMSpawner.start_slots = {SLOTS}\n"


@pytest.fixture
def hub(tmp_path) -> Iterator[RunningHub]:
    with RunningHub(tmp_path, trainees=CLASS, extra_config=TWO_SLOTS) as running:
        yield running


def request_starts(hub, names) -> list[int]:
    """Ask for all of them at once; the hub's answers."""

    def request(name: str) -> int:
        return hub.api("POST", f"users/{name}/server").status_code

    with ThreadPoolExecutor(len(names)) as pool:
        return list(pool.map(request, names))


def servers(hub) -> dict[str, dict]:
    """The servers that are there or to come, by user; empty for users without one."""
    users = hub.api("GET", "users").json()
    return {user["name"]: user["servers"].get("", {}) for user in users}


def count_ready(hub) -> int:
    return sum(bool(server.get("ready")) for server in servers(hub).values())


def board(hub) -> dict[str, dict]:
    rows = hub.api("GET", "vmlab/board", token=hub.kept_token("admin")).json()["rows"]
    return {row["user"]: row for row in rows}


def journal(hub) -> list[dict]:
    file = hub.folder / "fake-journal.jsonl"
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def begun(hub) -> list[str]:
    return [line["machine"] for line in journal(hub) if line["event"] == "begin"]


def watch(hub, user: str):
    """The events of a start as a browser gets them, until the hub ends the stream."""
    answer = hub.api("GET", f"users/{user}/server/progress", stream=True)
    answer.raise_for_status()
    for line in answer.iter_lines(decode_unicode=True):
        if line.startswith("data:"):
            yield json.loads(line.removeprefix("data:"))


def test_a_whole_class_gets_ready_two_at_a_time(hub):
    hub.set_faults(delays_s={"boot": 0.1}, journal=True)
    answers = request_starts(hub, CLASS)
    assert set(answers) <= {201, 202}, "nobody is sent away with 429"
    wait_until(lambda: count_ready(hub) == len(CLASS))
    lines = journal(hub)
    assert sorted(begun(hub)) == sorted(machine_name(name) for name in CLASS)
    assert max(line["at_work"] for line in lines) == SLOTS


def test_the_line_is_first_come_first_served_and_can_be_left(hub):
    hub.set_faults(hang_at="boot", journal=True)
    for name in CLASS[:6]:
        request_starts(hub, [name])
    wait_until(lambda: len(begun(hub)) == SLOTS)
    wait_until(lambda: [board(hub)[name]["place"] for name in CLASS[:6]][2:] == [1, 2, 3, 4])
    assert {board(hub)[name]["state"] for name in CLASS[2:6]} == {"waiting"}
    # One in the middle of the line gives up, and one at work.
    for name in (CLASS[3], CLASS[0]):
        assert hub.api("DELETE", f"users/{name}/server").status_code in {202, 204}
    wait_until(lambda: len(begun(hub)) == SLOTS + 1)
    hub.set_faults(journal=True)
    assert hub.api("DELETE", f"users/{CLASS[1]}/server").status_code in {202, 204}
    wait_until(lambda: len(begun(hub)) >= 4)
    hub.stop_server(CLASS[2])  # it hangs: it began before the fault was taken away
    wait_until(lambda: count_ready(hub) == 2)
    expected = [machine_name(CLASS[number]) for number in (0, 1, 2, 4, 5)]
    order = begun(hub)
    # Two have a slot at once: which of them gets to its provider first is nobody's promise.
    assert sorted(order[:SLOTS]) == sorted(expected[:SLOTS])
    assert order[SLOTS:] == expected[SLOTS:]
    assert servers(hub)[CLASS[3]] == {}


def test_who_waits_is_told_the_place_and_the_time(hub):
    hub.set_faults(delays_s={"boot": 6.0})
    hub.start_server(CLASS[0])  # from now on there is history
    request_starts(hub, CLASS[1:4])
    with ThreadPoolExecutor(3) as pool:
        events = list(pool.map(lambda name: list(watch(hub, name)), CLASS[1:4]))
    (late,) = [told for told in events if any("position" in event for event in told)]
    queued = next(event for event in late if "position" in event)
    assert queued["phase"] == "queue"
    assert queued["position"] == 1
    assert queued["eta_s"] >= 1.0
    assert "You are number 1 in the queue" in queued["html_message"]
    assert "Vous êtes numéro 1 dans la file" in queued["html_message"]
    percents = [event["progress"] for event in late]
    assert percents == sorted(percents)
    assert late[-1]["ready"] is True


@pytest.mark.attack("starts.slots", "as many servers as there are slots never come up")
def test_servers_that_do_not_come_up_stop_no_class(hub):
    """As many as there are slots: their machines are seeded, so that others have their turn."""
    stuck = {"ends": 2, "is_plain": False, "line": "no such folder"}
    hub.set_faults(trouble=dict.fromkeys(CLASS[:SLOTS], stuck), journal=True)
    request_starts(hub, CLASS[:SLOTS])
    wait_until(lambda: len(begun(hub)) == SLOTS)
    request_starts(hub, CLASS[SLOTS:])
    wait_until(lambda: count_ready(hub) == len(CLASS) - SLOTS)
    assert [servers(hub)[name]["pending"] for name in CLASS[:SLOTS]] == ["spawn"] * SLOTS


def test_who_waits_behind_a_start_of_unknown_length_is_promised_no_time(tmp_path):
    config = "c.VMSpawner.start_slots = 1\n"
    with RunningHub(tmp_path, trainees=CLASS, extra_config=config) as hub:
        hub.start_server(CLASS[0])  # from now on there is history
        hub.set_faults(hang_at="boot", journal=True)
        request_starts(hub, CLASS[1:2])
        wait_until(lambda: begun(hub))
        request_starts(hub, CLASS[2:3])
        for event in watch(hub, CLASS[2]):
            if event.get("position") and event["eta_s"] is None:
                break
        else:
            pytest.fail("a time was told that nobody knows")
        assert event["message"] == "You are number 1 in the queue"


def test_failures_lose_no_slot(hub):
    hub.set_faults(delays_s={"boot": 0.05}, fail_at="mounts")
    request_starts(hub, CLASS[:6])
    wait_until(lambda: not any(server.get("pending") for server in servers(hub).values()))
    hub.set_faults(delays_s={"boot": 0.05}, journal=True)
    request_starts(hub, CLASS[:6])
    wait_until(lambda: count_ready(hub) == 6)
    assert max(line["at_work"] for line in journal(hub)) == SLOTS


def test_waiting_does_not_use_up_the_time_to_start(tmp_path):
    """Ten starts of 1.5 s through one slot, with 10 s for each: the last waits for longer."""
    config = "c.VMSpawner.start_slots = 1\nc.VMSpawner.machine_timeout = 10\n"
    with RunningHub(tmp_path, trainees=CLASS, extra_config=config) as hub:
        hub.set_faults(delays_s={"boot": 1.5})
        request_starts(hub, CLASS[:10])
        wait_until(lambda: count_ready(hub) == 10)


def test_waiting_has_a_limit_of_its_own(tmp_path):
    config = "c.VMSpawner.start_slots = 1\nc.VMSpawner.queue_timeout = 1\n"
    with RunningHub(tmp_path, trainees=CLASS, extra_config=config) as hub:
        hub.set_faults(hang_at="boot")
        request_starts(hub, CLASS[:1])
        request_starts(hub, CLASS[1:2])
        *_, last = watch(hub, CLASS[1])
        assert last["failed"] is True
        assert "your turn did not come in time" in last["message"]
        assert hub.server(CLASS[0])["pending"] == "spawn"
        hub.stop_server(CLASS[0])
        hub.set_faults()
        hub.start_server(CLASS[1])


def test_a_hub_that_is_killed_while_a_class_waits_leaves_nothing_over(hub):
    hub.set_faults(delays_s=dict.fromkeys(START_PHASES, 60.0), journal=True)
    request_starts(hub, CLASS)
    wait_until(lambda: len(begun(hub)) == SLOTS)
    assert sum(server["pending"] == "spawn" for server in servers(hub).values() if server) == 20
    hub.stop(signal.SIGKILL)
    (hub.folder / "fake-journal.jsonl").unlink()
    hub.set_faults(delays_s={"boot": 0.05}, journal=True)
    hub.start()
    wait_until(lambda: not any(servers(hub).values()))
    for name in CLASS:
        notes = [
            token["note"] for token in hub.api("GET", f"users/{name}/tokens").json()["api_tokens"]
        ]
        assert notes == [], name
    assert begun(hub) == [], "nothing starts by itself"
    request_starts(hub, CLASS)
    wait_until(lambda: count_ready(hub) == len(CLASS))
    assert max(line["at_work"] for line in journal(hub)) == SLOTS
