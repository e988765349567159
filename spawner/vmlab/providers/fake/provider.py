"""Machines in memory come and go: the contract that every provider keeps."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import replace
from urllib.parse import unquote

from vmlab import messages
from vmlab.errors import (
    GuestError,
    MachineConflictError,
    MachineNotFoundError,
    MachineTimeoutError,
    VolumeConflictError,
)
from vmlab.model import (
    AsideMachine,
    EndCause,
    Features,
    MachineSpec,
    MachineState,
    MachineStatus,
    PhaseEvent,
    Volume,
)
from vmlab.paths import Paths
from vmlab.providers.fake.agents import AgentsOfFake
from vmlab.providers.fake.faults import START_PHASES, Faults, Journal, read_faults
from vmlab.providers.fake.live_volumes import LiveVolumesOfFake
from vmlab.providers.fake.machines import FakeMachine
from vmlab.providers.fake.site import Site
from vmlab.providers.settings import ProviderSettings
from vmlab.seed import Seed
from vmlab.system.worker import WorkerUser
from vmlab.volumes.store import VolumeStore
from vmlab_protocol.phases import Phase

_KEPT_ASIDE = 3
_UPKEEP_S = 60.0
_READ_PERIOD_S = 0.1  # of `fake.json`, during a delay


def _ours() -> WorkerUser:
    """Files of the fake's belong to whoever runs it."""
    return WorkerUser(os.geteuid(), os.getegid(), drop=False)


class FakeProvider(AgentsOfFake, LiveVolumesOfFake):
    """Machines in memory (contract: `vmlab.providers.base.Provider`)."""

    def __init__(self, settings: ProviderSettings) -> None:
        super().__init__(settings.state)
        self._aside: list[AsideMachine] = []  # the newest first
        paths = Paths(state=settings.state, cache=settings.cache)
        self.volumes = VolumeStore(paths, self, _ours, settings.allowance)
        self._ended: set[str] = set()  # machines that were stopped since their start began
        self._end_words: dict[str, str] = {}  # by owner, the last word of `Faults.ends`
        self._journal = Journal(settings.state)
        self._locks: dict[str, asyncio.Lock] = {}
        self._site = Site(self._served)

    @property
    def features(self) -> Features:
        """No shell: there is no machine."""
        return Features(name="fake", ssh=False, images=False)

    async def validate(self, spec: MachineSpec) -> None:
        """Accept everything."""

    async def start(self, spec: MachineSpec, seed: Seed) -> AsyncGenerator[PhaseEvent]:
        """Go through the phases, with the delays and faults of `fake.json`."""
        faults = await asyncio.to_thread(read_faults, self._state)
        lock = self._locks.setdefault(spec.name, asyncio.Lock())
        async with lock, self._journal.of_start(spec.name, faults):
            self._ended.discard(spec.name)
            for phase in START_PHASES:
                self._require_wanted(spec.name)
                if phase is Phase.POWER:
                    await self._attach(spec, with_file=faults.volumes)
                self._note(spec, phase)
                yield PhaseEvent(phase, way=faults.way if phase is Phase.POWER else "")
                await self._pass(spec, phase, faults)
            self._require_wanted(spec.name)
            url = await self._serve(spec, seed)
            machine = self._machines[spec.name]
            prefix = unquote(seed.env.get("JUPYTERHUB_SERVICE_PREFIX", "/"))
            status = replace(machine.status, state=MachineState.RUNNING, url=url)
            self._machines[spec.name] = replace(machine, status=status, prefix=prefix)
            if spec.owner not in faults.trouble:
                self._served.add(prefix)
            self._speak(spec.name, seed.language)

    def _require_wanted(self, name: str) -> None:
        if name in self._ended:
            raise MachineConflictError(
                name, "it was switched off while it was starting", public=messages.WENT_OFF
            )

    async def _attach(self, spec: MachineSpec, *, with_file: bool) -> None:
        """Attach the volume; a class of thousands costs no files."""
        wanted = spec.volume
        if wanted is None:
            return
        now = time.time()
        entry = Volume(wanted.name, spec.owner, spec.server, wanted.size_mib, now)
        try:
            if with_file:
                async with self.volumes.attach(spec, wanted):
                    return
            await self.volumes.context.ask(
                lambda registry: registry.add(entry) and registry.hold(wanted.name, spec.name, now)
            )
        except VolumeConflictError as error:
            message = f"its volume cannot be attached: {error.message}"
            raise MachineConflictError(spec.name, message, public=error.public) from error

    def _note(self, spec: MachineSpec, phase: Phase) -> None:
        """Record the phase's side effect before anything else can happen."""
        powered = phase not in {Phase.IMAGE, Phase.DISK, Phase.VOLUME}
        machine = self._machines.get(spec.name)
        if phase is Phase.POWER and machine is None:
            # `stop` came in between and somebody deleted it: nothing may be powered on.
            raise MachineConflictError(spec.name, "it was deleted while it was starting")
        status = MachineStatus(
            spec.name,
            MachineState.STARTING if powered else MachineState.STOPPED,
            owner=spec.owner,
            image_version="fake",
            since=time.time() if powered else 0.0,
        )
        console = (machine.console if machine else "") + f"vmlab: {phase}\n"
        self._machines[spec.name] = FakeMachine(status, console=console)

    async def _wait_for(self, what: str, faults: Faults) -> None:
        """Wait as long as `fake.json` says; what it says meanwhile counts."""
        began = time.monotonic()
        while (left := began + faults.delays_s.get(what, 0.0) - time.monotonic()) > 0:
            await asyncio.sleep(min(left, _READ_PERIOD_S))
            faults = await asyncio.to_thread(read_faults, self._state)

    async def _pass(self, spec: MachineSpec, phase: Phase, faults: Faults) -> None:
        await self._wait_for(phase, faults)
        if faults.hang_at == phase:
            await asyncio.sleep(faults.hang_limit_s)
            raise MachineTimeoutError(
                spec.name,
                f"no answer within {faults.hang_limit_s} s in phase {phase.value!r}",
                public=messages.TOO_LATE,
            )
        if faults.fail_at == phase:
            raise GuestError(
                spec.name,
                f"{faults.fail_message} ({phase})",
                hint="this is the fake provider: see fake.json",
                public=messages.SETUP_FAILED,
            )
        machine = self._machines.get(spec.name)
        if phase is not Phase.IMAGE and machine is None:
            raise MachineConflictError(spec.name, "it was deleted while it was starting")

    async def note_serving(self, name: str) -> None:
        """Nothing goes before anything."""

    async def upkeep(self, spec: MachineSpec) -> None:  # noqa: ARG002 - the contract's
        """Wait: nothing needs to be made ready (contract: `Provider.upkeep`)."""
        await asyncio.sleep(_UPKEEP_S)

    async def drain(self) -> None:
        """No-op (contract: `Provider.drain`)."""

    async def stop(self, name: str, *, now: bool = False) -> None:  # noqa: ARG002 - contract
        """Power the machine off."""
        self._ended.add(name)
        machine = self._machines.get(name)
        if machine is None:
            return
        faults = await asyncio.to_thread(read_faults, self._state)
        await self._wait_for("stop", faults)
        await self._unserve(name)
        self._served.discard(machine.prefix)
        status = replace(machine.status, state=MachineState.STOPPED, url="", since=0.0)
        self._machines[name] = replace(machine, status=status, prefix="")
        self._shown.pop(name, None)
        await self.volumes.detach(name)

    async def delete(self, name: str) -> None:
        """Forget the machine."""
        await self.stop(name, now=True)
        self._machines.pop(name, None)

    async def set_aside(self, name: str) -> str:
        """Keep the machine under another name."""
        lock = self._locks.setdefault(name, asyncio.Lock())
        if lock.locked():
            raise MachineConflictError(name, "it is being started", hint="stop its server first")
        async with lock:
            await self.stop(name)
            machine = self._machines.pop(name, None)
            if machine is None:
                return ""
            status = machine.status
            kept = AsideMachine(
                f"{name}-{len(self._aside)}-{time.time_ns()}",
                name,
                time.time(),
                status.owner,
                status.image_version,
            )
            own = [kept, *(old for old in self._aside if old.machine == name)][:_KEPT_ASIDE]
            self._aside = [*own, *(old for old in self._aside if old.machine != name)]
            self._aside.sort(key=lambda old: old.at, reverse=True)
            return kept.name

    async def list_aside(self) -> list[AsideMachine]:
        """Return what was set aside."""
        return list(self._aside)

    async def status(self, names: Iterable[str] | None = None) -> Mapping[str, MachineStatus]:
        """Tell the state of these machines, or of all."""
        await self._end_by_themselves()
        wanted = sorted(self._machines) if names is None else names
        return {
            name: self._machines[name].status
            if name in self._machines
            else MachineStatus(name, MachineState.ABSENT)
            for name in wanted
        }

    async def _end_by_themselves(self) -> None:
        """Have machines end that `fake.json` says so of, each once for each new word there."""
        try:
            ends = (await asyncio.to_thread(read_faults, self._state)).ends
        except ValueError:
            return  # no JSON, on purpose: the next start says so
        fresh = {owner: word for owner, word in ends.items() if self._end_words.get(owner) != word}
        for name, machine in list(self._machines.items()):
            owner = machine.status.owner
            if owner in fresh and machine.status.state is MachineState.RUNNING:
                self._end_words[owner] = fresh[owner]
                await self.stop(name, now=True)
                cause = EndCause(fresh[owner].split()[0])
                status = replace(self._machines[name].status, cause=cause, problem=f"a {cause}")
                self._machines[name] = replace(self._machines[name], status=status)

    async def console(self, name: str, *, max_bytes: int = 65536) -> str:
        """Return the phases that the machine went through."""
        if name not in self._machines:
            raise MachineNotFoundError(name, "it has no console yet: it never ran")
        return self._machines[name].console[-max_bytes:]

    # -- its server --------------------------------------------------------------------------

    async def _serve(self, spec: MachineSpec, seed: Seed) -> str:  # noqa: ARG002 - see subclasses
        """Make the machine's server answer; return its URL."""
        return await self._site.open()

    async def _unserve(self, name: str) -> None:
        """Make the machine's server stop answering; called before its state changes."""

    async def close(self) -> None:
        """End the HTTP server: for those who make several providers in one process."""
        await self._site.close()
