"""Making a template: boot a machine, let its agent get everything ready, park it, try a clone."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import secrets
import shutil
import time
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
from pathlib import Path

import psutil

from vmlab.errors import LabError
from vmlab.images.store import Image
from vmlab.model import MachineSpec
from vmlab.providers.agent.handover import await_agent
from vmlab.providers.agent.link import AgentLink
from vmlab.providers.facts import Measured
from vmlab.providers.qemu.channels.agent import open_agent
from vmlab.providers.qemu.channels.hotplug import Belongings
from vmlab.providers.qemu.channels.monitor import open_monitor
from vmlab.providers.qemu.machine import disks
from vmlab.providers.qemu.machine.machine import DEVICES, MEMORY, Machine, Record
from vmlab.providers.qemu.machine.status import read_console
from vmlab.providers.qemu.machine.users import make_folder, share_folder
from vmlab.providers.qemu.process.ending import end_machine, find_processes, remove_machine
from vmlab.providers.qemu.process.launch import launch, power_on
from vmlab.providers.qemu.process.plan import Host, TemplateKind, plan_launch
from vmlab.providers.qemu.warm.template import (
    RECORD,
    Template,
    TemplateError,
    clear_failures,
    drop_template,
    find_failures,
    find_template,
    list_templates,
    read_mark,
    write_template,
)
from vmlab.system.locks import flock_within
from vmlab_protocol.messages import HostMessageType

_UNFINISHED, _TRIAL = ".new", ".try"
_LOCK_POLL_S = 0.2
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Parking:
    """What it takes to make one template."""

    kind: TemplateKind
    spec: MachineSpec  # the machine that is parked
    host: Host
    image: Image
    report: Callable[[str], None] = _log.info  # told each step as it begins

    @property
    def templates(self) -> Path:
        """Folder of all templates."""
        return self.host.paths.templates


async def ensure_template(parking: Parking) -> Template:
    """Return the template of this kind, making it unless it is there and whole.

    Of several processes that want the same one, one makes it and the others wait.

    Raises:
        TemplateError: it could not be made; nothing of the attempt is left.
    """
    templates, kind = parking.templates, parking.kind
    templates.mkdir(parents=True, exist_ok=True)
    templates.chmod(0o711)  # QEMU's user must pass through
    async with _locked(templates / f"{kind.key}.lock", parking.host.deadlines.boot_s * 2):
        await _remove_unfinished(parking)
        try:
            template = find_template(templates, kind)
            await _try_again(parking, template)
        except TemplateError as error:
            parking.report(f"making a template: {error.message}")
        else:
            return template
        for old in list_templates(templates):
            if old.kind == kind:
                await asyncio.to_thread(drop_template, old)
        return await _make(parking)


async def _try_again(parking: Parking, template: Template) -> None:
    """Try a clone of a template whose last clones failed; no-op when none did.

    Raises:
        TemplateError: this one failed, too.
    """
    if not (failures := await asyncio.to_thread(find_failures, template)):
        return
    parking.report(f"trying a clone, since {', '.join(failures)} did not start as one")
    trial = Machine.below(parking.templates, template.folder.name + _TRIAL)
    try:
        await _try_clone(parking, template, trial)
        await asyncio.to_thread(clear_failures, template)
    except LabError as error:
        raise TemplateError(
            f"the last {len(failures)} clones of {template.folder.name} did not start, "
            f"and one that was tried now did not, either: {error.message}"
        ) from error
    finally:
        await asyncio.shield(remove_machine(trial))


async def _make(parking: Parking) -> Template:
    stem = f"{parking.kind.key}-{secrets.token_hex(2)}"
    unfinished = Machine.below(parking.templates, stem + _UNFINISHED)
    trial = Machine.below(parking.templates, stem + _TRIAL)
    finished = parking.templates / stem
    try:
        await _park(parking, unfinished)
        unfinished.path.rename(finished)
        marks = await asyncio.to_thread(_settle, finished)
        template = Template(finished, parking.kind, marks, parked_at=time.time())
        parking.report("trying a clone")
        template = replace(template, measured=await _try_clone(parking, template, trial))
        await asyncio.to_thread(write_template, template)
    except LabError as error:
        console = await _end_of_console(trial) or await _end_of_console(unfinished)
        raise TemplateError(
            f"no template of image {parking.kind.image!r} could be made: {error.message}{console}",
            hint="machines boot instead, which takes longer; "
            f"try again: vmlab image template {parking.kind.image}",
        ) from error
    finally:
        await asyncio.shield(remove_machine(trial))
        if not (finished / RECORD).exists():
            await asyncio.shield(remove_machine(unfinished))
            shutil.rmtree(finished, ignore_errors=True)
    return template


async def _park(parking: Parking, machine: Machine) -> None:
    """Boot the machine and park it: memory, devices and disk in its folder, nothing running."""
    user = await asyncio.to_thread(make_folder, machine)
    name = machine.name
    memory = machine.path / MEMORY
    memory.touch(mode=0o600)
    user.give(memory)
    spec = replace(parking.spec, name=name)
    plan = plan_launch(machine, spec, parking.host, parking.image, park_in=memory)
    await disks.ensure_overlay(machine.root_disk, plan.base, user)
    parking.report("booting")
    await launch(plan, Record(name, "", spec.image), user, parking.host.memory)
    async with open_monitor(name, machine.qmp) as monitor:
        await monitor.resume()
        async with AgentLink(await open_agent(machine)) as link:
            await await_agent(link, parking.host.deadlines.boot_s)
            parking.report("letting it load all that a machine needs")
            await link.ask(HostMessageType.PARK, parking.host.deadlines.park_s)
        parking.report("parking")
        await monitor.pause()
        await monitor.save_devices(machine.path / DEVICES)
    await end_machine(machine)


def _settle(folder: Path) -> dict[str, list[int]]:
    """Bring the files to the disk, make them read-only where possible; return their marks."""
    marks = {}
    paths = Machine(folder)
    if os.geteuid() == 0:
        share_folder(folder)
    else:
        paths.root_disk.chmod(0o440)  # the memory is not: QEMU asks for more (handout.py)
    for path in (folder / MEMORY, folder / DEVICES, paths.root_disk):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        marks[path.name] = read_mark(path)
    return marks


async def _try_clone(parking: Parking, template: Template, machine: Machine) -> Measured:
    """Run one clone through what a server needs; return what it cost."""
    name, user = machine.name, await asyncio.to_thread(make_folder, machine)
    spec = replace(parking.spec, name=name)
    plan = plan_launch(machine, spec, parking.host, parking.image, template=template)
    await disks.ensure_overlay(machine.root_disk, plan.base, user)
    await power_on(plan, Record(name, "", spec.image), user, parking.host.memory, Belongings())
    async with AgentLink(await open_agent(machine)) as link:
        await await_agent(link, parking.host.deadlines.resume_s)
        await link.ask(HostMessageType.WARM, parking.host.deadlines.park_s)
    return await asyncio.to_thread(measure, machine)


def measure(machine: Machine) -> Measured:
    """Return what a running machine costs now."""
    own_kib, cpu_s = 0, 0.0
    for process in find_processes(machine):
        with contextlib.suppress(psutil.NoSuchProcess, FileNotFoundError):
            # Pages of the template would all be this one clone's: nobody else has them mapped now.
            rollup = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
            own_kib += int(rollup.partition("Pss_Anon:")[2].split()[0])
            times = process.cpu_times()
            cpu_s += times.user + times.system
    disk_bytes = machine.root_disk.stat().st_blocks * 512
    return Measured(round(own_kib / 1024, 1), round(disk_bytes / 2**20, 2), round(cpu_s, 2))


async def _end_of_console(machine: Machine) -> str:
    try:
        text = await asyncio.to_thread(read_console, machine, 2000)
    except (LabError, OSError):
        return ""
    return f"\nend of its console:\n{text.strip()}" if text.strip() else ""


async def _remove_unfinished(parking: Parking) -> None:
    """Remove what a cut attempt left, running or not; no machine can depend on it."""
    for suffix in (_UNFINISHED, _TRIAL):
        for folder in parking.templates.glob(f"{parking.kind.key}-*{suffix}"):
            await remove_machine(Machine(folder))


@contextlib.asynccontextmanager
async def _locked(path: Path, limit_s: float) -> AsyncGenerator[None]:
    """Hold a lock between processes.

    Raises:
        TemplateError: somebody else holds it for too long.
    """
    with path.open("w") as file:
        try:
            await flock_within(file.fileno(), limit_s, poll_s=_LOCK_POLL_S)
        except TimeoutError as error:
            raise TemplateError(f"{path} is held by another process") from error
        yield
