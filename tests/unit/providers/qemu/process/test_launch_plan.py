"""What a launch is planned with: command line, limits, cgroups, and the promise of memory."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vmlab.errors import HostError
from vmlab.images.store import Image
from vmlab.model import Bandwidth, MachineSpec, StartStyle
from vmlab.paths import Paths
from vmlab.providers.qemu.machine.machine import Machine, Record, Stage, TemplateFiles
from vmlab.providers.qemu.process.accelerator import DEADLINES, Accelerator
from vmlab.providers.qemu.process.admission import Memory, read_limit_mib
from vmlab.providers.qemu.process.argv import QMP_FD
from vmlab.providers.qemu.process.confine import (
    POOL_TRANSLATION_BUFFER_MIB,
    TRANSLATION_BUFFER_MIB,
    Confinement,
    Limits,
    Priority,
    machine_limits,
    plan_cgroups,
    weight_files,
)
from vmlab.providers.qemu.process.launch import launch, make_shim_config
from vmlab.providers.qemu.process.plan import Host, plan_launch
from vmlab.system.worker import WorkerUser

MACHINE = Machine(Path("/s/machines/desk-ada-0"))
POOL_MACHINE = Machine(Path("/s/pool/pool-1"))
TEMPLATE = TemplateFiles(Path("/c/templates/t"))
PARKED = Path("/c/templates/new/memory")
SPEC = MachineSpec(
    "desk-ada-0", "ada", "tiny", 512, 2, False, None, bandwidth=Bandwidth(7, 300, 80)
)
WORKER = WorkerUser(70_001, 70_000, drop=True)
LIMITS = Limits(memory_mib=832, cpus=1.5, tasks=77)
NEAR = ["10.0.0.0/8"]


@pytest.fixture
def image() -> Image:
    return Image(
        name="tiny",
        version="1",
        recipe="",
        folder=Path("/c/images/tiny"),
        created=0.0,
        kernel_args="root=/dev/vda quiet",
        disk_size_mib=64,
        packages=0,
        build_s=0.0,
        files={},
    )


def make_host(
    accelerator: Accelerator = Accelerator.TCG,
    style: StartStyle = StartStyle.AUTO,
    confinement: Confinement = Confinement.CGROUP2,
) -> Host:
    return Host(
        paths=Paths(Path("/s"), Path("/c")),
        listeners=Path("/s/doors"),
        memory=Memory(Path("/c/promises")),
        accelerator=accelerator,
        qemu="QEMU emulator version 7.2",
        processor="cpu 0",
        group=70_000,
        style=style,
        deadlines=DEADLINES[accelerator],
        confinement=confinement,
    )


def value(argv: tuple[str, ...], option: str) -> str:
    return argv[argv.index(option) + 1]


def memory_file(argv: tuple[str, ...]) -> dict[str, object]:
    return json.loads(next(word for word in argv if '"ram0"' in word))


# Every way in which a machine is launched.
WAYS: dict[str, dict[str, Any]] = {
    "boot": {},
    "clone": {"template": TEMPLATE},
    "pool": {"template": TEMPLATE, "for_pool": True},
    "template": {"park_in": PARKED},
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("accelerator", Accelerator)
@pytest.mark.parametrize("style", [StartStyle.AUTO, StartStyle.PLAIN])
def test_what_is_promised_enforced_and_counted_is_one_number(image, way, accelerator, style):
    plan = plan_launch(MACHINE, SPEC, make_host(accelerator, style), image, **WAYS[way])
    assert read_limit_mib(plan.argv) == plan.limits.memory_mib, "as others count it when it runs"
    (folder,) = plan.cgroups.folders
    assert dict(plan.cgroups.settings)[folder / "memory.max"] == str(plan.limits.memory_mib * 2**20)


@pytest.mark.parametrize(
    ("accelerator", "way", "translation_mib"),
    [
        (Accelerator.TCG, "boot", TRANSLATION_BUFFER_MIB),
        (Accelerator.TCG, "clone", TRANSLATION_BUFFER_MIB),
        (Accelerator.TCG, "pool", POOL_TRANSLATION_BUFFER_MIB),
        (Accelerator.TCG, "template", TRANSLATION_BUFFER_MIB),
        (Accelerator.KVM, "pool", TRANSLATION_BUFFER_MIB),
    ],
)
def test_only_an_emulated_machine_of_the_pool_has_the_larger_buffer(
    image, accelerator, way, translation_mib
):
    plan = plan_launch(MACHINE, SPEC, make_host(accelerator), image, **WAYS[way])
    assert plan.limits == machine_limits(512, 2, translation_mib)
    expected = f"tcg,thread=multi,tb-size={translation_mib}"
    assert value(plan.argv, "-accel") == ("kvm" if accelerator is Accelerator.KVM else expected)


def test_a_boot(image):
    plan = plan_launch(MACHINE, SPEC, make_host(), image)
    assert plan.style is StartStyle.BOOT
    assert plan.base == image.disk
    assert plan.devices is None
    assert not plan.option_rom
    assert plan.priority is Priority.START
    assert value(plan.argv, "-kernel") == str(image.kernel)
    assert value(plan.argv, "-initrd") == str(image.initrd)
    assert value(plan.argv, "-append").startswith("root=/dev/vda quiet")
    assert memory_file(plan.argv)["qom-type"] == "memory-backend-ram"
    assert plan.argv[-1] == "-S"


def test_a_plain_boot_is_a_distributions_own(image):
    plan = plan_launch(MACHINE, SPEC, make_host(style=StartStyle.PLAIN), image)
    assert plan.style is StartStyle.PLAIN
    assert plan.option_rom
    assert value(plan.argv, "-initrd") == str(image.generic_initrd)


def test_a_clone_begins_with_a_templates_memory_devices_and_disk(image):
    plan = plan_launch(MACHINE, SPEC, make_host(), image, template=TEMPLATE)
    assert plan.style is StartStyle.CLONE
    assert (plan.base, plan.devices) == (TEMPLATE.root_disk, TEMPLATE.devices)
    found = memory_file(plan.argv)
    assert (found["mem-path"], found["share"]) == ("/c/templates/t/memory", False)
    assert plan.argv[-2:] == ("-incoming", "defer")
    assert make_shim_config(plan, WORKER).memory == "/c/templates/t/memory", (
        "handed out, not opened"
    )
    assert make_shim_config(plan, replace(WORKER, drop=False)).memory == ""


def test_what_nobody_waits_for_waits_for_all_others(image):
    host = make_host()
    pool = plan_launch(POOL_MACHINE, SPEC, host, image, template=TEMPLATE, for_pool=True)
    parked = plan_launch(POOL_MACHINE, SPEC, host, image, park_in=PARKED)
    assert pool.priority is parked.priority is Priority.SPARE
    weights = weight_files(Confinement.CGROUP2, POOL_MACHINE.unit, Priority.SPARE)
    assert dict(pool.cgroups.weights) == weights, "from its first moment on"


def test_a_scope_has_its_share_from_its_first_moment_on(image):
    host = make_host(confinement=Confinement.SYSTEMD)
    pool = plan_launch(POOL_MACHINE, SPEC, host, image, template=TEMPLATE, for_pool=True)
    assert "CPUWeight=1" in pool.scope
    assert "CPUWeight=100" in plan_launch(MACHINE, SPEC, host, image).scope


def test_a_template_keeps_its_memory_in_a_file_and_has_no_internet(image):
    spec = replace(SPEC, internet=True)
    plan = plan_launch(MACHINE, spec, make_host(), image, park_in=PARKED)
    found = memory_file(plan.argv)
    assert (found["mem-path"], found["share"]) == (str(PARKED), True)
    assert not plan.internet
    assert plan.bytes_per_s == 0
    assert make_shim_config(plan, WORKER).memory == "", "it writes there"


@pytest.mark.parametrize("internet", [True, False])
def test_internet_is_as_the_machine_is_to_have_it(image, internet):
    plan = plan_launch(MACHINE, replace(SPEC, internet=internet), make_host(), image)
    assert plan.internet is internet
    config = make_shim_config(plan, WORKER, NEAR if internet else None)
    assert (config.internet, config.unreachable) == (internet, NEAR if internet else [])


def test_names_are_allowed_only_where_there_is_internet(image):
    spec = replace(SPEC, internet=True, allowed=("pypi.org", "deb.debian.org"))
    plan = plan_launch(MACHINE, spec, make_host(), image)
    assert make_shim_config(plan, WORKER, NEAR).allowed == ["pypi.org", "deb.debian.org"]
    parked = plan_launch(MACHINE, spec, make_host(), image, park_in=PARKED)
    assert make_shim_config(parked, WORKER).allowed == []


def test_machines_with_other_ways_out_are_not_alike():
    assert SPEC.way_out == replace(SPEC, allowed=("pypi.org",)).way_out == ""
    assert replace(SPEC, internet=True).way_out == "all"
    some = replace(SPEC, internet=True, allowed=("pypi.org", "deb.debian.org"))
    assert some.way_out == "deb.debian.org pypi.org"
    assert some.way_out == replace(some, allowed=some.allowed[::-1]).way_out


@pytest.mark.parametrize(("mbit_s", "bytes_per_s"), [(0, 0), (1, 125_000), (80, 10_000_000)])
def test_the_network_is_as_fast_as_the_lab_says(image, mbit_s, bytes_per_s):
    plan = plan_launch(
        MACHINE, replace(SPEC, bandwidth=Bandwidth(7, 300, mbit_s)), make_host(), image
    )
    assert plan.bytes_per_s == make_shim_config(plan, WORKER).bytes_per_s == bytes_per_s


@pytest.mark.parametrize("kind", Confinement)
def test_limits_are_enforced_by_what_the_host_has(image, kind):
    plan = plan_launch(MACHINE, SPEC, make_host(confinement=kind), image)
    config = make_shim_config(plan, WORKER)
    is_scope = f"--unit={MACHINE.unit}" in plan.scope
    limit = f"MemoryMax={plan.limits.memory_mib}M"
    assert is_scope == (limit in plan.scope) == (kind is Confinement.SYSTEMD)
    by_hand = kind in {Confinement.CGROUP1, Confinement.CGROUP2}
    assert bool(plan.cgroups.folders) == bool(config.cgroup_procs) == by_hand
    assert all(folder.name == MACHINE.unit for folder in plan.cgroups.folders)
    alone = kind is Confinement.RLIMITS
    assert (config.tasks == plan.limits.tasks) == (config.address_space is not None) == alone


def test_the_shim_works_with_names_in_a_folder_that_may_be_renamed(image):
    plan = plan_launch(POOL_MACHINE, SPEC, make_host(), image, template=TEMPLATE, for_pool=True)
    config = make_shim_config(plan, WORKER)
    assert config.sockets["qmp.sock"] == QMP_FD
    inside = [*config.inward, *config.sockets, config.console, config.exit_report]
    assert not any("/" in name for name in inside)
    assert config.outward == {"8081": "/s/doors/hub.sock", "8000": "/s/doors/proxy.sock"}


async def test_a_machine_of_the_pool_is_recorded_by_its_new_name_before_its_limits(image, tmp_path):
    """Where limits cannot be set, `stop` finds what was made of them by the record's unit."""
    machine = Machine(tmp_path / "desk-ada-0")
    machine.path.mkdir()
    cgroups = plan_cgroups(Confinement.CGROUP2, machine.unit, LIMITS, tmp_path / "missing")
    plan = replace(plan_launch(machine, SPEC, make_host(), image), cgroups=cgroups, internet=False)
    record = machine.write(Record(machine.name, "ada", "tiny"), unit="vmlab-pool-1-0123abcd")
    with pytest.raises(HostError, match="limits could not be set"):
        await launch(plan, record, WORKER, Memory(tmp_path / "promises", overcommit=100.0))
    noted = machine.record()
    assert (noted.unit, noted.stage) == (machine.unit, Stage.POWERED)


def test_a_plan_is_a_value(image):
    plans = [plan_launch(MACHINE, SPEC, make_host(), image) for _ in range(2)]
    assert {plans[0].limits, plans[1].limits} == {Limits(512 + 56 + 192, 2.5, 130)}
    assert plans[0].argv == plans[1].argv
    assert plans[0].cgroups == plans[1].cgroups
