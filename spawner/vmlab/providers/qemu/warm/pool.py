"""The warm pool: clones that have already run a server's code, halted, waiting for a trainee.

STATE/pool/ID/ is a machine's folder like any other. `ready.json` in it says that its agent
answered; taking the machine is one rename of the folder, which only one can win.
"""

from __future__ import annotations

import asyncio
import errno
import json
import logging
import secrets
import shutil
import time
from pathlib import Path

from vmlab.errors import LabError, ProviderError
from vmlab.images.store import Image
from vmlab.model import MachineSpec
from vmlab.providers.agent.handover import await_agent
from vmlab.providers.agent.link import AgentLink
from vmlab.providers.facts import PoolState
from vmlab.providers.qemu.channels.agent import open_agent
from vmlab.providers.qemu.channels.monitor import open_monitor
from vmlab.providers.qemu.machine import disks
from vmlab.providers.qemu.machine.machine import Machine, Record
from vmlab.providers.qemu.machine.users import make_folder
from vmlab.providers.qemu.process.ending import remove_machine
from vmlab.providers.qemu.process.launch import launch
from vmlab.providers.qemu.process.plan import Host, TemplateKind, plan_launch
from vmlab.providers.qemu.warm.template import Template
from vmlab.system.background import apart
from vmlab_protocol.atomic import write_atomic
from vmlab_protocol.messages import HostMessageType
from vmlab_protocol.outside import load_json

_READY = "ready.json"
_KEPT_FAILURES = 3
_log = logging.getLogger(__name__)


class Pool:
    """The machines below one folder.

    Args:
        folder: need not exist yet.
        failed: where machines go that did not get ready.
    """

    def __init__(self, folder: Path, failed: Path) -> None:
        self._folder = folder
        self._failed = failed

    def claim(self, target: Machine, kind: TemplateKind, *, way_out: str) -> bool:
        """Make a ready machine of this kind the machine of `target`; return whether there was one.

        A machine's empty folder may be in the way; one with anything in it keeps its place.
        """
        if target.path.is_dir() and any(target.path.iterdir()):
            return False
        for machine in self._ready(kind, way_out=way_out):
            try:
                # Of two that want it, one finds it gone.
                machine.path.rename(target.path)
            except OSError as error:
                if error.errno == errno.EXDEV:
                    _log.error(
                        "%s and %s are on two file systems, and a running machine cannot be moved "
                        "from one to the other: the pool is of no use like this",
                        self._folder,
                        target.path.parent,
                    )
                    return False
                continue
            (target.path / _READY).unlink()
            return True
        return False

    async def fill(
        self, wanted: int, template: Template, spec: MachineSpec, host: Host, image: Image
    ) -> bool:
        """Prepare one machine if fewer than `wanted` are ready; tell whether more are missing.

        Raises:
            LabError: it did not get ready; it is set aside for diagnosis.
        """
        missing = wanted - len(self._ready(template.kind, way_out=spec.way_out))
        if missing <= 0:
            return False
        self._folder.mkdir(exist_ok=True)
        self._folder.chmod(0o711)
        machine = Machine.below(self._folder, f"pool-{secrets.token_hex(4)}")
        try:
            await self._prepare(machine, template, spec, host, image)
        except LabError:
            await asyncio.shield(self._set_aside(machine))
            raise
        except BaseException:
            await asyncio.shield(remove_machine(machine))
            raise
        return missing > 1

    async def drain(self, keep: TemplateKind | None = None, *, way_out: str = "") -> None:
        """End and remove the machines that are not ready or not of the kind to be kept.

        Raises:
            ProviderError: one could not be ended; all others were.
        """
        kept = {f.path for f in self._ready(keep, way_out=way_out)} if keep else set()
        stuck = []
        for path in sorted(self._folder.iterdir()) if self._folder.is_dir() else ():
            if path in kept:
                continue
            with apart(f"{path.name}: could not be removed from the pool") as part:
                await remove_machine(Machine(path))
                _log.info("%s has left the pool", path.name)
            if part.error is not None:
                stuck.append(path.name)
        if stuck:
            raise ProviderError(
                stuck[0], f"could not be removed from the pool, one of {len(stuck)}"
            )

    def state(self, wanted: int) -> PoolState:
        """Return how full the pool is, whatever its machines are cloned from."""
        folders = list(self._folder.iterdir()) if self._folder.is_dir() else []
        ready = sum((folder / _READY).exists() for folder in folders)
        return PoolState(wanted, ready, len(folders) - ready)

    def _ready(self, kind: TemplateKind, *, way_out: str) -> list[Machine]:
        """Return the machines that wait, those that wait longest first."""
        found = []
        for note in self._folder.glob(f"*/{_READY}"):
            try:
                facts = load_json(note.read_bytes())
                fits = facts["template"] == kind.key and facts["way_out"] == way_out
                since = float(facts["since"])
            except (OSError, ValueError, KeyError, TypeError):
                continue  # claimed meanwhile, or no note of ours
            machine = Machine(note.parent)
            if fits and machine.is_running():
                found.append((since, machine))
        return [machine for _, machine in sorted(found, key=lambda pair: pair[0])]

    async def _prepare(
        self,
        machine: Machine,
        template: Template,
        spec: MachineSpec,
        host: Host,
        image: Image,
    ) -> None:
        name, user = machine.name, await asyncio.to_thread(make_folder, machine)
        plan = plan_launch(machine, spec, host, image, template=template, for_pool=True)
        await disks.ensure_overlay(machine.root_disk, plan.base, user)
        record = Record(name, "", spec.image, template.kind.image_version)
        await launch(plan, record, user, host.memory)
        async with open_monitor(name, machine.qmp) as monitor:
            await monitor.load_devices(template.devices)
            await monitor.resume()
            async with AgentLink(await open_agent(machine)) as link:
                await await_agent(link, host.deadlines.resume_s)
                # Under emulation the code that ran stays translated in this process.
                await link.ask(HostMessageType.WARM, host.deadlines.park_s)
            await monitor.pause()
        facts = {"template": template.kind.key, "way_out": spec.way_out, "since": time.time()}
        write_atomic(machine.path / _READY, json.dumps(facts).encode())

    async def _set_aside(self, machine: Machine) -> None:
        """Keep a machine that did not get ready, stopped, for diagnosis; and the last few only."""
        self._failed.mkdir(mode=0o700, exist_ok=True)
        kept = self._failed / f"{int(time.time())}-{machine.name}"
        await remove_machine(machine, keep_as=kept)
        for old in sorted(self._failed.iterdir())[:-_KEPT_FAILURES]:
            with apart(f"{old}: not removed"):
                await asyncio.to_thread(shutil.rmtree, old)
