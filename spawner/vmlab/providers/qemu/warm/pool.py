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
from dataclasses import replace
from pathlib import Path

from vmlab.errors import LabError, ProviderError
from vmlab.model import MachineSpec
from vmlab.providers.facts import PoolState
from vmlab.providers.qemu.channels.agent import connect_agent
from vmlab.providers.qemu.channels.handover import ask_agent, await_agent
from vmlab.providers.qemu.channels.monitor import open_monitor
from vmlab.providers.qemu.machine import disks
from vmlab.providers.qemu.machine.folders import make_folder
from vmlab.providers.qemu.machine.layout import MachineFolder, machine_folder
from vmlab.providers.qemu.machine.records import Record
from vmlab.providers.qemu.process import confine
from vmlab.providers.qemu.process.deadlines import Deadlines
from vmlab.providers.qemu.process.ending import remove_machine
from vmlab.providers.qemu.process.power import Plan, launch, make_machine
from vmlab.providers.qemu.warm.template import Template, TemplateKind
from vmlab.system.background import apart
from vmlab.system.locks import is_locked
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

    def claim(self, target: MachineFolder, kind: TemplateKind, *, internet: bool) -> bool:
        """Make a ready machine of this kind the machine of `target`; return whether there was one.

        A machine's empty folder may be in the way; one with anything in it keeps its place.
        """
        if target.path.is_dir() and any(target.path.iterdir()):
            return False
        for folder in self._ready(kind, internet=internet):
            try:
                # Of two that want it, one finds it gone.
                folder.path.rename(target.path)
            except OSError as error:
                if error.errno == errno.EXDEV:
                    _log.error(
                        "%s and %s lie on two file systems, and a running machine cannot be moved "
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
        self, wanted: int, template: Template, plan: Plan, spec: MachineSpec, limits: Deadlines
    ) -> bool:
        """Prepare one machine if fewer than `wanted` are ready; tell whether more are missing.

        Raises:
            LabError: it did not get ready; it is set aside for diagnosis.
        """
        missing = wanted - len(self._ready(template.kind, internet=spec.internet))
        if missing <= 0:
            return False
        self._folder.mkdir(exist_ok=True)
        self._folder.chmod(0o711)
        folder = machine_folder(self._folder, f"pool-{secrets.token_hex(4)}")
        try:
            await self._prepare(folder, template, plan, spec, limits)
        except LabError:
            await asyncio.shield(self._set_aside(folder))
            raise
        except BaseException:
            await asyncio.shield(remove_machine(folder))
            raise
        return missing > 1

    async def drain(self, keep: TemplateKind | None = None, *, internet: bool = False) -> None:
        """End and remove the machines that are not ready or not of the kind to be kept.

        Raises:
            ProviderError: one could not be ended; all others were.
        """
        kept = {f.path for f in self._ready(keep, internet=internet)} if keep else set()
        stuck = []
        for path in sorted(self._folder.iterdir()) if self._folder.is_dir() else ():
            if path in kept:
                continue
            with apart(f"{path.name}: could not be removed from the pool") as part:
                await remove_machine(MachineFolder(path))
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

    def _ready(self, kind: TemplateKind, *, internet: bool) -> list[MachineFolder]:
        """Return the machines that wait, those that wait longest first."""
        found = []
        for note in self._folder.glob(f"*/{_READY}"):
            try:
                facts = load_json(note.read_bytes())
                fits = facts["template"] == kind.key and facts["internet"] == internet
                since = float(facts["since"])
            except (OSError, ValueError, KeyError, TypeError):
                continue  # claimed meanwhile, or no note of ours
            folder = MachineFolder(note.parent)
            if fits and is_locked(str(folder.shim_lock)):
                found.append((since, folder))
        return [folder for _, folder in sorted(found, key=lambda pair: pair[0])]

    async def _prepare(
        self,
        folder: MachineFolder,
        template: Template,
        plan: Plan,
        spec: MachineSpec,
        limits: Deadlines,
    ) -> None:
        name, user = folder.path.name, await asyncio.to_thread(make_folder, folder)
        await disks.ensure_overlay(folder.root_disk, template.root_disk, user)
        record = Record(name, "", spec.image, template.kind.image_version)
        machine = replace(
            make_machine(plan, spec), translation_mib=confine.POOL_TRANSLATION_BUFFER_MIB
        )
        await launch(
            folder,
            record,
            machine,
            plan,
            internet=spec.internet,
            network_mbit_s=spec.bandwidth.network_mbit_s,
        )
        async with open_monitor(name, folder.qmp) as monitor:
            await monitor.load_devices(template.devices)
            await monitor.resume()
            async with connect_agent(name, folder.agent) as link:
                await await_agent(link, limits.resume_s)
                # Under emulation the code that ran stays translated in this process.
                await ask_agent(link, HostMessageType.WARM, limits.park_s)
            await monitor.pause()
        facts = {"template": template.kind.key, "internet": spec.internet, "since": time.time()}
        write_atomic(folder.path / _READY, json.dumps(facts).encode())

    async def _set_aside(self, folder: MachineFolder) -> None:
        """Keep a machine that did not get ready, stopped, for diagnosis; and the last few only."""
        self._failed.mkdir(mode=0o700, exist_ok=True)
        kept = self._failed / f"{int(time.time())}-{folder.path.name}"
        await remove_machine(folder, keep_as=kept)
        for old in sorted(self._failed.iterdir())[:-_KEPT_FAILURES]:
            with apart(f"{old}: not removed"):
                await asyncio.to_thread(shutil.rmtree, old)
