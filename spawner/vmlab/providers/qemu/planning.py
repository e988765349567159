"""What comes before a start: what this host can do, which image it is, and whether it fits."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vmlab.errors import HostError
from vmlab.images.store import Image, ImageStore
from vmlab.model import MachineSpec, StartStyle
from vmlab.paths import Paths
from vmlab.providers.qemu.machine.machine import Machine
from vmlab.providers.qemu.machine.users import share_folders
from vmlab.providers.qemu.options import QemuOptions
from vmlab.providers.qemu.process.accelerator import (
    Accelerator,
    Deadlines,
    choose_accelerator,
    mark_engine,
    qemu_version,
    read_processor,
)
from vmlab.providers.qemu.process.admission import Memory
from vmlab.providers.qemu.process.confine import detect_confinement
from vmlab.providers.qemu.process.plan import Host, LaunchPlan, plan_launch
from vmlab.providers.qemu.warm.pool import Pool
from vmlab.system.disk_space import START_MIB, find_free_space
from vmlab.system.environment import program_path
from vmlab.system.worker import find_machines_gid


@dataclass(frozen=True)
class StartPlan:
    """A start that may go on."""

    spec: MachineSpec
    host: Host
    image: Image
    boot: LaunchPlan  # how the machine is launched when there is no faster way


class Planner:
    """Plans starts; makes nothing but the folders that all machines share.

    Args:
        listeners: folder with the hub's side of the relays.
        deadlines: by what runs guest code.
        pool: machines in it have been promised their memory.
    """

    def __init__(
        self,
        options: QemuOptions,
        paths: Paths,
        listeners: Path,
        deadlines: Mapping[Accelerator, Deadlines],
        pool: Pool,
    ) -> None:
        self._options = options
        self._paths = paths
        self._listeners = listeners
        self._deadlines = deadlines
        self._pool = pool
        self._images = ImageStore(paths.images)
        self.memory = Memory(paths.cache / "promises", options.overcommit)
        self.known: Host | None = None
        """What this host can do, after the first question."""
        self._mark = ""

    async def plan(self, machine: Machine, spec: MachineSpec) -> StartPlan:
        """Return how the machine can be started now.

        Raises:
            HostError, ImageError: as the contract says of `Provider.validate`.
        """
        _require_programs(spec)
        host, image = await self.look(spec.image)
        runs = machine.is_running()
        if not runs:  # else it has what it takes, and is only seeded again
            for folder in (self._paths.machines, self._paths.volumes):
                find_free_space(folder).require(START_MIB, "a start")
        boot = plan_launch(machine, spec, host, image)
        if not (runs or self._pool.state(0).ready):
            await self.memory.check(boot.limits.memory_mib)
        return StartPlan(spec, host, image, boot)

    async def look(self, image: str) -> tuple[Host, Image]:
        """Return what machines depend on, the folders that they share included.

        Raises:
            HostError, ImageError: as `plan`.
        """
        host = await self.host()
        paths = self._paths
        folders = (paths.state, paths.machines, paths.volumes, self._listeners)
        await asyncio.to_thread(share_folders, folders, paths.templates)
        return host, await asyncio.to_thread(self._images.find_whole, image)

    async def host(self) -> Host:
        """Return what this host can do; asked again when its QEMU or processor changed, or KVM."""
        mark = await asyncio.to_thread(mark_engine)
        if self.known is None or mark != self._mark:
            verdict = await choose_accelerator(self._options.accelerator, self._paths.cache)
            self.known = Host(
                paths=self._paths,
                listeners=self._listeners,
                memory=self.memory,
                accelerator=verdict.name,
                qemu=await qemu_version(),
                processor=read_processor(),
                group=find_machines_gid(),
                style=StartStyle(self._options.start_style),
                deadlines=self._deadlines[verdict.name],
                confinement=detect_confinement(),
            )
            self._mark = mark  # last: what failed is asked again
        return self.known


def _require_programs(spec: MachineSpec) -> None:
    """Check that this host has what the machine's way to the internet needs.

    Raises:
        HostError: it has not.
    """
    if spec.internet and shutil.which("slirp4netns") is None:
        raise HostError(
            "the lab allows the internet, which needs slirp4netns",
            hint="apt-get install slirp4netns, or internet = false in lab.toml",
        )
    # As an ordinary user has no /usr/sbin in the path, where nft is.
    if spec.internet and spec.allowed and shutil.which("nft", path=program_path()) is None:
        raise HostError(
            "the lab allows some names on the internet, which needs nft",
            hint="apt-get install nftables, or internet = false in lab.toml",
        )
