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
    LabError,
    MachineConflictError,
    ProviderError,
)
from vmlab.images.store import ImageStore
from vmlab.model import (
    AsideMachine,
    Features,
    Leftover,
    MachineSpec,
    MachineStatus,
    OldDisk,
    PhaseEvent,
    Volume,
)
from vmlab.paths import Paths
from vmlab.providers.agent.handover import hand_over, seed_maker
from vmlab.providers.agent.link import AgentLink
from vmlab.providers.agent.volume import grow_file_system
from vmlab.providers.facts import Prepared
from vmlab.providers.qemu.abilities import AbilitiesOfQemu, describe_template
from vmlab.providers.qemu.bringup import BringUp, Up, require_wanted
from vmlab.providers.qemu.channels.live_volumes import LiveVolumesOfQemu
from vmlab.providers.qemu.channels.monitor import open_monitor
from vmlab.providers.qemu.machine import aside
from vmlab.providers.qemu.machine.disk_parts import DiskPartsOfQemu
from vmlab.providers.qemu.machine.disks import list_old_disks, prune_old_disks
from vmlab.providers.qemu.machine.machine import RUNNING_STAGES, Machine, Stage
from vmlab.providers.qemu.machine.status import listed_status, machine_status, read_console
from vmlab.providers.qemu.network.networks import EventNetworks
from vmlab.providers.qemu.networks import NetworksOfQemu, keeper_scope
from vmlab.providers.qemu.options import QemuOptions
from vmlab.providers.qemu.planning import Planner, StartPlan
from vmlab.providers.qemu.process.accelerator import (
    DEADLINES,
    Accelerator,
    Deadlines,
)
from vmlab.providers.qemu.process.confine import Priority, set_priority
from vmlab.providers.qemu.process.ending import end_machine, note_end
from vmlab.providers.qemu.process.gate import ADDRESS, RESOLVER
from vmlab.providers.qemu.process.leftovers import clear_leftover, find_leftovers
from vmlab.providers.qemu.process.plan import find_kind
from vmlab.providers.qemu.warm.parking import Parking, ensure_template
from vmlab.providers.qemu.warm.pool import Pool
from vmlab.providers.qemu.warm.template import Template
from vmlab.providers.qemu.warm.upkeep import Upkeep
from vmlab.providers.settings import ProviderSettings
from vmlab.seed import Seed, event_network, guest_network
from vmlab.system.background import apart
from vmlab.system.beside import meanwhile
from vmlab.volumes.store import VolumeStore
from vmlab_protocol.machine import HOME_SERIAL, disk_device
from vmlab_protocol.phases import Phase
from vmlab_protocol.seed import Mount

_log = logging.getLogger(__name__)


class QemuProvider(LiveVolumesOfQemu, DiskPartsOfQemu, NetworksOfQemu, AbilitiesOfQemu):
    """Machines as QEMU processes of this host (contract: `vmlab.providers.base.Provider`)."""

    def __init__(
        self,
        settings: ProviderSettings,
        deadlines: Mapping[Accelerator, Deadlines] = DEADLINES,
    ) -> None:
        self._options = QemuOptions.of(settings.options)
        self._paths = Paths(state=settings.state, cache=settings.cache)
        self._images = ImageStore(self._paths.images)
        self._locks: dict[str, asyncio.Lock] = {}
        self.pool = Pool(self._paths.pool, self._paths.pool_failed)
        self._planner = Planner(self._options, self._paths, self.listeners, deadlines, self.pool)
        self._upkeep = Upkeep(self.pool, self._options.pool)
        self._networks = EventNetworks(self._paths.networks, keeper_scope)
        self.volumes = VolumeStore(self._paths, self, allowance=settings.allowance)

    @property
    def features(self) -> Features:
        """What QEMU machines can do; the accelerator is known after the first use."""
        known = self._planner.known
        return Features(
            name="qemu",
            accelerator=known.accelerator if known else "",
            style=self._options.start_style,
        )

    async def validate(self, spec: MachineSpec) -> None:
        """Check image, QEMU, disk and memory (contract: `Provider.validate`)."""
        await self._planner.plan(self._folder(spec.name), spec)

    # -- starting ---------------------------------------------------------------------------------

    async def start(self, spec: MachineSpec, seed: Seed) -> AsyncGenerator[PhaseEvent]:
        """Make, power on and seed the machine (contract: `Provider.start`)."""
        lock = self._locks.setdefault(spec.name, asyncio.Lock())
        machine = self._folder(spec.name)
        async with lock, AsyncExitStack() as stack:
            stack.enter_context(self._upkeep.interrupted())
            machine.ended.unlink(missing_ok=True)  # of an earlier start
            yield PhaseEvent(Phase.IMAGE, spec.image)
            plan = await self._planner.plan(machine, spec)
            bring_up = BringUp(plan, self.volumes, self._networks, stack)
            async with aclosing(bring_up.run(self.pool)) as events:
                async for event in events:
                    if event.notice:
                        seed = replace(seed, notices=(*seed.notices, event.notice))
                    yield event
            up = bring_up.up
            try:
                async with aclosing(self._hand_over_seed(plan, up, seed)) as events:
                    async for event in events:
                        yield event
            except ProviderError:
                await require_wanted(machine)  # then that explains the error
                raise
            if up.attached and up.attached.volume.needs_grow:
                await self._let_grow(up.link, up.attached.volume)

    async def _let_grow(self, link: AgentLink, volume: Volume) -> None:
        """Have the file system fill a volume that was made larger; it works as it is, too."""
        try:
            await grow_file_system(link)
            await self.volumes.grown(volume.name)
        except LabError as error:
            _log.warning("%s: has grown, its file system has not: %s", volume.name, error)

    async def _hand_over_seed(
        self, plan: StartPlan, up: Up, seed: Seed
    ) -> AsyncGenerator[PhaseEvent]:
        machine, spec = plan.boot.machine, plan.spec
        machine.server_problem.unlink(missing_ok=True)
        mounts: tuple[Mount, ...] = ()
        if spec.volume:
            mounts = (Mount(disk_device(HOME_SERIAL), spec.volume.mount),)
        # Without internet there is nobody to ask.
        resolver = str(ADDRESS if spec.allowed else RESOLVER)
        network = guest_network(dns=(resolver,) if spec.internet else ())
        make_line = seed_maker(
            seed,
            up.identity,
            host_name=spec.card.names[0] if spec.card else spec.host_name,
            network=network,
            mounts=mounts,
            event=event_network(spec.card) if spec.card else None,
        )
        async with (
            meanwhile(_limit_disks(machine, spec)),
            aclosing(hand_over(up.link, make_line, plan.host.deadlines.seed_s)) as phases,
        ):
            async for phase in phases:
                yield PhaseEvent(phase)
        await require_wanted(machine)
        machine.write(up.record, stage=Stage.SEEDED, used=True)

    async def note_serving(self, name: str) -> None:
        """Let the machine wait its turn (contract: `Provider.note_serving`)."""
        record = await asyncio.to_thread(self._folder(name).record)
        if record and record.unit:
            await set_priority(record.unit, Priority.WORK)

    # -- what makes starts fast -------------------------------------------------------------------

    async def make_template(
        self, spec: MachineSpec, report: Callable[[str], None] = _log.info
    ) -> Template:
        """Return the template of machines like `spec`, making it unless it is there.

        Raises:
            TemplateError: it could not be made; machines boot all the same.
            HostError, ImageError: as `validate`.
        """
        host, image = await self._planner.look(spec.image)
        kind = find_kind(spec, host, image)
        return await ensure_template(Parking(kind, spec, host, image, report))

    async def prepare_starts(self, spec: MachineSpec, report: Callable[[str], None]) -> Prepared:
        """Make the image's template (contract: `PreparesStarts.prepare_starts`)."""
        made = await self.make_template(spec, report)
        return await asyncio.to_thread(describe_template, made)

    async def upkeep(self, spec: MachineSpec) -> None:
        """Keep template and pool ready for machines like `spec` (contract: `Provider.upkeep`)."""
        await self._upkeep.wait_until_quiet()
        host, image = await self._planner.look(spec.image)
        if not await self._upkeep.run_once(host, spec, image):
            await self._upkeep.wait()

    async def drain(self) -> None:
        """End the machines that wait for a trainee (contract: `Provider.drain`)."""
        await self.pool.drain()

    # -- the end of a machine -----------------------------------------------------------------

    async def stop(self, name: str, *, now: bool = False) -> None:
        """Power the machine off (contract: `Provider.stop`)."""
        machine = self._folder(name)
        if machine.path.is_dir():
            note_end(machine)
            try:
                record = await asyncio.to_thread(machine.record)
                at_work = record is not None and record.stage is Stage.SEEDED
            except ProviderError as error:
                # A machine must end even so; somebody may be at work in it.
                _log.warning("%s", error)
                record, at_work = None, True
            limit_s = 0.0  # nobody has worked in it yet, or nobody wants to wait
            if at_work and not now:
                limit_s = (await self._planner.host()).deadlines.shutdown_s
            await end_machine(machine, shutdown_limit_s=limit_s)
            machine.snapshot.unlink(missing_ok=True)
            if record and record.stage in RUNNING_STAGES:
                await asyncio.to_thread(machine.write, record, stage=Stage.STOPPED)
            if record is None or record.card:
                # Its port went with QEMU; the network learns that it is not to come back.
                with apart(f"{name}: it may still be listed in its event's network"):
                    await self._networks.unplug(name)
        for volume in await self.volumes.detach(name):
            _log.info("%s: detached from %s", volume, name)

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


async def _limit_disks(folder: Machine, spec: MachineSpec) -> None:
    async with open_monitor(spec.name, folder.qmp) as monitor:
        await monitor.limit_disks(spec.bandwidth)
