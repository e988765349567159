"""The hub's jobs in a real hub: what fails for one stops nobody's care, and others can see it."""

from __future__ import annotations

import signal

import pytest

from fakes.hostile_server import HostileServer
from fakes.waiting import wait_until
from hub.running_hub import RunningHub
from vmlab.system.job_states import JobState, read_jobs

# 6 s, warned 3 s ahead.
IDLE = "[idle]\nstop_after = 0.1"
LONG_AGO = 3600.0

FAULTS = """
from vmlab.upkeep import housekeeping
from vmlab.providers.fake import FakeProvider

activity, warn = FakeProvider.activity, FakeProvider.warn


async def break_at_first(self, names, asked=[]):
    asked.append(names)
    if len(asked) <= 2:
        return {name: float(10**400) for name in ["x"]}
    return await activity(self, names)


async def not_eve(self, name, stop_at):
    if "eve" in name:
        raise ZeroDivisionError("a mistake")
    await warn(self, name, stop_at)


async def broken(slots):
    raise RecursionError("too deep")


FakeProvider.activity, FakeProvider.warn = break_at_first, not_eve
housekeeping._wait_until_quiet = broken
"""


@pytest.fixture
def hub(tmp_path):
    with RunningHub(tmp_path, lab_lines=IDLE, extra_config=FAULTS) as running:
        yield running


def job(hub, name: str) -> JobState:
    report = read_jobs(hub.folder)
    return {each.name: each for each in report.jobs}[name] if report else JobState("", 0.0)


@pytest.mark.attack("jobs.go-on", "two rounds of idle stops and all of housekeeping's fail")
def test_jobs_go_on_and_tell_what_fails(hub):
    hub.set_faults(idle_s={"ada": 0, "bob": LONG_AGO, "eve": LONG_AGO})
    for name in ("ada", "bob", "eve"):
        hub.start_server(name)
    # A foreign exception at the first two looks; then eve, who cannot be warned, is passed over.
    wait_until(lambda: not hub.server("bob"))
    assert hub.server("ada")["ready"]
    assert hub.server("eve")["ready"]
    idle = wait_until(lambda: (found := job(hub, "idle machines")).passed_over and found)
    assert "eve" in idle.passed_over_why
    assert "ZeroDivisionError: a mistake" in idle.passed_over_why
    assert 0 < idle.last_failure < idle.last_success
    assert idle.error == "OverflowError: int too large to convert to float"
    house = job(hub, "housekeeping")
    assert (house.failures > 0, house.error) == (True, "RecursionError: too deep")
    assert job(hub, "reconcile").last_success > 0
    log = hub.log.read_text()
    assert log.count("ZeroDivisionError: a mistake") == 1
    hub.stop(signal.SIGKILL)
    assert job(hub, "idle machines").passed_over == 1


UNREADABLE = """
from vmlab.providers.fake import FakeProvider

status = FakeProvider.status
c.VMSpawner.http_timeout = 10


async def unreadable(self, names=None):
    if (folder / "unreadable").exists() and any("eve" in name for name in names or ()):
        raise RecursionError("too deep")
    return await status(self, names)


FakeProvider.status = unreadable
"""


@pytest.mark.attack("jobs.damaged-record", "one machine's state cannot be read while a hub starts")
def test_a_hub_starts_whatever_one_machine_looks_like(tmp_path):
    with RunningHub(tmp_path, extra_config=UNREADABLE) as hub:
        hub.start_server("eve")
        hub.stop(signal.SIGKILL)
        (tmp_path / "unreadable").touch()
        hub.start()
        hub.start_server("ada")
        assert "its state is unknown; assuming that it runs" in hub.log.read_text()
        assert "Failed to poll" not in hub.log.read_text()


ELSEWHERE = """

class Elsewhere(NotingSpawner):
    async def start(self):
        url = await super().start()
        return {url!r} if self.user.name == "eve" else url

    async def poll(self):
        return None if self.user.name == "eve" and self.server else await super().poll()

    async def get_url(self):
        return {url!r} if self.user.name == "eve" else await super().get_url()


c.JupyterHub.spawner_class = Elsewhere
"""


@pytest.mark.attack("jobs.own-machine", "a server says that it has an invalid version")
def test_a_hub_starts_whatever_version_a_server_says(tmp_path, tried):
    with HostileServer() as server:
        config = ELSEWHERE.format(url=server.url)
        with RunningHub(tmp_path, extra_config=config) as hub:
            hub.start_server("eve")
            for version in ("none", "9" * 5000):
                server.version = version
                hub.stop(signal.SIGKILL)
                hub.start()
                assert hub.server("eve")["ready"]
                tried(1)
