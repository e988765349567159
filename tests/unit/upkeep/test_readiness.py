"""What is made ready ahead for trainees to come, as long as the hub runs."""

from __future__ import annotations

import asyncio
import time

import pytest

from fakes.waiting import LIMIT_S
from vmlab.errors import HostError
from vmlab.lab.lab import parse_lab
from vmlab.model import MachineRole, MachineSpec
from vmlab.paths import Paths
from vmlab.providers import make_provider
from vmlab.providers.settings import provider_settings, spare_machines
from vmlab.system.job_states import JobHealth, JobState, read_jobs
from vmlab.upkeep import readiness
from vmlab.upkeep.readiness import start_preparing

LAB = """\
[provider]
name = "fake"

[machine]
memory = "300M"
cpus = 2
"""
HALF_AN_HOUR_S = 1800.0


class Upkeep:
    """The provider's upkeep: it takes as long as the test wants, and notes what was asked."""

    def __init__(self, lab, paths) -> None:
        self._lab, self.paths = lab, paths
        self.asked: asyncio.Queue[MachineSpec] = asyncio.Queue()
        self.go_on = asyncio.Event()
        self.error: Exception | None = None

    async def upkeep(self, spec: MachineSpec) -> None:
        self.asked.put_nowait(spec)
        await self.go_on.wait()
        if self.error:
            raise self.error

    def begin(self) -> None:
        start_preparing(self._lab, self.paths)

    async def next_round(self) -> MachineSpec:
        async with asyncio.timeout(LIMIT_S):
            return await self.asked.get()

    async def report(self, health: JobHealth) -> JobState:
        """Return what the hub tells of the job, once that is this."""
        async with asyncio.timeout(LIMIT_S):
            while True:
                jobs = await asyncio.to_thread(read_jobs, self.paths.state)
                if jobs and jobs.jobs[0].health(time.time()) is health:
                    return jobs.jobs[0]
                await asyncio.sleep(0.01)


@pytest.fixture
def upkeep(tmp_path, monkeypatch):
    lab, paths = parse_lab(LAB, tmp_path / "lab.toml"), Paths(tmp_path, tmp_path)
    made = Upkeep(lab, paths)
    provider = make_provider(provider_settings(lab, paths))
    monkeypatch.setattr(provider, "upkeep", made.upkeep)
    monkeypatch.setattr(readiness, "_PERIOD_S", 0.0)
    return made


async def test_what_is_made_ready_is_like_the_lab_s_machines_and_nobody_s(upkeep):
    upkeep.begin()
    spec = await upkeep.next_round()
    assert (spec.memory_mib, spec.cpus, spec.image) == (300, 2, "desk")
    assert spec.owner == ""
    assert spec.volume is None


def test_each_kind_of_machine_is_made_ready_once(tmp_path):
    text = """
    [[node]]
    count = 2
    [[node]]
    name = "large"
    memory = "1G"
    [server]
    """
    kinds = spare_machines(parse_lab(text, tmp_path / "lab.toml"))
    assert [(kind.image, kind.memory_mib, kind.role) for kind in kinds] == [
        ("desk", 512, MachineRole.DESK),
        ("desk", 1024, MachineRole.NODE),
        ("server", 512, MachineRole.SERVER),
    ]


async def test_a_round_follows_the_other_and_two_are_never_at_once(upkeep):
    upkeep.begin()
    first = await upkeep.next_round()
    for _ in range(20):
        await asyncio.sleep(0)
    assert upkeep.asked.empty(), "the first one has not ended"
    upkeep.go_on.set()
    assert [await upkeep.next_round() for _ in range(3)] == [first] * 3


async def test_a_round_that_fails_is_told_and_another_follows_within_a_minute(upkeep):
    upkeep.error = HostError("no room for a template")
    upkeep.go_on.set()
    upkeep.begin()
    await upkeep.next_round()
    told = await upkeep.report(JobHealth.FAILS)
    assert (told.name, told.error) == ("template and pool", "no room for a template")
    assert 0 < told.next_round - told.last_failure < 61


async def test_an_hour_of_waiting_for_an_idle_host_is_in_order(upkeep):
    begun = time.time()
    upkeep.begin()
    await upkeep.next_round()
    job = await upkeep.report(JobHealth.IN_ORDER)
    assert job.health(begun + 2 * HALF_AN_HOUR_S) is JobHealth.IN_ORDER
    assert job.health(job.due_by + 1) is JobHealth.SILENT


def test_other_commands_read_the_same_configuration_and_begin_nothing(upkeep):
    upkeep.begin()
    assert upkeep.asked.empty()
    assert list(upkeep.paths.state.iterdir()) == []
