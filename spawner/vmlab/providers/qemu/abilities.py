"""What the embedded provider does for its host and its operator: `vmlab.providers.abilities`."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from tornado.httputil import HTTPServerConnectionDelegate

from vmlab.errors import HostError, LabError, MachineNotFoundError
from vmlab.lab.lab import Lab
from vmlab.network.listeners import ensure_listeners
from vmlab.paths import Paths
from vmlab.providers.agent.ssh import open_unix_ssh
from vmlab.providers.base import SshStream
from vmlab.providers.facts import Engine, Finding, PoolState, Prepared, Seats, Traces
from vmlab.providers.qemu import examination, seats
from vmlab.providers.qemu.machine.identity import (
    await_greeting,
    ensure_identity,
    make_ssh_command,
)
from vmlab.providers.qemu.machine.machine import Machine
from vmlab.providers.qemu.machine.status import machine_status
from vmlab.providers.qemu.options import QemuOptions
from vmlab.providers.qemu.process.accelerator import choose_accelerator, qemu_version
from vmlab.providers.qemu.process.neighbour_watch import PERIOD_S, NeighbourWatch
from vmlab.providers.qemu.warm.pool import Pool
from vmlab.providers.qemu.warm.template import Template
from vmlab.system.background import Job
from vmlab.system.worker import ensure_tools_user

HUB_URL: Final = "http://10.0.2.2:8081"
"""The gateway of the machine's own network (docs/decisions/0001)."""


class AbilitiesOfQemu:
    """The part of `QemuProvider` that looks after the host."""

    _options: QemuOptions
    _paths: Paths
    pool: Pool

    @property
    def hub_url(self) -> str:
        """The hub's URL as a machine sees it (contract: `LeadsToHub.hub_url`)."""
        return HUB_URL

    @property
    def listeners(self) -> Path:
        """Folder where the hub's side opens `hub.sock` and `proxy.sock` for the machines."""
        return self._paths.state / "doors"

    async def open_way(self, hub: HTTPServerConnectionDelegate, proxy: Path) -> None:
        """Open the listeners (contract: `LeadsToHub.open_way`)."""
        await ensure_listeners(self.listeners, hub, proxy)

    def ssh_command(self, name: str) -> list[str]:
        """Return the command that opens a shell (contract: `OpensShells.ssh_command`)."""
        folder = Machine.below(self._paths.machines, name)
        if not machine_status(folder).state.is_on:
            raise MachineNotFoundError(name, "it does not run", hint="vmlab machine list")
        return make_ssh_command(folder)

    async def await_ssh(self, name: str) -> None:
        """Wait for sshd, which is started after the server (contract: `OpensShells.await_ssh`)."""
        for program in (self.ssh_command(name)[0], "socat"):
            if shutil.which(program) is None:
                raise HostError(
                    f"{program} is not installed", hint="apt-get install openssh-client socat"
                )
        await await_greeting(Machine.below(self._paths.machines, name))

    async def open_ssh(self, name: str) -> SshStream:
        """Connect by the machine's socket (contract: `ReachesSsh.open_ssh`)."""
        machine = Machine.below(self._paths.machines, name)
        return await open_unix_ssh(name, machine.ssh)

    def ssh_host_key(self, name: str) -> str:
        """Read the machine's identity (contract: `ReachesSsh.ssh_host_key`)."""
        machine = Machine.below(self._paths.machines, name)
        if not machine.identity.exists():
            return ""
        return ensure_identity(machine).ssh_host_public_key

    async def engine(self) -> Engine:
        """Tell whether KVM or emulation runs guest code (contract: `ExaminesHost.engine`)."""
        verdict = await choose_accelerator(self._options.accelerator, self._paths.cache)
        versions = {"qemu": await qemu_version()}
        return Engine(verdict.name.value, verdict.reason, versions)

    async def examine(self, lab: Lab) -> list[Finding]:
        """Examine this host (contract: `ExaminesHost.examine`)."""
        return await examination.examine(lab, self._options.accelerator, self._paths)

    async def count_seats(self, lab: Lab) -> tuple[Seats, list[Finding]]:
        """Count by memory, disk and processors (contract: `CountsSeats.count_seats`)."""
        try:
            accelerator = (await self.engine()).accelerator
        except LabError:
            accelerator = ""  # `examine` says what is wrong
        return await seats.examine_seats(lab, self._paths, accelerator)

    def prepare_host(self) -> None:
        """Make the account of disk tools (contract: `PreparesHost.prepare_host`)."""
        ensure_tools_user()

    def pool_state(self) -> PoolState:
        """Count the machines that wait (contract: `KeepsMachinesReady.pool_state`)."""
        return self.pool.state(self._options.pool)

    def jobs(self) -> Sequence[Job]:
        """Return the watch on networks near the host (contract: `HasJobs.jobs`)."""
        watch = NeighbourWatch(self._paths.machines, self._paths.pool)
        return [Job("networks near the host", watch.look, PERIOD_S)]

    def traces(self, name: str) -> Traces:
        """Tell where a machine shows (contract: `CanBeMeasured.traces`)."""
        folder = Machine.below(self._paths.machines, name)
        record = folder.record()
        return Traces(folder.shim_lock, (folder.path,), record.style if record else "")


def describe_template(made: Template) -> Prepared:
    """Return what a template is and costs, for the operator."""
    size_mib = made.memory.stat().st_blocks * 512 / 2**20
    words = (
        f"Template of image {made.kind.image} {made.kind.image_version}: {size_mib:.0f} MiB on disk"
    )
    if made.measured:
        words += f"; an idle machine takes {made.measured.pss_mib:.0f} MiB of memory"
    measured = asdict(made.measured) if made.measured else None
    return Prepared(words, {"folder": str(made.folder), **asdict(made.kind), "measured": measured})
