"""The host's half of a start: from a plan to a machine whose agent answers.

Each way to get there reads: prepare, launch, await the agent.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace

from vmlab import messages
from vmlab.errors import MachineConflictError, ProviderError, VolumeConflictError
from vmlab.model import PhaseEvent, StartStyle
from vmlab.providers.agent.handover import await_agent
from vmlab.providers.agent.link import AgentLink
from vmlab.providers.qemu.channels.agent import open_agent
from vmlab.providers.qemu.channels.hotplug import Belongings
from vmlab.providers.qemu.machine.disks import check_overlay, ensure_overlay, keep_root_disk
from vmlab.providers.qemu.machine.identity import ensure_identity
from vmlab.providers.qemu.machine.machine import Machine, Record, Stage
from vmlab.providers.qemu.machine.users import make_folder
from vmlab.providers.qemu.network.networks import EventNetworks
from vmlab.providers.qemu.networks import event_card, rejoin
from vmlab.providers.qemu.planning import StartPlan
from vmlab.providers.qemu.process.confine import Priority, set_priority
from vmlab.providers.qemu.process.ending import end_machine, find_processes
from vmlab.providers.qemu.process.launch import POOL, power_on, wake
from vmlab.providers.qemu.process.plan import LaunchPlan, plan_launch
from vmlab.providers.qemu.warm.pool import Pool
from vmlab.providers.qemu.warm.template import (
    Template,
    clear_failures,
    find_cloneable,
    note_failure,
)
from vmlab.seed import Identity
from vmlab.system.worker import WorkerUser
from vmlab.volumes.attachment import Attached
from vmlab.volumes.disk_image import lend
from vmlab.volumes.store import VolumeStore
from vmlab_protocol.notices import Notice
from vmlab_protocol.phases import Phase

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Up:
    """A machine whose agent answers: what it takes to hand its seed over."""

    record: Record
    identity: Identity
    link: AgentLink
    attached: Attached | None


@dataclass(frozen=True)
class _Prepared:
    """A machine that can be launched."""

    record: Record
    user: WorkerUser  # as which it runs
    identity: Identity
    notice: Notice | None  # for its trainee: the root disk is another one


@dataclass(frozen=True)
class _Way:
    """One way to start a machine; the next is tried when it does not lead there."""

    name: str  # as in the machine's record
    detail: str
    limit_s: float  # until its agent answers
    plan: LaunchPlan | None = None  # None: it has been launched, and waits
    template: Template | None = None  # that it is based on


class BringUp:
    """One start: of a machine that runs, or from the pool, as a clone, or by a boot.

    Args:
        stack: keeps volume and connection to the agent for the caller.
    """

    def __init__(
        self,
        plan: StartPlan,
        volumes: VolumeStore,
        networks: EventNetworks,
        stack: AsyncExitStack,
    ) -> None:
        self._plan = plan
        self._spec = plan.spec
        self._machine = plan.boot.machine
        self._volumes = volumes
        self._networks = networks
        self._stack = stack
        self._up: Up | None = None

    @property
    def up(self) -> Up:
        """The machine, once `run` is through."""
        assert self._up is not None  # noqa: S101 - `run` ends with it, or raises
        return self._up

    async def run(self, pool: Pool) -> AsyncGenerator[PhaseEvent]:
        """Yield the phases up to BOOT; afterwards the agent has answered.

        Raises:
            HostError, MachineConflictError, ProviderError, GuestError: it does not start.
        """
        machine, spec, boot = self._machine, self._spec, self._plan.boot
        host, version = self._plan.host, self._plan.image.version
        record = await asyncio.to_thread(machine.record)
        if await self._runs(record) and record:
            yield PhaseEvent(Phase.BOOT, "it runs already")
            await self._join(record)
            return
        yield PhaseEvent(Phase.DISK, version)
        claimed = host.style is StartStyle.AUTO and await asyncio.to_thread(
            pool.claim, machine, boot.kind, way_out=spec.way_out
        )
        template = None
        if host.clones and not (record and record.used and record.image_version == version):
            template = await asyncio.to_thread(
                find_cloneable, host.paths.templates, boot.kind, spec.name
            )
        prepared = await self._prepare(claimed=claimed)
        if prepared.notice:
            yield PhaseEvent(Phase.DISK, "the image changed", prepared.notice)
        yield PhaseEvent(Phase.VOLUME)
        attached = await self._attach_volume(runs=False)
        if attached:
            lend(attached.path, prepared.user)
        ways = self._list_ways(template, claimed=claimed)
        async with aclosing(self._try_ways(ways, prepared, attached)) as events:
            async for event in events:
                yield event

    async def _try_ways(
        self, ways: list[_Way], prepared: _Prepared, attached: Attached | None
    ) -> AsyncGenerator[PhaseEvent]:
        """Launch the machine, and wait for its agent, by the first way that leads there."""
        machine = self._machine
        for way in ways:
            yield PhaseEvent(Phase.POWER, way.detail, way=way.name)
            try:
                await require_wanted(machine)
                record = await self._launch(way, prepared, attached)
                yield PhaseEvent(Phase.BOOT)
                link = await self._reach_agent(way.limit_s)
                await require_wanted(machine)
            except MachineConflictError:
                raise
            except (ProviderError, OSError) as error:
                await require_wanted(machine)
                if way is ways[-1] or not isinstance(error, ProviderError):
                    raise
                await self._give_up(way, error)
            else:
                if way.template:
                    await asyncio.to_thread(clear_failures, way.template)
                self._up = Up(record, prepared.identity, link, attached)
                return

    # -- a machine that runs ----------------------------------------------------------------------

    async def _runs(self, record: Record | None) -> bool:
        """Tell whether the guest runs; end what was launched and never got so far.

        That includes what an attacker in it may have left behind to wait for the next QEMU.
        """
        machine = self._machine
        is_running = machine.is_running()
        if is_running and record and record.stage in {Stage.LIVE, Stage.SEEDED}:
            return True
        left = await asyncio.to_thread(find_processes, machine) if record else []
        if left or is_running or (record and record.stage is Stage.POWERED):
            await end_machine(machine)
        return False

    async def _join(self, record: Record) -> None:
        """Take a running machine over: it is seeded again."""
        if record.unit:
            await set_priority(record.unit, Priority.START)
        identity = await asyncio.to_thread(ensure_identity, self._machine)
        attached = await self._attach_volume(runs=True)
        record = await rejoin(self._networks, self._machine, record, self._spec.card)
        link = await self._reach_agent(self._plan.host.deadlines.boot_s)
        self._up = Up(record, identity, link, attached)

    # -- prepare ----------------------------------------------------------------------------------

    async def _prepare(self, *, claimed: bool) -> _Prepared:
        """Make folder, record and identity; set an older image's disk aside and say so."""
        machine, spec, image_version = self._machine, self._spec, self._plan.image.version
        user = await asyncio.to_thread(make_folder, machine)
        record = machine.record() or Record(spec.name, spec.owner, spec.image)
        notice = None
        if record.used and record.image_version != image_version:
            notice = await self._put_root_away(record.image_version)
            record = replace(record, used=False)
        record = machine.write(
            record,
            name=spec.name,
            owner=spec.owner,
            image=spec.image,
            image_version=image_version,
            stage=Stage.POWERED if claimed else Stage.CREATED,
            card=spec.card.place if spec.card else "",
        )
        identity = await asyncio.to_thread(ensure_identity, machine)
        return _Prepared(record, user, identity, notice)

    async def _put_root_away(self, old_version: str) -> Notice | None:
        """Keep the older image's root disk if there is room; return what to tell the trainee."""
        kept = await asyncio.to_thread(keep_root_disk, self._machine, old_version)
        if kept is None:
            return None
        spec = self._spec
        stays = await self._volumes.keep_put_away(spec.owner, spec.name, kept)
        return messages.NEW_SYSTEM if stays else messages.NEW_SYSTEM_ONLY

    def _list_ways(self, template: Template | None, *, claimed: bool) -> list[_Way]:
        """Return the ways to start that there are, the fastest first."""
        plan, boot, limits = self._plan, self._plan.boot, self._plan.host.deadlines
        ways = []
        if claimed:
            ways.append(_Way(POOL, "from the pool", limits.resume_s))
        if template:
            clone = plan_launch(self._machine, self._spec, plan.host, plan.image, template=template)
            detail = f"clone of {template.folder.name}"
            ways.append(_Way(clone.style.value, detail, limits.resume_s, clone, template))
        return [*ways, _Way(boot.style.value, "a boot", limits.boot_s, boot)]

    # -- launch -----------------------------------------------------------------------------------

    async def _launch(self, way: _Way, prepared: _Prepared, attached: Attached | None) -> Record:
        """Run the guest; a root disk that no trainee ever had is made again."""
        machine, user = self._machine, prepared.user
        async with self._belongings(attached) as own:
            if way.plan is None:
                return await wake(machine, prepared.record, own)
            if not prepared.record.used:
                machine.root_disk.unlink(missing_ok=True)
            await ensure_overlay(machine.root_disk, way.plan.base, user)
            await check_overlay(machine.root_disk, user)
            record = machine.write(prepared.record, stage=Stage.DISK)
            return await power_on(way.plan, record, user, self._plan.host.memory, own)

    @asynccontextmanager
    async def _belongings(self, attached: Attached | None) -> AsyncGenerator[Belongings]:
        """Give what is plugged in; a card's port is there as long as somebody has it open."""
        volume, card = attached.path if attached else None, self._spec.card
        if card is None:
            yield Belongings(volume)
            return
        async with event_card(self._networks, self._machine.name, card) as plugged:
            yield Belongings(volume, plugged)

    async def _reach_agent(self, limit_s: float) -> AgentLink:
        """Return a connection to the agent, which has answered."""
        machine = self._machine
        link = await self._stack.enter_async_context(AgentLink(await open_agent(machine)))
        await await_agent(link, limit_s)
        return link

    async def _give_up(self, way: _Way, error: ProviderError) -> None:
        _log.warning("%s, %s: tried another way, because %s", self._spec.name, way.name, error)
        await end_machine(self._machine)
        if way.template:
            await asyncio.to_thread(note_failure, way.template, self._spec.name)

    async def _attach_volume(self, *, runs: bool) -> Attached | None:
        """Give the machine its volume, if any; until the stack closes nobody else changes it.

        Raises:
            MachineConflictError: another machine has it, or something is being done with it.
            VolumeError, HostError: it cannot be had.
        """
        spec = self._spec
        if spec.volume is None:
            return None
        try:
            return await self._stack.enter_async_context(
                self._volumes.attach(spec, spec.volume, runs=runs)
            )
        except VolumeConflictError as error:
            raise MachineConflictError(
                spec.name,
                f"its volume cannot be attached: {error.message}",
                hint=error.hint,
                public=error.public or messages.DISK_IN_USE,
            ) from error


async def require_wanted(machine: Machine) -> None:
    """Let a start go on unless somebody ended the machine since it began; then nothing runs.

    Raises:
        MachineConflictError: it was switched off or deleted.
        ProviderError: what the start has launched meanwhile does not end.
    """
    name = machine.name
    if not machine.path.is_dir():
        raise MachineConflictError(
            name, "it was deleted while it was starting", public=messages.WENT_OFF
        )
    if machine.ended.exists():
        await end_machine(machine)
        raise MachineConflictError(
            name,
            "it was switched off while it was starting",
            hint="start it again if that was a mistake",
            public=messages.WENT_OFF,
        )
