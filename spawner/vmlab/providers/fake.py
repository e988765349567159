"""A provider without machines, for tests and for simulating classes of any size.

It keeps the whole contract, in memory: the same phases, states and errors as a real one, with
delays and faults where a test wants them. Its "servers" are one small HTTP server of this process
that answers under the prefix of every running machine, and echoes what a WebSocket says.

Delays and faults come from `fake.json` in the state folder, read at each start, so that a test can
change them under a running hub:

    {"delays_s": {"boot": 2.0}, "fail_at": "mounts", "fail_message": "...", "hang_at": "server"}

With `"journal": true` every start leaves two lines in `fake-journal.jsonl` there, one when it
begins and one however it ends: the machine's name and how many starts are then at work. With
`"volumes": true` volumes are real files, which can have snapshots; else the registry only has them.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import time
from collections.abc import AsyncGenerator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import unquote

from aiohttp import web

from vmlab import messages
from vmlab.errors import (
    GuestError,
    MachineConflictError,
    MachineNotFoundError,
    MachineTimeoutError,
    VolumeConflictError,
)
from vmlab.lab.provider_options import ProviderOptions
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
from vmlab.providers.settings import ProviderSettings
from vmlab.seed import Seed
from vmlab.system.worker import WorkerUser
from vmlab.volumes.disk_image import DiskImage
from vmlab.volumes.store import VolumeStore
from vmlab_protocol.messages import Activity, ServerTrouble
from vmlab_protocol.notices import Language
from vmlab_protocol.phases import Phase

START_PHASES = (
    Phase.IMAGE,
    Phase.DISK,
    Phase.VOLUME,
    Phase.POWER,
    Phase.BOOT,
    Phase.IDENTITY,
    Phase.KEYS,
    Phase.NETWORK,
    Phase.MOUNTS,
    Phase.EXERCISES,
    Phase.SERVER,
)
_KEPT_ASIDE = 3
_UPKEEP_S = 60.0
_log = logging.getLogger(__name__)
_HUB_VERSION_HEADER = "X-JupyterHub-Version"


class FakeOptions(ProviderOptions):
    """None: what goes wrong, and when, is said in `fake.json`."""

    provider: ClassVar[str] = "vmlab.providers.fake:FakeProvider"


@dataclass(frozen=True)
class Faults:
    """What is to go wrong."""

    delays_s: Mapping[str, float] = field(default_factory=dict)  # of phases, and of "stop"
    fail_at: str = ""
    fail_message: str = "a fault was asked for"
    hang_at: str = ""
    hang_limit_s: float = 3600.0
    journal: bool = False
    idle_s: Mapping[str, float] = field(default_factory=dict)  # by owner; else since the start
    way: str = ""  # how machines are started, told when they are powered on
    volumes: bool = False  # make the volumes' files, too, which costs 0.1 s of a first start
    # By owner, what is wrong with the server (`ServerTrouble`): until it is plain, it is silent.
    trouble: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    ends: Mapping[str, str] = field(default_factory=dict)  # by owner: `EndCause` of a running one


def read_faults(state: Path) -> Faults:
    """Return the faults that the state folder asks for now."""
    try:
        return Faults(**json.loads((state / "fake.json").read_text()))
    except FileNotFoundError:
        return Faults()


@dataclass(frozen=True)
class _Machine:
    """One machine that does not exist."""

    status: MachineStatus
    prefix: str = ""
    console: str = ""


def _ours() -> WorkerUser:
    """Files of the fake's belong to whoever runs it."""
    return WorkerUser(os.geteuid(), os.getegid(), drop=False)


class FakeProvider:
    """Machines in memory (contract: `vmlab.providers.base.Provider`)."""

    def __init__(self, settings: ProviderSettings) -> None:
        self._state = settings.state
        self._machines: dict[str, _Machine] = {}
        self.warned: dict[str, float] = {}  # machine → when it will be stopped
        self.languages: dict[str, str] = {}  # of machines, by name
        self.keys: dict[str, tuple[str, ...]] = {}  # likewise
        self._aside: list[AsideMachine] = []  # the newest first
        paths = Paths(state=settings.state, cache=settings.cache)
        self.volumes = VolumeStore(paths, self, _ours, settings.allowance)
        self._shown: dict[str, str] = {}  # machine → snapshot
        self._ended: set[str] = set()  # machines that were stopped since their start began
        self._served: set[str] = set()  # the prefixes of running machines
        self._end_words: dict[str, str] = {}  # by owner, the last word of `Faults.ends`
        self._at_work = 0
        self._locks: dict[str, asyncio.Lock] = {}
        self._site_lock = asyncio.Lock()
        self._site: tuple[asyncio.AbstractEventLoop, web.AppRunner] | None = None

    @property
    def features(self) -> Features:
        """No shell: there is no machine."""
        return Features(name="fake", ssh=False, images=False)

    async def validate(self, spec: MachineSpec) -> None:
        """Accept everything."""

    async def start(self, spec: MachineSpec, seed: Seed) -> AsyncGenerator[PhaseEvent]:
        """Go through the phases, with the delays and faults of `fake.json`."""
        faults = await asyncio.to_thread(read_faults, self._state)
        async with (
            self._locks.setdefault(spec.name, asyncio.Lock()),
            self._journal(spec.name, faults),
        ):
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
            self.keys[spec.name] = seed.keys

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

    @asynccontextmanager
    async def _journal(self, name: str, faults: Faults) -> AsyncGenerator[None]:
        """Note begin and end of a start where a test asks for it."""

        def note(kind: str) -> None:
            if faults.journal:
                with (self._state / "fake-journal.jsonl").open("a") as file:
                    line = {"machine": name, "event": kind, "at_work": self._at_work}
                    file.write(json.dumps(line) + "\n")

        self._at_work += 1
        note("begin")
        try:
            yield
        finally:
            self._at_work -= 1
            note("end")

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
        self._machines[spec.name] = _Machine(status, console=console)

    async def _pass(self, spec: MachineSpec, phase: Phase, faults: Faults) -> None:
        await asyncio.sleep(faults.delays_s.get(phase, 0.0))
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
        await asyncio.sleep(faults.delays_s.get("stop", 0.0))
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

    async def activity(self, names: Iterable[str]) -> Mapping[str, Activity]:
        """Return what `fake.json` says, else that nobody did anything since the start."""
        idle_s = (await asyncio.to_thread(read_faults, self._state)).idle_s
        found = {}
        for name in names:
            machine = self._machines.get(name)
            if machine is not None and machine.status.state is MachineState.RUNNING:
                since_s = time.time() - machine.status.since
                found[name] = Activity(idle_s.get(machine.status.owner, since_s))
        return found

    async def warn(self, name: str, stop_at: float) -> None:
        """Note the warning, and tell it in the log."""
        if name not in self._machines:
            raise MachineNotFoundError(name, "it cannot be warned: it does not exist")
        self.warned[name] = stop_at
        _log.warning("%s: warned, stop at %.0f", name, stop_at)

    async def server_trouble(self, name: str) -> ServerTrouble | None:
        """Return what `fake.json` says; a server in trouble serves as soon as it is plain."""
        machine = self._machines.get(name)
        if machine is None:
            raise MachineNotFoundError(name, "it cannot be asked: it does not exist")
        faults = await asyncio.to_thread(read_faults, self._state)
        said = faults.trouble.get(machine.status.owner)
        trouble = ServerTrouble(**said) if said else None
        problem = f"JupyterLab ended {trouble.ends} times: {trouble.line}" if trouble else ""
        status = replace(machine.status, problem=problem)
        self._machines[name] = replace(machine, status=status)
        if machine.prefix and (trouble is None or trouble.is_plain):
            self._served.add(machine.prefix)
        return trouble

    async def set_language(self, name: str, language: Language) -> None:
        """Note the language, and tell it in the log."""
        machine = self._machines.get(name)
        if machine is None or machine.status.state is not MachineState.RUNNING:
            raise MachineNotFoundError(name, "it speaks no language: it does not run")
        self._speak(name, language)

    async def set_keys(self, name: str, keys: tuple[str, ...]) -> None:
        """Note the keys."""
        machine = self._machines.get(name)
        if machine is None or machine.status.state is not MachineState.RUNNING:
            raise MachineNotFoundError(name, "it takes no keys: it does not run")
        self.keys[name] = keys

    def _speak(self, name: str, language: str) -> None:
        self.languages[name] = language
        _log.warning("%s: speaks %s", name, language)

    async def console(self, name: str, *, max_bytes: int = 65536) -> str:
        """Return the phases that the machine went through."""
        if name not in self._machines:
            raise MachineNotFoundError(name, "it has no console yet: it never ran")
        return self._machines[name].console[-max_bytes:]

    # -- the volume of a running machine (contract: `LiveVolumes`) -------------------------------

    async def snapshot_volume(self, machine: str, snapshot: str) -> None:
        """Take a snapshot in the volume's file, for which `fake.json` asks by `volumes`."""
        await (await self._volume_file(machine)).take_snapshot(snapshot)

    async def delete_snapshot(self, machine: str, snapshot: str) -> None:
        """Delete a snapshot."""
        await (await self._volume_file(machine)).delete_snapshot(snapshot)

    async def grow_volume(self, machine: str, size_mib: int) -> None:
        """Make the file larger; there is no guest whose file system could follow."""
        await (await self._volume_file(machine)).grow(size_mib)

    async def show_snapshot(self, machine: str, snapshot: str) -> None:
        """Note what is shown."""
        await self._volume_file(machine)
        self._shown[machine] = snapshot

    async def hide_snapshot(self, machine: str) -> None:
        """Note that nothing is shown."""
        await self._volume_file(machine)
        self._shown.pop(machine, None)

    async def resume_paused(self, machine: str) -> bool:
        """Tell that it was not paused."""
        self._check_runs(machine, or_starts=True)
        return False

    def _check_runs(self, machine: str, *, or_starts: bool = False) -> None:
        found = self._machines.get(machine)
        if found is None:
            raise MachineNotFoundError(machine, "there is no such machine")
        state = found.status.state
        if state is not MachineState.RUNNING and not (or_starts and state.is_on):
            raise MachineConflictError(machine, f"it must run for this: {state}")

    async def _volume_file(self, machine: str) -> DiskImage:
        """Return the file of a running machine's volume."""
        self._check_runs(machine)
        context = self.volumes.context
        held = await context.ask(lambda registry: registry.attached_to(machine))
        if not held:
            raise MachineConflictError(machine, "it has no volume")
        return context.image(held[0])

    # -- its servers -------------------------------------------------------------------------

    async def _serve(self, spec: MachineSpec, seed: Seed) -> str:  # noqa: ARG002 - see subclasses
        """Make the machine's server answer; return its URL."""
        loop = asyncio.get_running_loop()
        async with self._site_lock:
            if self._site is None or self._site[0] is not loop:
                self._site = loop, await self._open_site()
            return f"http://127.0.0.1:{self._site[1].addresses[0][1]}"

    async def close(self) -> None:
        """End the HTTP server: for those who make several providers in one process."""
        if self._site is not None:
            await self._site[1].cleanup()
            self._site = None

    async def _open_site(self) -> web.AppRunner:
        """Start the one HTTP server of this process."""
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return runner

    async def _unserve(self, name: str) -> None:
        """Make the machine's server stop answering; called before its state changes."""

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = unquote(request.path)
        # Prefixes have two or three parts: /user/NAME/ or /user/NAME/SERVER/, below a base.
        ends = [end for end, char in enumerate(path, 1) if char == "/"]
        if not any(path[:end] in self._served for end in ends):
            return web.Response(status=503, text="no machine serves this\n")
        socket = web.WebSocketResponse()
        if not socket.can_prepare(request):
            return web.json_response({"fake": True}, headers={_HUB_VERSION_HEADER: "6.0"})
        await socket.prepare(request)
        async for message in socket:
            await socket.send_str(str(message.data))
        return socket
