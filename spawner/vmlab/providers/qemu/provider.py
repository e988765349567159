"""The embedded provider: one QEMU process a machine (see the package's docstring for the parts)."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace

from vmlab.errors import (
    HostError,
    LabError,
    MachineConflictError,
    ProviderError,
)
from vmlab.images.store import Image, ImageStore
from vmlab.model import (
    AsideMachine,
    Features,
    Leftover,
    MachineSpec,
    MachineStatus,
    OldDisk,
    PhaseEvent,
    StartStyle,
    Volume,
)
from vmlab.paths import Paths
from vmlab.providers.agent.handover import await_agent, hand_over, seed_maker
from vmlab.providers.agent.link import AgentLink
from vmlab.providers.agent.volume import grow_file_system
from vmlab.providers.facts import Prepared
from vmlab.providers.qemu.abilities import AbilitiesOfQemu, describe_template
from vmlab.providers.qemu.bringup import BringUp, attach_volume, guest_runs, require_wanted
from vmlab.providers.qemu.channels.agent import open_agent
from vmlab.providers.qemu.channels.live_volumes import LiveVolumesOfQemu
from vmlab.providers.qemu.channels.monitor import open_monitor
from vmlab.providers.qemu.machine import aside
from vmlab.providers.qemu.machine.disk_parts import DiskPartsOfQemu
from vmlab.providers.qemu.machine.disks import list_old_disks, prune_old_disks
from vmlab.providers.qemu.machine.identity import ensure_identity
from vmlab.providers.qemu.machine.machine import RUNNING_STAGES, Machine, Stage
from vmlab.providers.qemu.machine.status import listed_status, machine_status, read_console
from vmlab.providers.qemu.machine.users import share_templates
from vmlab.providers.qemu.options import QemuOptions
from vmlab.providers.qemu.process.accelerator import (
    DEADLINES,
    Accelerator,
    Deadlines,
    choose_accelerator,
    mark_engine,
    qemu_version,
)
from vmlab.providers.qemu.process.admission import Memory
from vmlab.providers.qemu.process.confine import Priority, detect_confinement, set_priority
from vmlab.providers.qemu.process.ending import end_machine, note_end
from vmlab.providers.qemu.process.leftovers import clear_leftover, find_leftovers
from vmlab.providers.qemu.process.plan import Host, LaunchPlan, plan_launch
from vmlab.providers.qemu.warm.parking import Parking, ensure_template
from vmlab.providers.qemu.warm.pool import Pool
from vmlab.providers.qemu.warm.template import Template, find_kind
from vmlab.providers.qemu.warm.upkeep import Upkeep
from vmlab.providers.settings import ProviderSettings
from vmlab.seed import Seed, guest_network
from vmlab.system.beside import meanwhile
from vmlab.system.disk_space import START_MIB, find_free_space
from vmlab.volumes.store import VolumeStore
from vmlab_protocol.machine import HOME_SERIAL, disk_device
from vmlab_protocol.phases import Phase
from vmlab_protocol.seed import Mount

_log = logging.getLogger(__name__)


class QemuProvider(LiveVolumesOfQemu, DiskPartsOfQemu, AbilitiesOfQemu):
    """Machines as QEMU processes of this host (contract: `vmlab.providers.base.Provider`)."""

    def __init__(
        self,
        settings: ProviderSettings,
        deadlines: Mapping[Accelerator, Deadlines] = DEADLINES,
    ) -> None:
        self._options = QemuOptions.of(settings.options)
        self._deadlines = deadlines
        self._paths = Paths(state=settings.state, cache=settings.cache)
        self._images = ImageStore(self._paths.images)
        self._locks: dict[str, asyncio.Lock] = {}
        self._memory = Memory(self._paths.cache / "promises", self._options.overcommit)
        self._host: Host | None = None
        self._host_mark = ""
        self.pool = Pool(self._paths.pool, self._paths.pool_failed)
        self._upkeep = Upkeep(self.pool, self._options.pool)
        self.volumes = VolumeStore(self._paths, self, allowance=settings.allowance)

    @property
    def features(self) -> Features:
        """What QEMU machines can do; the accelerator is known after the first use."""
        return Features(
            name="qemu",
            accelerator=self._host.accelerator if self._host else "",
            style=self._options.start_style,
        )

    async def validate(self, spec: MachineSpec) -> None:
        """Check image, QEMU, disk and memory (contract: `Provider.validate`)."""
        await self._plan(await self._find_host(), spec)

    async def _plan(self, host: Host, spec: MachineSpec) -> tuple[Image, LaunchPlan]:
        """Return image and boot of a machine that can be started now; raises as `validate`."""
        machine = self._folder(spec.name)
        await asyncio.to_thread(self._prepare_folders)
        runs = machine.is_running()
        if not runs:  # else it has what it takes, and is only seeded again
            for folder in (self._paths.machines, self._paths.volumes):
                find_free_space(folder).require(START_MIB, "a start")
        image = await asyncio.to_thread(self._find_image, spec.image)
        if spec.internet and shutil.which("slirp4netns") is None:
            raise HostError(
                "the lab allows the internet, which needs slirp4netns",
                hint="apt-get install slirp4netns, or internet = false in lab.toml",
            )
        plan = plan_launch(machine, spec, host, image)
        if not (runs or self.pool.state(0).ready):
            await self._memory.check(plan.limits.memory_mib)
        return image, plan

    # -- starting ---------------------------------------------------------------------------------

    async def start(self, spec: MachineSpec, seed: Seed) -> AsyncGenerator[PhaseEvent]:
        """Make, power on and seed the machine (contract: `Provider.start`)."""
        lock = self._locks.setdefault(spec.name, asyncio.Lock())
        async with lock, AsyncExitStack() as stack:
            stack.enter_context(self._upkeep.interrupted())
            folder = self._folder(spec.name)
            folder.ended.unlink(missing_ok=True)  # of an earlier start
            yield PhaseEvent(Phase.IMAGE, spec.image)
            host = await self._find_host()
            image, plan = await self._plan(host, spec)
            if await guest_runs(folder):
                yield PhaseEvent(Phase.BOOT, "it runs already")
                attached = await attach_volume(self.volumes, spec, stack, runs=True)
                link = await stack.enter_async_context(AgentLink(await open_agent(folder)))
                await await_agent(link, host.deadlines.boot_s)
            else:
                bring_up = BringUp(host, self.volumes, plan, spec, image, stack)
                async with aclosing(bring_up.run(self.pool)) as events:
                    async for event in events:
                        if event.notice:
                            seed = replace(seed, notices=(*seed.notices, event.notice))
                        yield event
                link, attached = bring_up.link, bring_up.attached
            try:
                async with aclosing(self._hand_over_seed(host, folder, spec, seed, link)) as events:
                    async for event in events:
                        yield event
            except ProviderError:
                await require_wanted(folder)  # then that explains the error
                raise
            if attached and attached.volume.needs_grow:
                await self._let_grow(link, attached.volume)

    async def _let_grow(self, link: AgentLink, volume: Volume) -> None:
        """Have the file system fill a volume that was made larger; it works as it is, too."""
        try:
            await grow_file_system(link)
            await self.volumes.grown(volume.name)
        except LabError as error:
            _log.warning("%s: has grown, its file system has not: %s", volume.name, error)

    async def _hand_over_seed(
        self, host: Host, folder: Machine, spec: MachineSpec, seed: Seed, link: AgentLink
    ) -> AsyncGenerator[PhaseEvent]:
        await self._set_priority(folder, Priority.START)
        folder.server_problem.unlink(missing_ok=True)
        identity = await asyncio.to_thread(ensure_identity, folder)
        mounts: tuple[Mount, ...] = ()
        if spec.volume:
            mounts = (Mount(disk_device(HOME_SERIAL), spec.volume.mount),)
        # 10.0.3.3 is slirp4netns's resolver; without internet there is none to ask.
        network = guest_network(dns=("10.0.3.3",) if spec.internet else ())
        make_line = seed_maker(
            seed, identity, host_name=spec.host_name, network=network, mounts=mounts
        )
        async with (
            meanwhile(_limit_disks(folder, spec)),
            aclosing(hand_over(link, make_line, host.deadlines.seed_s)) as phases,
        ):
            async for phase in phases:
                yield PhaseEvent(phase)
        record = folder.record()
        if record is None:
            raise MachineConflictError(spec.name, "it was deleted while it was starting")
        await require_wanted(folder)
        folder.write(record, stage=Stage.SEEDED, used=True)

    async def note_serving(self, name: str) -> None:
        """Let the machine wait its turn (contract: `Provider.note_serving`)."""
        await self._set_priority(self._folder(name), Priority.WORK)

    async def _set_priority(self, folder: Machine, priority: Priority) -> None:
        record = await asyncio.to_thread(folder.record)
        if record and record.unit:
            await set_priority(record.unit, priority)

    # -- what makes starts fast -------------------------------------------------------------------

    async def make_template(
        self, spec: MachineSpec, report: Callable[[str], None] = _log.info
    ) -> Template:
        """Return the template of machines like `spec`, making it unless it is there.

        Raises:
            TemplateError: it could not be made; machines boot all the same.
            HostError, ImageError: as `validate`.
        """
        await asyncio.to_thread(self._prepare_folders)
        host = await self._find_host()
        image = await asyncio.to_thread(self._find_image, spec.image)
        kind = await asyncio.to_thread(find_kind, spec, host, image)
        return await ensure_template(Parking(kind, spec, host, image, report))

    async def prepare_starts(self, spec: MachineSpec, report: Callable[[str], None]) -> Prepared:
        """Make the image's template (contract: `PreparesStarts.prepare_starts`)."""
        made = await self.make_template(spec, report)
        return await asyncio.to_thread(describe_template, made)

    async def upkeep(self, spec: MachineSpec) -> None:
        """Keep template and pool ready for machines like `spec` (contract: `Provider.upkeep`)."""
        await self._upkeep.wait_until_quiet()
        await asyncio.to_thread(self._prepare_folders)
        host = await self._find_host()
        image = await asyncio.to_thread(self._find_image, spec.image)
        if not await self._upkeep.run_once(host, spec, image):
            await self._upkeep.wait()

    async def drain(self) -> None:
        """End the machines that wait for a trainee (contract: `Provider.drain`)."""
        await self.pool.drain()

    # -- the end of a machine -----------------------------------------------------------------

    async def stop(self, name: str, *, now: bool = False) -> None:
        """Power the machine off (contract: `Provider.stop`)."""
        folder = self._folder(name)
        if folder.path.is_dir():
            note_end(folder)
            await self._end(folder, now=now)
        for volume in await self.volumes.detach(name):
            _log.info("%s: detached from %s", volume, name)

    async def _end(self, folder: Machine, *, now: bool) -> None:
        try:
            record = await asyncio.to_thread(folder.record)
            at_work = record is not None and record.stage is Stage.SEEDED
        except ProviderError as error:
            # A machine must end even so; somebody may be at work in it.
            _log.warning("%s", error)
            record, at_work = None, True
        limit_s = 0.0  # nobody has worked in it yet, or nobody wants to wait
        if at_work and not now:
            limit_s = (await self._find_host()).deadlines.shutdown_s
        await end_machine(folder, shutdown_limit_s=limit_s)
        folder.snapshot.unlink(missing_ok=True)
        if record and record.stage in RUNNING_STAGES:
            await asyncio.to_thread(folder.write, record, stage=Stage.STOPPED)

    async def delete(self, name: str) -> None:
        """Stop the machine and remove its folder (contract: `Provider.delete`)."""
        await self.stop(name, now=True)
        folder = self._folder(name)
        if folder.path.is_dir():
            await asyncio.to_thread(shutil.rmtree, folder.path)

    async def set_aside(self, name: str) -> str:
        """Stop the machine and keep its folder elsewhere (contract: `Provider.set_aside`)."""
        lock = self._locks.setdefault(name, asyncio.Lock())
        if lock.locked():
            raise MachineConflictError(name, "it is being started", hint="stop its server first")
        async with lock:
            await self.stop(name)
            kept = await asyncio.to_thread(
                aside.keep_folder, self._folder(name), self._paths.aside, time.time()
            )
            if not kept:
                return ""
            for old in await asyncio.to_thread(aside.thin, self._paths.aside, name):
                _log.info("%s: removed, %d newer ones are kept", old, aside.KEPT)
            owner = await asyncio.to_thread(aside.find_owner, self._paths.aside, kept)
            stays = await self.volumes.keep_put_away(owner, name, self._paths.aside / kept)
        return kept if stays else ""

    async def list_aside(self) -> list[AsideMachine]:
        """Return what was set aside (contract: `Provider.list_aside`)."""
        return await asyncio.to_thread(aside.list_aside, self._paths.aside)

    async def old_disks(self, name: str) -> list[OldDisk]:
        """Return root disks of older images (contract: `KeepsOldDisks.old_disks`)."""
        return await asyncio.to_thread(list_old_disks, self._folder(name))

    async def prune_old_disks(self, before: float) -> list[OldDisk]:
        """Remove old ones (contract: `KeepsOldDisks.prune_old_disks`)."""
        await asyncio.to_thread(self._prepare_folders)
        return await asyncio.to_thread(prune_old_disks, self._paths.machines, before)

    async def leftovers(self) -> list[Leftover]:
        """Return what machines left behind (contract: `TidiesUp.leftovers`)."""
        return await asyncio.to_thread(find_leftovers, self._paths)

    async def clear(self, leftover: Leftover) -> None:
        """Remove it (contract: `TidiesUp.clear`)."""
        await asyncio.to_thread(clear_leftover, leftover, self._paths)

    # -- looking at machines --------------------------------------------------------------------

    async def status(self, names: Iterable[str] | None = None) -> Mapping[str, MachineStatus]:
        """Tell the state of these machines, or of all (contract: `Provider.status`)."""
        wanted = list(names) if names is not None else None
        return await asyncio.to_thread(self._status, wanted)

    def _status(self, names: list[str] | None) -> dict[str, MachineStatus]:
        if names is not None:
            return {name: machine_status(self._folder(name)) for name in names}
        machines = self._paths.machines
        found = sorted(machines.iterdir()) if machines.is_dir() else []
        listed = (listed_status(Machine(path)) for path in found)
        return {status.name: status for status in listed}

    async def console(self, name: str, *, max_bytes: int = 65536) -> str:
        """Return the end of the serial console (contract: `Provider.console`)."""
        return await asyncio.to_thread(read_console, self._folder(name), max_bytes)

    # -- helpers ---------------------------------------------------------------------------------

    def _folder(self, name: str) -> Machine:
        return Machine.below(self._paths.machines, name)

    def _find_image(self, name: str) -> Image:
        image = self._images.find(name)
        self._images.verify(image)
        return image

    def _prepare_folders(self) -> None:
        # QEMU's user must pass through, but not list: names of machines are names of people.
        for folder in (self._paths.state, self._paths.machines, self._paths.volumes, self.doors):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o711)
        share_templates(self._paths.templates)

    async def _find_host(self) -> Host:
        """Return what this host can do; asked again when QEMU or the device of KVM changed."""
        mark = await asyncio.to_thread(mark_engine)
        if self._host is None or mark != self._host_mark:
            self._host_mark = mark
            verdict = await choose_accelerator(self._options.accelerator, self._paths.cache)
            self._host = Host(
                paths=self._paths,
                doors=self.doors,
                memory=self._memory,
                accelerator=verdict.name,
                qemu=await qemu_version(),
                style=StartStyle(self._options.start_style),
                deadlines=self._deadlines[verdict.name],
                confinement=detect_confinement(),
            )
        return self._host


async def _limit_disks(folder: Machine, spec: MachineSpec) -> None:
    async with open_monitor(spec.name, folder.qmp) as monitor:
        await monitor.limit_disks(spec.bandwidth)
