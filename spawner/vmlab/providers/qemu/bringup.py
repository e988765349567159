"""The host's half of a start: from a name to a machine whose agent answers.

Each way to get there reads: plan, prepare, launch, await the agent.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from vmlab import messages
from vmlab.errors import MachineConflictError, ProviderError, VolumeConflictError
from vmlab.images.store import Image
from vmlab.model import MachineSpec, PhaseEvent, StartStyle
from vmlab.providers.agent.handover import await_agent
from vmlab.providers.agent.link import AgentLink
from vmlab.providers.qemu.channels.agent import open_agent
from vmlab.providers.qemu.machine.disks import check_overlay, ensure_overlay, keep_root_disk
from vmlab.providers.qemu.machine.identity import ensure_identity
from vmlab.providers.qemu.machine.machine import Machine, Record, Stage
from vmlab.providers.qemu.machine.users import make_folder
from vmlab.providers.qemu.process.ending import end_machine, find_processes
from vmlab.providers.qemu.process.launch import POOL, power_on, wake
from vmlab.providers.qemu.process.plan import Host, LaunchPlan, plan_launch
from vmlab.providers.qemu.warm.pool import Pool
from vmlab.providers.qemu.warm.template import (
    Template,
    TemplateError,
    TemplateKind,
    clear_failures,
    find_kind,
    find_template,
    is_suspect,
    note_failure,
)
from vmlab.system.worker import WorkerUser
from vmlab.volumes.attachment import Attached
from vmlab.volumes.disk_image import lend
from vmlab.volumes.store import VolumeStore
from vmlab_protocol.notices import Notice
from vmlab_protocol.phases import Phase

_log = logging.getLogger(__name__)


async def guest_runs(machine: Machine) -> bool:
    """Tell whether the machine's guest runs; end what was launched and never got so far.

    That includes what an attacker in it may have left behind to wait for the next QEMU.
    """
    record = await asyncio.to_thread(machine.record)
    is_running = machine.is_running()
    if is_running and record and record.stage in {Stage.LIVE, Stage.SEEDED}:
        return True
    left = await asyncio.to_thread(find_processes, machine) if record else []
    if left or is_running or (record and record.stage is Stage.POWERED):
        await end_machine(machine)
    return False


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


@dataclass(frozen=True)
class _Prepared:
    """A machine that can be launched."""

    record: Record
    user: WorkerUser  # as which it runs
    notice: Notice | None = None  # for its trainee: the root disk is another one


@dataclass(frozen=True)
class _Way:
    """One way to start a machine; the next is tried when it does not lead there."""

    name: str  # as in the machine's record
    detail: str
    launch: Callable[[], Awaitable[object]]
    limit_s: float  # until its agent answers
    template: Template | None = None  # that it is based on


class BringUp:
    """One start of a machine that does not run: from the pool, as a clone, or by a boot.

    Args:
        boot: how it is launched when there is no faster way.
        stack: keeps the connection to the agent open for the caller.
    """

    def __init__(
        self,
        host: Host,
        volumes: VolumeStore,
        boot: LaunchPlan,
        spec: MachineSpec,
        image: Image,
        stack: AsyncExitStack,
    ) -> None:
        self._host = host
        self._volumes = volumes
        self._machine = boot.machine
        self._boot = boot
        self._spec = spec
        self._image = image
        self._stack = stack
        self.attached: Attached | None = None
        self._link: AgentLink | None = None

    @property
    def link(self) -> AgentLink:
        """The connection to the agent, once `run` is through."""
        assert self._link is not None  # noqa: S101 - `run` ends with it, or raises
        return self._link

    async def run(self, pool: Pool) -> AsyncGenerator[PhaseEvent]:
        """Yield the phases up to BOOT; afterwards `link` is open and its agent has answered.

        Raises:
            HostError, MachineConflictError, ProviderError, GuestError: it does not start.
        """
        yield PhaseEvent(Phase.DISK, self._image.version)
        kind = await asyncio.to_thread(find_kind, self._spec, self._host, self._image)
        claimed = self._host.style is StartStyle.AUTO and await asyncio.to_thread(
            pool.claim, self._machine, kind, internet=self._spec.internet
        )
        prepared = await self._prepare(running=claimed)
        if prepared.notice:
            yield PhaseEvent(Phase.DISK, "the image changed", prepared.notice)
        yield PhaseEvent(Phase.VOLUME)
        self.attached = await attach_volume(self._volumes, self._spec, self._stack)
        if self.attached:
            lend(self.attached.path, prepared.user)
        ways = await self._find_ways(prepared, kind, claimed=claimed)
        for way in ways:
            yield PhaseEvent(Phase.POWER, way.detail, way=way.name)
            try:
                await require_wanted(self._machine)
                await way.launch()
                yield PhaseEvent(Phase.BOOT)
                link = await self._stack.enter_async_context(
                    AgentLink(await open_agent(self._machine))
                )
                await await_agent(link, way.limit_s)
                await require_wanted(self._machine)
            except MachineConflictError:
                raise
            except (ProviderError, OSError) as error:
                await require_wanted(self._machine)
                if way is ways[-1] or not isinstance(error, ProviderError):
                    raise
                await self._give_up(way, error)
            else:
                if way.template:
                    await asyncio.to_thread(clear_failures, way.template)
                self._link = link
                return

    # -- plan ------------------------------------------------------------------------------------

    async def _find_ways(
        self, prepared: _Prepared, kind: TemplateKind, *, claimed: bool
    ) -> list[_Way]:
        """Return the ways to start that there are, the fastest first."""
        limits, ways = self._host.deadlines, []
        if claimed:
            ways.append(
                _Way(
                    POOL,
                    "from the pool",
                    lambda: wake(self._machine, prepared.record, self._volume),
                    limits.resume_s,
                )
            )
        if self._host.clones and not prepared.record.used:
            template = await asyncio.to_thread(self._find_template, kind)
            if template:
                clone = plan_launch(
                    self._machine, self._spec, self._host, self._image, template=template
                )
                detail = f"clone of {template.folder.name}"
                launch = self._launcher(clone, prepared)
                ways.append(_Way(clone.style.value, detail, launch, limits.resume_s, template))
        launch = self._launcher(self._boot, prepared)
        return [*ways, _Way(self._boot.style.value, "a boot", launch, limits.boot_s)]

    def _find_template(self, kind: TemplateKind) -> Template | None:
        """Return the template to be cloned, if there is one; else why not is in the log."""
        try:
            template = find_template(self._host.paths.templates, kind)
        except TemplateError as error:
            _log.warning("%s boots instead of being cloned: %s", self._spec.name, error)
            return None
        if is_suspect(template):
            _log.warning(
                "%s boots instead of being cloned: the last clones of %s did not start; "
                "it is tried again when the host is idle",
                self._spec.name,
                template.folder,
            )
            return None
        return template

    # -- prepare ---------------------------------------------------------------------------------

    async def _prepare(self, *, running: bool) -> _Prepared:
        """Make folder, record and identity; set an older image's disk aside and say so."""
        machine, spec = self._machine, self._spec
        user = await asyncio.to_thread(make_folder, machine)
        record = machine.record() or Record(spec.name, spec.owner, spec.image)
        notice = None
        if record.used and record.image_version != self._image.version:
            notice = await self._put_root_away(record.image_version)
            record = replace(record, used=False)
        record = machine.write(
            record,
            name=spec.name,
            owner=spec.owner,
            image=spec.image,
            image_version=self._image.version,
            stage=Stage.POWERED if running else Stage.CREATED,
        )
        await asyncio.to_thread(ensure_identity, machine)
        return _Prepared(record, user, notice)

    async def _put_root_away(self, old_version: str) -> Notice | None:
        """Keep the older image's root disk if there is room; return what to tell the trainee."""
        kept = await asyncio.to_thread(keep_root_disk, self._machine, old_version)
        if kept is None:
            return None
        spec = self._spec
        stays = await self._volumes.keep_put_away(spec.owner, spec.name, kept)
        return messages.NEW_SYSTEM if stays else messages.NEW_SYSTEM_ONLY

    async def _prepare_root(self, prepared: _Prepared, base: Path) -> Record:
        """Make the root disk over `base`; a disk that no trainee ever had is made again."""
        disk = self._machine.root_disk
        if not prepared.record.used:
            disk.unlink(missing_ok=True)
        await ensure_overlay(disk, base, prepared.user)
        await check_overlay(disk, prepared.user)
        return self._machine.write(prepared.record, stage=Stage.DISK)

    # -- launch ----------------------------------------------------------------------------------

    def _launcher(self, plan: LaunchPlan, prepared: _Prepared) -> Callable[[], Awaitable[Record]]:
        async def launch() -> Record:
            record = await self._prepare_root(prepared, plan.base)
            return await power_on(plan, record, prepared.user, self._host.memory, self._volume)

        return launch

    async def _give_up(self, way: _Way, error: ProviderError) -> None:
        _log.warning("%s, %s: tried another way, because %s", self._spec.name, way.name, error)
        await end_machine(self._machine)
        if way.template:
            await asyncio.to_thread(note_failure, way.template, self._spec.name)

    @property
    def _volume(self) -> Path | None:
        return self.attached.path if self.attached else None


async def attach_volume(
    volumes: VolumeStore, spec: MachineSpec, stack: AsyncExitStack, *, runs: bool = False
) -> Attached | None:
    """Give the machine its volume, if it has one; until `stack` closes nobody else changes it.

    Raises:
        MachineConflictError: another machine has it, or something is being done with it.
        VolumeError, HostError: it cannot be had.
    """
    if spec.volume is None:
        return None
    try:
        return await stack.enter_async_context(volumes.attach(spec, spec.volume, runs=runs))
    except VolumeConflictError as error:
        raise MachineConflictError(
            spec.name,
            f"its volume cannot be attached: {error.message}",
            hint=error.hint,
            public=error.public or messages.DISK_IN_USE,
        ) from error
