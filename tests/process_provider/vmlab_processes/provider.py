"""Machines as ordinary processes of this host (contract: `vmlab.providers.base.Provider`)."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import aclosing

from vmlab.errors import MachineConflictError, MachineNotFoundError, ProviderError
from vmlab.model import (
    AsideMachine,
    Features,
    MachineSpec,
    MachineState,
    MachineStatus,
    PhaseEvent,
)
from vmlab.providers.agent.asking import AsksAgents
from vmlab.providers.agent.handover import await_agent, hand_over, seed_maker
from vmlab.providers.agent.link import AgentLink, open_unix_agent
from vmlab.providers.agent.ssh import open_unix_ssh
from vmlab.providers.base import AgentStream, SshStream
from vmlab.providers.settings import ProviderSettings
from vmlab.seed import Seed, guest_network
from vmlab_processes import ProcessOptions
from vmlab_processes.folders import VOLUME, Folder, Record, hold_volume, let_volume_go
from vmlab_protocol.phases import Phase
from vmlab_protocol.seed import Mount

_ANSWER_LIMIT_S = 120
_UPKEEP_S = 60.0


class ProcessProvider(AsksAgents):
    """One process a machine; all that it knows is on disk."""

    def __init__(self, settings: ProviderSettings) -> None:
        self._options = ProcessOptions.of(settings.options)
        self._machines = settings.state / "processes"
        self._aside = settings.state / "process-aside"
        self._homes = settings.state / "process-homes"
        self._locks: dict[str, asyncio.Lock] = {}

    @property
    def features(self) -> Features:
        return Features(name="processes", ssh=False, images=False)

    async def validate(self, spec: MachineSpec) -> None:
        """Everything can be started."""

    async def start(self, spec: MachineSpec, seed: Seed) -> AsyncGenerator[PhaseEvent]:
        folder = self._folder(spec.name)
        async with self._lock(spec.name):
            folder.ended.unlink(missing_ok=True)
            yield PhaseEvent(Phase.IMAGE, spec.image)
            yield PhaseEvent(Phase.DISK)
            volume = spec.volume.name if spec.volume else ""
            folder.write_record(Record(spec.owner, spec.image, volume))
            yield PhaseEvent(Phase.VOLUME)
            folder.require_wanted()
            mounts: tuple[Mount, ...] = ()
            if spec.volume:
                folder.plug_in(hold_volume(self._homes, volume, folder))
                mounts = (Mount(f"/{VOLUME}", spec.volume.mount, "folder", ""),)
            yield PhaseEvent(Phase.POWER)
            await asyncio.to_thread(folder.launch, self._options.boot_s)
            yield PhaseEvent(Phase.BOOT)
            try:
                async with aclosing(self._hand_over(folder, spec, seed, mounts)) as phases:
                    async for phase in phases:
                        yield PhaseEvent(phase)
            except ProviderError:
                folder.require_wanted()  # then that explains the error
                raise
            folder.require_wanted()
            folder.seeded.touch()

    async def _hand_over(
        self, folder: Folder, spec: MachineSpec, seed: Seed, mounts: tuple[Mount, ...]
    ) -> AsyncGenerator[Phase]:
        folder.note_trouble("")
        identity = await asyncio.to_thread(folder.identity)
        make_line = seed_maker(
            seed, identity, host_name=spec.host_name, network=guest_network(), mounts=mounts
        )
        async with AgentLink(await self.open_agent(spec.name)) as link:
            await await_agent(link, _ANSWER_LIMIT_S)
            async with aclosing(hand_over(link, make_line, _ANSWER_LIMIT_S)) as phases:
                async for phase in phases:
                    yield phase

    async def open_ssh(self, name: str) -> SshStream:
        return await open_unix_ssh(name, self._folder(name).ssh)

    def ssh_host_key(self, name: str) -> str:
        folder = self._folder(name)
        known = (folder.path / "identity.json").exists()
        return folder.identity().ssh_host_public_key if known else ""

    async def open_agent(self, name: str) -> AgentStream:
        return await open_unix_agent(name, self._folder(name).agent)

    async def note_trouble(self, name: str, problem: str) -> None:
        self._folder(name).note_trouble(problem)

    async def note_serving(self, name: str) -> None:
        """Nothing goes before anything."""

    async def upkeep(self, spec: MachineSpec) -> None:
        """Wait: nothing is made ready."""
        await asyncio.sleep(_UPKEEP_S)

    async def drain(self) -> None:
        """Nothing waits."""

    async def stop(self, name: str, *, now: bool = False) -> None:
        folder = self._folder(name)
        await asyncio.to_thread(folder.stop, now=now)
        record = folder.record()
        if record and record.volume:
            let_volume_go(self._homes, record.volume, name)

    async def delete(self, name: str) -> None:
        await self.stop(name, now=True)
        await asyncio.to_thread(shutil.rmtree, self._folder(name).path, ignore_errors=True)

    async def set_aside(self, name: str) -> str:
        lock = self._lock(name)
        if lock.locked():
            raise MachineConflictError(name, "it is being started", hint="stop its server first")
        async with lock:
            await self.stop(name)
            return await asyncio.to_thread(self._folder(name).keep_in, self._aside)

    async def list_aside(self) -> list[AsideMachine]:
        found = []
        for path in self._aside.glob("*/") if self._aside.is_dir() else ():
            machine, _, stamp = path.name.rpartition("-")
            record = Folder(path).record()
            owner = record.owner if record else ""
            found.append(AsideMachine(path.name, machine, int(stamp) / 1e9, owner))
        return sorted(found, key=lambda kept: kept.at, reverse=True)

    async def status(self, names: Iterable[str] | None = None) -> Mapping[str, MachineStatus]:
        if names is None:
            there = self._machines.glob("[!.]*") if self._machines.is_dir() else ()
            names = sorted(path.name for path in there)
        wanted = list(names)
        return await asyncio.to_thread(lambda: {name: self._status(name) for name in wanted})

    def _status(self, name: str) -> MachineStatus:
        folder = self._folder(name)
        record = folder.record()
        if record is None:
            return MachineStatus(name, MachineState.ABSENT)
        process = folder.process()
        if process is None:
            return MachineStatus(name, MachineState.STOPPED, record.owner, record.image)
        return MachineStatus(
            name,
            MachineState.RUNNING if folder.seeded.exists() else MachineState.STARTING,
            record.owner,
            record.image,
            url=f"http://127.0.0.1:{process.port}",
            since=process.since,
            problem=folder.trouble.read_text() if folder.trouble.exists() else "",
        )

    async def console(self, name: str, *, max_bytes: int = 65536) -> str:
        try:
            data = (self._folder(name).path / "console.log").read_bytes()
        except FileNotFoundError as error:
            raise MachineNotFoundError(name, "it has no console yet: it never ran") from error
        text = data[-max_bytes:].decode(errors="replace")
        return "".join(char if char.isprintable() or char == "\n" else "·" for char in text)

    def _folder(self, name: str) -> Folder:
        return Folder(self._machines / name)

    def _lock(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())
