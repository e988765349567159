"""The host's half of a start: from a name to a machine whose agent answers."""

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
from vmlab.paths import Paths
from vmlab.providers.qemu.channels.agent import AgentLink, connect_agent
from vmlab.providers.qemu.channels.handover import await_agent
from vmlab.providers.qemu.machine import disks
from vmlab.providers.qemu.machine.folders import make_folder
from vmlab.providers.qemu.machine.identity import ensure_identity
from vmlab.providers.qemu.machine.layout import MachineFolder
from vmlab.providers.qemu.machine.old_disks import keep_root_disk
from vmlab.providers.qemu.machine.records import Record, Stage, read_record, write_record
from vmlab.providers.qemu.machine.users import ensure_machine_user
from vmlab.providers.qemu.process.accelerator import Accelerator
from vmlab.providers.qemu.process.admission import Memory
from vmlab.providers.qemu.process.deadlines import Deadlines
from vmlab.providers.qemu.process.ending import end_machine, find_processes, require_wanted
from vmlab.providers.qemu.process.power import POOL, Plan, make_machine, power_on, wake
from vmlab.providers.qemu.warm.pool import Pool
from vmlab.providers.qemu.warm.suspicion import clear_failures, is_suspect, note_failure
from vmlab.providers.qemu.warm.template import (
    Template,
    TemplateError,
    TemplateKind,
    find_template,
    make_kind,
)
from vmlab.system.locks import is_locked
from vmlab.system.worker import find_machines_gid
from vmlab.volumes.attachment import Attached
from vmlab.volumes.disk_image import lend
from vmlab.volumes.store import VolumeStore
from vmlab_protocol.notices import Notice
from vmlab_protocol.phases import Phase

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Host:
    """What a start depends on beside the machine itself."""

    paths: Paths
    doors: Path
    memory: Memory
    accelerator: Accelerator
    qemu: str  # version line
    style: StartStyle
    deadlines: Deadlines
    volumes: VolumeStore

    @property
    def clones(self) -> bool:
        """Whether machines are cloned at all."""
        return self.style in {StartStyle.AUTO, StartStyle.CLONE}

    def boot_plan(self, image: Image) -> Plan:
        """Return how a machine of this image boots."""
        style = StartStyle.PLAIN if self.style is StartStyle.PLAIN else StartStyle.BOOT
        return Plan(image, self.accelerator, self.doors, self.memory, style)

    def template_kind(self, spec: MachineSpec, image: Image) -> TemplateKind:
        """Return which template a machine like this is cloned from."""
        machine = make_machine(replace(self.boot_plan(image), style=StartStyle.BOOT), spec)
        return make_kind(image, machine, qemu=self.qemu, user=find_machines_gid())


async def guest_runs(folder: MachineFolder) -> bool:
    """Tell whether the machine's guest runs; end what was launched and never got so far.

    That includes what an attacker in it may have left behind to wait for the next QEMU.
    """
    record = await asyncio.to_thread(read_record, folder)
    locked = is_locked(str(folder.shim_lock))
    if locked and record and record.stage in {Stage.LIVE, Stage.SEEDED}:
        return True
    left = await asyncio.to_thread(find_processes, folder) if record else []
    if left or locked or (record and record.stage is Stage.POWERED):
        await end_machine(folder)
    return False


@dataclass(frozen=True)
class _Way:
    """One way for a machine to come to life; the next is tried when it does not lead there."""

    name: str  # as in the machine's record
    detail: str
    power: Callable[[], Awaitable[None]]
    limit_s: float  # until its agent answers
    template: Template | None = None  # that it stands on


class BringUp:
    """One start of a machine that does not run: from the pool, as a clone, or by a boot.

    Args:
        stack: keeps the connection to the agent open for the caller.
    """

    def __init__(
        self,
        host: Host,
        folder: MachineFolder,
        spec: MachineSpec,
        image: Image,
        stack: AsyncExitStack,
    ) -> None:
        self._host = host
        self._folder = folder
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
            HostError, MachineConflictError, ProviderError, GuestError: it does not come to life.
        """
        yield PhaseEvent(Phase.DISK, self._image.version)
        kind = await asyncio.to_thread(self._host.template_kind, self._spec, self._image)
        claimed = self._host.style is StartStyle.AUTO and await asyncio.to_thread(
            pool.claim, self._folder, kind, internet=self._spec.internet
        )
        record, notice = await self._prepare_record(running=claimed)
        if notice:
            yield PhaseEvent(Phase.DISK, "the image changed", notice)
        yield PhaseEvent(Phase.VOLUME)
        await self._prepare_volume()
        ways = [self._wake(record)] if claimed else []
        if self._host.clones and not record.used:
            ways += await self._clone(record, kind)
        ways.append(self._boot(record))
        for way in ways:
            yield PhaseEvent(Phase.POWER, way.detail, way=way.name)
            try:
                await require_wanted(self._folder)
                await way.power()
                yield PhaseEvent(Phase.BOOT)
                link = await self._stack.enter_async_context(
                    connect_agent(self._spec.name, self._folder.agent)
                )
                await await_agent(link, way.limit_s)
                await require_wanted(self._folder)
            except MachineConflictError:
                raise
            except (ProviderError, OSError) as error:
                await require_wanted(self._folder)
                if way is ways[-1] or not isinstance(error, ProviderError):
                    raise
                await self._give_up(way, error)
            else:
                if way.template:
                    await asyncio.to_thread(clear_failures, way.template)
                self._link = link
                return

    # -- the ways --------------------------------------------------------------------------------

    def _wake(self, record: Record) -> _Way:
        async def power() -> None:
            await wake(self._folder, record, self._spec, self._volume)

        return _Way(POOL, "from the pool", power, self._host.deadlines.resume_s)

    async def _clone(self, record: Record, kind: TemplateKind) -> list[_Way]:
        """Return the way over a template, if there is one; else why not is in the log."""
        try:
            template = await asyncio.to_thread(find_template, self._host.paths.templates, kind)
        except TemplateError as error:
            _log.warning("%s boots instead of being cloned: %s", self._spec.name, error)
            return []
        if await asyncio.to_thread(is_suspect, template):
            _log.warning(
                "%s boots instead of being cloned: the last clones of %s did not come to life; "
                "it is tried again when the host is calm",
                self._spec.name,
                template.folder,
            )
            return []
        plan = replace(self._host.boot_plan(self._image), template=template)

        async def power() -> None:
            root = await self._prepare_root(record, template.root_disk)
            await power_on(self._folder, root, plan, self._spec, self._volume)

        limit_s = self._host.deadlines.resume_s
        detail = f"clone of {template.folder.name}"
        return [_Way(StartStyle.CLONE.value, detail, power, limit_s, template)]

    def _boot(self, record: Record) -> _Way:
        plan = self._host.boot_plan(self._image)

        async def power() -> None:
            root = await self._prepare_root(record, self._image.disk)
            await power_on(self._folder, root, plan, self._spec, self._volume)

        return _Way(plan.style.value, "a boot", power, self._host.deadlines.boot_s)

    async def _give_up(self, way: _Way, error: ProviderError) -> None:
        _log.warning("%s, %s: tried another way, because %s", self._spec.name, way.name, error)
        await end_machine(self._folder)
        if way.template:
            await asyncio.to_thread(note_failure, way.template, self._spec.name)

    # -- disks and records -------------------------------------------------------------------------

    async def _prepare_record(self, *, running: bool) -> tuple[Record, Notice | None]:
        """Make folder, record and identity; set an older image's disk aside and say so."""
        folder, spec = self._folder, self._spec
        await asyncio.to_thread(make_folder, folder)
        record = read_record(folder) or Record(spec.name, spec.owner, spec.image)
        notice = None
        if record.used and record.image_version != self._image.version:
            notice = await self._put_root_away(record.image_version)
            record = replace(record, used=False)
        record = write_record(
            folder,
            record,
            name=spec.name,
            owner=spec.owner,
            image=spec.image,
            image_version=self._image.version,
            stage=Stage.POWERED if running else Stage.CREATED,
        )
        await asyncio.to_thread(ensure_identity, folder)
        return record, notice

    async def _put_root_away(self, old_version: str) -> Notice | None:
        """Keep the older image's root disk if there is room; return what to tell the trainee."""
        kept = await asyncio.to_thread(keep_root_disk, self._folder, old_version)
        if kept is None:
            return None
        spec = self._spec
        stays = await self._host.volumes.keep_put_away(spec.owner, spec.name, kept)
        return messages.NEW_SYSTEM if stays else messages.NEW_SYSTEM_ONLY

    async def _prepare_root(self, record: Record, base: Path) -> Record:
        """Make the root disk over `base`; a disk that no trainee ever had is made anew."""
        disk = self._folder.root_disk
        if not record.used:
            disk.unlink(missing_ok=True)
        user = ensure_machine_user(self._folder)
        await disks.ensure_overlay(disk, base, user)
        await disks.check_overlay(disk, user)
        return write_record(self._folder, record, stage=Stage.DISK)

    async def _prepare_volume(self) -> None:
        self.attached = await attach_volume(self._host.volumes, self._spec, self._stack)
        if self.attached:
            lend(self.attached.path, ensure_machine_user(self._folder))

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
