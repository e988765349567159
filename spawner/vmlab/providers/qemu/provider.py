"""The embedded provider: one QEMU process a machine (see the package's docstring for the parts)."""

from __future__ import annotations

import asyncio
import dataclasses
import functools
import logging
import os
import secrets
import shutil
import time
from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

from vmlab import sayings
from vmlab.errors import (
    HostError,
    MachineConflictError,
    MachineNotFoundError,
    ProviderError,
)
from vmlab.images.store import Image, ImageStore
from vmlab.model import (
    Features,
    MachineSpec,
    MachineState,
    MachineStatus,
    Notice,
    Phase,
    PhaseEvent,
)
from vmlab.paths import Paths
from vmlab.providers import ProviderSettings
from vmlab.providers.qemu import confine, disks
from vmlab.providers.qemu.accelerator import Accelerator, Verdict, choose_accelerator
from vmlab.providers.qemu.agent import AgentLink, connect_agent
from vmlab.providers.qemu.argv import HOME_SERIAL, QemuMachine
from vmlab.providers.qemu.ending import end_process
from vmlab.providers.qemu.handover import await_agent, hand_over
from vmlab.providers.qemu.identity import ensure_identity
from vmlab.providers.qemu.launch import launch_shim, make_shim_config
from vmlab.providers.qemu.layout import MachineFolder, machine_folder
from vmlab.providers.qemu.records import Record, Stage, read_record, write_record
from vmlab.providers.qemu.shim import is_locked
from vmlab.providers.qemu.status import listed_status, machine_status, read_console
from vmlab.seed import RANDOM_BYTES, GuestNetwork, Identity, Mount, Seed, make_seed_message

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Deadlines:
    """How long a machine may take, in seconds."""

    boot_s: float  # from power-on to the agent's first word
    seed_s: float  # all that the agent does with a seed
    shutdown_s: float  # from the power button to the end


# Software emulation is ten to fifty times slower, and more when twenty machines boot at once.
DEADLINES = {
    Accelerator.KVM: Deadlines(boot_s=120, seed_s=60, shutdown_s=30),
    Accelerator.TCG: Deadlines(boot_s=900, seed_s=300, shutdown_s=90),
}


class QemuProvider:
    """Machines as QEMU processes of this host (contract: `vmlab.providers.base.Provider`)."""

    def __init__(
        self,
        settings: ProviderSettings,
        deadlines: Mapping[Accelerator, Deadlines] = DEADLINES,
    ) -> None:
        self._settings = settings
        self._deadlines = deadlines
        self._paths = Paths(state=settings.state, cache=settings.cache)
        self._images = ImageStore(self._paths.images)
        self._locks: dict[str, asyncio.Lock] = {}
        self._verdict: Verdict | None = None

    @property
    def features(self) -> Features:
        """What QEMU machines can do; the accelerator is known after the first use."""
        return Features(name="qemu", accelerator=self._verdict.name if self._verdict else "")

    async def validate(self, spec: MachineSpec) -> None:
        """Check image, QEMU, disk and memory (contract: `Provider.validate`)."""
        await self._validated_image(spec)

    async def _validated_image(self, spec: MachineSpec) -> Image:
        """Return the image of a machine that can be started now; raises as `validate`."""
        await self._accelerator()
        await asyncio.to_thread(self._prepare_folders)
        for folder in (self._paths.machines, self._paths.volumes):
            disks.check_room(folder)
        image = await asyncio.to_thread(self._find_image, spec.image)
        if spec.internet and shutil.which("slirp4netns") is None:
            raise HostError(
                "the lab allows the internet, which needs slirp4netns",
                hint="apt-get install slirp4netns, or internet = false in lab.toml",
            )
        if not is_locked(str(self._folder(spec.name).shim_lock)):
            _check_memory(spec.memory_mib)
        return image

    async def start(self, spec: MachineSpec, seed: Seed) -> AsyncGenerator[PhaseEvent]:
        """Make, power on and seed the machine (contract: `Provider.start`)."""
        lock = self._locks.setdefault(spec.name, asyncio.Lock())
        async with lock:
            folder = self._folder(spec.name)
            async for event in self._start(folder, spec, seed):
                yield event

    async def _start(
        self, folder: MachineFolder, spec: MachineSpec, seed: Seed
    ) -> AsyncGenerator[PhaseEvent]:
        yield PhaseEvent(Phase.IMAGE, spec.image)
        image = await self._validated_image(spec)
        user = confine.find_qemu_user()
        if not is_locked(str(folder.shim_lock)):
            yield PhaseEvent(Phase.DISK, image.version)
            record, notice = await self._prepare_disk(folder, spec, image, user)
            if notice:
                seed = dataclasses.replace(seed, notices=(*seed.notices, notice))
                yield PhaseEvent(Phase.DISK, "the image changed", notice)
            yield PhaseEvent(Phase.VOLUME)
            volume = await self._prepare_volume(spec, user)
            yield PhaseEvent(Phase.POWER)
            await self._power_on(folder, spec, record, image, volume)
        yield PhaseEvent(Phase.BOOT)
        async with connect_agent(spec.name, folder.agent) as link:
            async for event in self._hand_over_seed(folder, spec, seed, link):
                yield event

    # -- the steps of a start ---------------------------------------------------------------

    async def _prepare_disk(
        self, folder: MachineFolder, spec: MachineSpec, image: Image, user: confine.QemuUser
    ) -> tuple[Record, Notice | None]:
        """Make folder, record, identity and root disk; set an older image's disk aside."""
        await asyncio.to_thread(_make_folder, folder, user)
        record = read_record(folder) or Record(spec.name, spec.owner, spec.image)
        notice = None
        if record.image_version and record.image_version != image.version:
            notice = await asyncio.to_thread(_set_root_aside, folder, record.image_version)
        record = write_record(
            folder, record, image=spec.image, image_version=image.version, stage=Stage.CREATED
        )
        await asyncio.to_thread(ensure_identity, folder)
        await disks.ensure_overlay(folder.root_disk, image.disk, user)
        await disks.check_overlay(folder.root_disk)
        return write_record(folder, record, stage=Stage.DISK), notice

    async def _prepare_volume(self, spec: MachineSpec, user: confine.QemuUser) -> Path | None:
        if spec.volume is None:
            return None
        path = self._paths.volumes / f"{spec.volume.name}.qcow2"
        await disks.ensure_volume(path, spec.volume, user)
        return path

    async def _power_on(
        self,
        folder: MachineFolder,
        spec: MachineSpec,
        record: Record,
        image: Image,
        volume: Path | None,
    ) -> None:
        accelerator = await self._accelerator()
        machine = QemuMachine(
            name=spec.name,
            memory_mib=spec.memory_mib,
            cpus=spec.cpus,
            accelerator=accelerator,
            kernel=image.kernel,
            initrd=image.initrd,
            kernel_args=image.kernel_args,
            root_disk=folder.root_disk,
            volume=volume,
            qmp=folder.qmp,
            agent=folder.agent,
        )
        confinement = confine.detect_confinement()
        limits = confine.machine_limits(spec.memory_mib, spec.cpus)
        config = make_shim_config(
            folder,
            machine,
            user=confine.find_qemu_user(),
            doors=self.doors,
            internet=spec.internet,
            confinement=confinement,
            limits=limits,
        )
        folder.exit_report.unlink(missing_ok=True)  # the last run's
        # Recorded before it happens: whatever comes next, `stop` knows that something may run.
        write_record(folder, record, stage=Stage.POWERED, powered_at=time.time())
        try:
            await launch_shim(folder, config, confinement=confinement, limits=limits)
        except ProviderError as error:
            if "Failed to get" in error.message and "lock" in error.message:
                raise MachineConflictError(
                    spec.name,
                    "its disk or volume is attached to another machine",
                    hint="vmlab machine list shows which machine runs",
                    public=sayings.DISK_IN_USE,
                ) from error
            raise

    async def _hand_over_seed(
        self, folder: MachineFolder, spec: MachineSpec, seed: Seed, link: AgentLink
    ) -> AsyncGenerator[PhaseEvent]:
        deadlines = self._deadlines[await self._accelerator()]
        await await_agent(link, deadlines.boot_s)
        identity = await asyncio.to_thread(ensure_identity, folder)
        mounts: tuple[Mount, ...] = ()
        if spec.volume:
            mounts = (Mount(f"/dev/disk/by-id/virtio-{HOME_SERIAL}", spec.volume.mount),)
        # 10.0.3.3 is slirp4netns's resolver; without internet there is none to ask.
        network = GuestNetwork(dns=("10.0.3.3",) if spec.internet else ())
        make_line = functools.partial(
            _make_seed_line, seed, identity, spec.host_name, network, mounts
        )
        async for phase in hand_over(link, make_line, deadlines.seed_s):
            yield PhaseEvent(phase)
        record = read_record(folder)
        if record is None:
            raise MachineConflictError(spec.name, "it was deleted while it was starting")
        write_record(folder, record, stage=Stage.SEEDED)

    # -- the end of a machine -----------------------------------------------------------------

    async def stop(self, name: str, *, now: bool = False) -> None:
        """Power the machine off (contract: `Provider.stop`)."""
        folder = self._folder(name)
        if not folder.path.is_dir():
            return
        try:
            record = await asyncio.to_thread(read_record, folder)
            at_work = record is not None and record.stage is Stage.SEEDED
        except ProviderError as error:
            # A machine must end even so; somebody may be at work in it.
            _log.warning("%s", error)
            record, at_work = None, True
        if at_work and not now:
            limit_s = self._deadlines[await self._accelerator()].shutdown_s
        else:
            limit_s = 0.0  # nobody has worked in it yet, or nobody wants to wait
        await end_process(folder, shutdown_limit_s=limit_s)
        nothing = confine.machine_limits(0, 0)
        plan = confine.plan_cgroups(confine.detect_confinement(), folder.unit, nothing)
        try:
            await confine.remove_cgroups(plan)
        except (OSError, TimeoutError) as error:
            raise ProviderError(name, f"its cgroups {plan.folders} do not go: {error}") from error
        for socket in folder.sockets:
            socket.unlink(missing_ok=True)
        if record and record.stage in {Stage.POWERED, Stage.SEEDED}:
            await asyncio.to_thread(write_record, folder, record, stage=Stage.STOPPED)

    async def delete(self, name: str) -> None:
        """Stop the machine and remove its folder (contract: `Provider.delete`)."""
        await self.stop(name, now=True)
        folder = self._folder(name)
        if folder.path.is_dir():
            await asyncio.to_thread(shutil.rmtree, folder.path)

    # -- looking at machines --------------------------------------------------------------------

    async def status(self, names: Iterable[str] | None = None) -> Mapping[str, MachineStatus]:
        """Tell the state of these machines, or of all (contract: `Provider.status`)."""
        wanted = list(names) if names is not None else None
        return await asyncio.to_thread(self._status, wanted)

    def _status(self, names: list[str] | None) -> dict[str, MachineStatus]:
        if names is not None:
            return {name: machine_status(self._folder(name)) for name in names}
        machines = self._paths.machines
        found = sorted(p.name for p in machines.iterdir()) if machines.is_dir() else []
        return {name: listed_status(self._folder(name)) for name in found}

    async def console(self, name: str, *, max_bytes: int = 65536) -> str:
        """Return the end of the serial console (contract: `Provider.console`)."""
        return await asyncio.to_thread(read_console, self._folder(name), max_bytes)

    def ssh_command(self, name: str) -> list[str]:
        """Return the command that opens a shell in the machine as the trainee's user.

        Raises:
            MachineNotFoundError: it does not run.
        """
        folder = self._folder(name)
        if machine_status(folder).state not in {MachineState.RUNNING, MachineState.STARTING}:
            raise MachineNotFoundError(name, "it does not run", hint="vmlab machine list")
        identity = ensure_identity(folder)
        known = folder.path / "known_hosts"
        known.write_text(f"{name} {identity.ssh_host_public_key}\n")
        # fmt: off
        return [
            "ssh", "-i", str(folder.access_key), "-o", "IdentitiesOnly=yes",
            "-o", f"UserKnownHostsFile={known}", "-o", f"HostKeyAlias={name}",
            "-o", "StrictHostKeyChecking=yes",
            "-o", f"ProxyCommand=socat - UNIX-CONNECT:{folder.ssh}",
            f"trainee@{name}",
        ]
        # fmt: on

    @property
    def doors(self) -> Path:
        """Folder where the hub's side opens `hub.sock` and `proxy.sock` for the machines."""
        return self._paths.state / "doors"

    # -- helpers ---------------------------------------------------------------------------------

    def _folder(self, name: str) -> MachineFolder:
        return machine_folder(self._paths.machines, name)

    def _find_image(self, name: str) -> Image:
        image = self._images.find(name)
        self._images.verify(image)
        return image

    def _prepare_folders(self) -> None:
        # QEMU's user must pass through, but not list: names of machines are names of people.
        for folder in (self._paths.state, self._paths.machines, self._paths.volumes, self.doors):
            folder.mkdir(parents=True, exist_ok=True)
            folder.chmod(0o711)

    async def _accelerator(self) -> Accelerator:
        if self._verdict is None:
            self._verdict = await choose_accelerator(self._settings.accelerator, self._paths.cache)
        return self._verdict.name


def _make_folder(folder: MachineFolder, user: confine.QemuUser) -> None:
    folder.path.mkdir(mode=0o700, exist_ok=True)
    if not folder.server_for_proxy.is_symlink():
        folder.server_for_proxy.symlink_to(folder.server.name)
    if user.drop:
        os.chown(folder.path, user.uid, user.gid)


def _set_root_aside(folder: MachineFolder, old_version: str) -> Notice | None:
    """Keep the older image's root disk under another name; return what to tell the trainee."""
    if not folder.root_disk.exists():
        return None
    kept = folder.root_disk.with_name(f"root-{old_version}-{int(time.time())}.qcow2")
    folder.root_disk.rename(kept)
    return Notice(
        en="Your machine starts from a new system image. Your home folder is as you left it. "
        "Packages that you installed are not in the new system; "
        "the old system is kept, ask a facilitator if you need something from it.",
        fr="Votre machine démarre sur une nouvelle image système. Votre dossier personnel est tel "
        "que vous l'avez laissé. Les paquets que vous aviez installés ne sont pas dans le nouveau "
        "système ; l'ancien est conservé, demandez à un encadrant si vous en avez besoin.",
    )


def _check_memory(memory_mib: int) -> None:
    available_mib = psutil.virtual_memory().available // 2**20
    if available_mib < memory_mib:
        raise HostError(
            f"{available_mib} MiB of memory are free, the machine needs {memory_mib} MiB",
            hint="stop machines that nobody uses, or make [machine] memory smaller",
            public=sayings.NO_PLACE,
        )


def _make_seed_line(
    seed: Seed,
    identity: Identity,
    host_name: str,
    network: GuestNetwork,
    mounts: tuple[Mount, ...],
) -> bytes:
    return make_seed_message(
        seed,
        identity,
        host_name=host_name,
        network=network,
        mounts=mounts,
        randomness=secrets.token_bytes(RANDOM_BYTES),
        now_ns=time.time_ns(),
    )
