"""Templates, clones and the pool, with real QEMU and the tiny guest; faults at every place."""

from __future__ import annotations

import asyncio
import json
import os
from contextlib import aclosing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fakes.benches import Bench, kill_all, open_bench, start, start_until
from fakes.tiny_cache import copy_template, own_cache, spare
from fakes.tiny_guest import make_tiny_image
from vmlab.model import MachineState
from vmlab.providers.qemu.process import launch
from vmlab.providers.qemu.process.confine import POOL_TRANSLATION_BUFFER_MIB, machine_limits
from vmlab.providers.qemu.process.launch import launch_shim
from vmlab.providers.qemu.provider import QemuProvider
from vmlab.providers.qemu.warm import template as templates
from vmlab.providers.qemu.warm.template import (
    TemplateError,
    find_failures,
    is_suspect,
    list_templates,
    note_failure,
)
from vmlab_protocol.phases import Phase

pytestmark = pytest.mark.vm


@pytest.fixture
def cache(tiny_cache):
    """A cache of its own without a template: these tests damage what is in it."""
    with own_cache(tiny_cache) as folder:
        yield folder


@pytest.fixture
async def bench(cache, failed):
    async with open_bench("qemu", cache, failed) as made:
        yield made
        await made.provider.drain()


@pytest.fixture
def template(bench, tiny_cache):
    """A template of this bench's own."""
    return copy_template(tiny_cache, bench.settings.cache)


def style(bench: Bench, name: str = "desk-ada-0") -> str:
    record = bench.settings.state / "machines" / name / "machine.json"
    return str(json.loads(record.read_text())["style"])


async def ways(bench: Bench, spec) -> set[str]:
    """Start; return how the machine was said to be started."""
    async with aclosing(bench.provider.start(spec, bench.seed())) as events:
        return {event.way async for event in events if event.way}


def with_settings(bench: Bench, **changes: Any) -> QemuProvider:
    return QemuProvider(bench.settings.with_options(**changes))


async def fill(provider: QemuProvider, bench: Bench) -> None:
    """Fill the pool as the hub's upkeep does."""
    host, image = await provider._planner.look(bench.image)
    while await provider._upkeep.run_once(host, spare(bench), image):
        pass


async def test_a_first_start_is_a_clone_and_a_later_one_boots_its_own_disk(bench, template):
    assert template.measured is not None
    assert template.measured.pss_mib > 0
    spec = bench.spec()
    assert await ways(bench, spec) == {"clone"}
    assert style(bench) == "clone"
    await bench.provider.stop(spec.name)
    assert await ways(bench, spec) == {"boot"}
    assert style(bench) == "boot", "its disk is the trainee's by now"


async def test_a_second_wish_for_a_template_finds_it(bench, template):
    assert await bench.provider.make_template(spare(bench)) == template


async def test_two_processes_that_want_a_template_make_one(bench):
    others = [bench.provider, bench.again()]
    made = await asyncio.gather(*(other.make_template(spare(bench)) for other in others))
    assert made[0] == made[1]
    assert len(list_templates(bench.settings.cache / "templates")) == 1


@pytest.mark.parametrize("file", ["memory", "devices", "root.qcow2"])
async def test_a_truncated_template_is_not_used(bench, template, file, caplog):
    os.truncate(template.folder / file, 4096)
    await start(bench.provider, bench.spec(), bench.seed())
    assert style(bench) == "boot"
    assert "has 4096 bytes instead of" in caplog.text


async def test_a_template_that_somebody_wrote_to_is_not_used(bench, template, caplog):
    stat = template.memory.stat()
    with template.memory.open("r+b") as file:
        file.seek(2**20)
        file.write(b"evil")
    os.utime(template.memory, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    await start(bench.provider, bench.spec(), bench.seed())
    assert style(bench) == "boot"
    assert "was changed after it was made" in caplog.text


async def test_files_that_are_gone_mean_a_boot_and_a_new_template(bench, template, caplog):
    template.memory.unlink()  # as after a restart of the host, had they been on tmpfs
    await start(bench.provider, bench.spec(), bench.seed())
    assert style(bench) == "boot"
    assert "is gone" in caplog.text
    again = await bench.provider.make_template(spare(bench))
    assert again.folder != template.folder
    other = bench.spec("desk-bob-0", "home-bob-0")
    await start(bench.provider, other, bench.seed())
    assert style(bench, other.name) == "clone"


@pytest.mark.parametrize(
    ("fact", "value"), [("qemu", "QEMU emulator version 1.0"), ("processor", "Z80 00000000")]
)
async def test_a_template_of_another_qemu_or_processor_is_not_used(
    bench, template, fact, value, caplog
):
    foreign = replace(template, kind=replace(template.kind, **{fact: value}))
    templates.write_template(foreign)
    await start(bench.provider, bench.spec(), bench.seed())
    assert style(bench) == "boot"
    assert f"{fact} '{value}'" in caplog.text


async def test_devices_that_qemu_refuses_mean_a_boot(bench, template, caplog):
    template.devices.write_bytes(b"no state of devices" * 100)
    marks = {name: templates.read_mark(template.folder / name) for name in template.marks}
    templates.write_template(replace(template, marks=marks))
    phases = await start(bench.provider, bench.spec(), bench.seed())
    assert phases.count(Phase.POWER) == 2
    assert style(bench) == "boot"
    assert find_failures(template) == ["desk-ada-0"]
    made_anew = await bench.provider.make_template(spare(bench))
    assert made_anew.folder != template.folder, "a clone was tried, and it failed too"
    assert list_templates(bench.settings.cache / "templates") == [made_anew]


async def test_an_agent_that_does_not_answer_after_resume_means_a_boot(bench, template, caplog):
    hasty = bench.again(resume_s=0.0)
    phases = await start(hasty, bench.spec(), bench.seed())
    assert phases.count(Phase.POWER) == 2
    assert style(bench) == "boot"
    assert "no answer within 0 s" in caplog.text
    assert find_failures(template) == ["desk-ada-0"]
    await bench.provider.delete(bench.spec().name)
    assert await ways(bench, bench.spec()) == {"clone"}, (
        "one slow clone is no fault of the template"
    )
    assert find_failures(template) == []


async def test_a_template_whose_clones_fail_in_a_row_is_tried_before_it_goes(bench, template):
    for machine in ("desk-bob-0", "desk-dan-0", "desk-eve-0"):
        assert not is_suspect(template)
        note_failure(template, machine)
    note_failure(template, "desk-eve-0")
    assert is_suspect(template)
    assert await ways(bench, bench.spec()) == {"boot"}, "nobody else waits for it in vain"
    said: list[str] = []
    assert await bench.provider.make_template(spare(bench), said.append) == template
    assert said == ["trying a clone, since desk-bob-0, desk-dan-0, desk-eve-0 did not start as one"]
    assert not is_suspect(template)


async def test_an_image_that_cannot_park_says_so_and_leaves_nothing(bench, desk_image):
    images = bench.settings.cache / "images"
    make_tiny_image(desk_image, images, version="3", knobs="TINY_NOPARK")
    with pytest.raises(TemplateError, match="asked not to park") as caught:
        await bench.provider.make_template(spare(bench))
    assert "tiny guest: up" in str(caught.value), "the end of its console"
    left = [p for p in (bench.settings.cache / "templates").iterdir() if p.is_dir()]
    assert left == []


async def test_a_cut_parking_is_cleared_away(bench, template):
    provider = bench.again()
    templates.drop_template(template)
    steps: asyncio.Queue[str] = asyncio.Queue()
    parking = asyncio.create_task(provider.make_template(spare(bench), steps.put_nowait))
    while await steps.get() != "booting":
        pass
    parking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await parking
    folder = bench.settings.cache / "templates"
    assert not [p for p in folder.iterdir() if p.name.endswith((".new", ".try"))]
    assert (await bench.provider.make_template(spare(bench))).folder.is_dir()


async def test_a_clone_that_was_cut_before_its_guest_ran_is_made_anew(bench, template):
    spec = bench.spec()
    await start_until(bench.provider, spec, bench.seed(), Phase.BOOT)
    record = bench.settings.state / "machines" / spec.name / "machine.json"
    cut = {**json.loads(record.read_text()), "stage": "powered"}
    record.write_text(json.dumps(cut))  # as when the hub is killed before the guest runs
    await start(bench.again(), spec, bench.seed())
    assert style(bench) == "clone"


async def test_cold_styles_are_never_clones(bench, template):
    provider = with_settings(bench, start_style="boot")
    await start(provider, bench.spec(), bench.seed())
    assert style(bench) == "boot"


# -- the pool ------------------------------------------------------------------------------------


async def test_a_machine_of_the_pool_becomes_the_trainees(bench):
    provider = with_settings(bench, pool=2)
    await fill(provider, bench)
    assert provider.pool.state(2).ready == 2
    spec = bench.spec()
    await start(provider, spec, bench.seed())
    assert style(bench) == "pool"
    status = (await provider.status([spec.name]))[spec.name]
    assert (status.state, status.owner) == (MachineState.RUNNING, "ada")
    assert provider.pool.state(2).ready == 1
    await fill(provider, bench)
    assert provider.pool.state(2).ready == 2, "it is filled again"
    await provider.stop(spec.name)
    assert (await provider.status([spec.name]))[spec.name].state is MachineState.STOPPED
    await provider.drain()
    assert provider.pool.state(2) == type(provider.pool.state(2))(2, 0, 0)


async def test_a_machine_of_the_pool_is_admitted_with_all_that_it_may_take(bench, monkeypatch):
    provider = with_settings(bench, pool=1)
    promised = []

    async def look(plan, config):
        machines = (await provider._planner.memory.facts()).machines
        promised.extend(m.limit_mib for m in machines if m.folder == str(plan.machine.path))
        return await launch_shim(plan, config)

    monkeypatch.setattr(launch, "launch_shim", look)
    await fill(provider, bench)
    mib = spare(bench).memory_mib
    (usual, pools) = (machine_limits(mib, 1), machine_limits(mib, 1, POOL_TRANSLATION_BUFFER_MIB))
    assert promised[-1] == pools.memory_mib > usual.memory_mib
    assert {*promised[:-1]} == {usual.memory_mib}, "the template and its trial"


async def test_one_machine_of_the_pool_goes_to_one_of_two(bench):
    provider = with_settings(bench, pool=1)
    await fill(provider, bench)
    specs = [bench.spec(), bench.spec("desk-bob-0", "home-bob-0")]
    other = with_settings(bench, pool=1)
    await asyncio.gather(
        start(provider, specs[0], bench.seed()), start(other, specs[1], bench.seed())
    )
    assert sorted(style(bench, spec.name) for spec in specs) == ["clone", "pool"]


async def test_a_new_image_drains_the_pool(bench, desk_image):
    provider = with_settings(bench, pool=1)
    await fill(provider, bench)
    (old,) = (bench.settings.state / "pool").iterdir()
    make_tiny_image(desk_image, bench.settings.cache / "images", version="2")
    spec = bench.spec()
    await start(provider, spec, bench.seed())
    assert style(bench) == "boot", "the pool's machine is of the old image"
    await fill(provider, bench)
    (new,) = (bench.settings.state / "pool").iterdir()
    assert new != old
    assert provider.pool.state(1).ready == 1


async def test_a_dead_machine_of_the_pool_is_passed_over(bench):
    provider = with_settings(bench, pool=1)
    await fill(provider, bench)
    (folder,) = (bench.settings.state / "pool").iterdir()
    await end_abruptly(folder)
    await start(provider, bench.spec(), bench.seed())
    assert style(bench) == "clone"


async def test_a_machine_that_misses_its_deadline_is_kept_for_diagnosis(bench, template, caplog):
    provider = QemuProvider(
        bench.settings.with_options(pool=1),
        bench.deadlines(resume_s=0.0),
    )
    with pytest.raises(Exception, match="no answer within 0 s"):
        await fill(provider, bench)
    assert provider.pool.state(1) == type(provider.pool.state(1))(1, 0, 0)
    (kept,) = (bench.settings.state / "pool-failed").iterdir()
    assert (kept / "machine.json").exists()


async def test_a_claim_that_was_cut_is_no_loss(bench):
    provider = with_settings(bench, pool=1)
    await fill(provider, bench)
    spec = bench.spec()
    async with aclosing(provider.start(spec, bench.seed())) as events:
        async for event in events:
            if event.phase is Phase.VOLUME:
                break  # claimed, not awake yet
    await start(with_settings(bench, pool=1), spec, bench.seed())
    assert style(bench) == "clone"


async def end_abruptly(folder: Path) -> None:
    from vmlab.providers.qemu.machine.machine import Machine
    from vmlab.providers.qemu.process.ending import find_processes

    machine = Machine(folder)
    kill_all(find_processes(machine))
    async with asyncio.timeout(60):
        while machine.is_running():  # noqa: ASYNC110 - the kernel sends no event
            await asyncio.sleep(0.01)
