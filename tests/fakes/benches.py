"""A provider on a state folder of its own, for one test."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from pkgutil import resolve_name
from types import SimpleNamespace
from typing import Any, TypeVar
from unittest.mock import patch

import psutil

from fakes.processes import command_lines
from vmlab.lab.provider_options import find_options
from vmlab.model import MachineSpec, VolumeSpec
from vmlab.providers.base import Provider
from vmlab.providers.fake import FakeProvider
from vmlab.providers.qemu.process import plan
from vmlab.providers.qemu.process.accelerator import DEADLINES, Accelerator, Deadlines
from vmlab.providers.qemu.process.confine import Priority
from vmlab.providers.qemu.provider import QemuProvider
from vmlab.providers.settings import ProviderSettings
from vmlab.seed import Seed
from vmlab_protocol.messages import ServerTrouble
from vmlab_protocol.phases import Phase

_CONSOLE_LIMIT_S = 60

AnyFake = TypeVar("AnyFake", bound=FakeProvider)


@dataclass
class Bench:
    """A provider under test and what belongs to it."""

    kind: str
    provider: Provider
    settings: ProviderSettings
    image: str
    others: list[FakeProvider] = field(default_factory=list)

    def again(self, **limits: float) -> Provider:
        """A second object on the same state: what a restarted hub has; with other deadlines."""
        if self.kind == "fake":
            return self.provider
        if self.kind == "processes":
            return _make_plugged_in(self.settings)
        return QemuProvider(self.settings, self.deadlines(**limits))

    def another(self, kind: type[AnyFake]) -> AnyFake:
        """A fake provider of this kind on the same folder; closed at the end."""
        made = kind(self.settings)
        self.others.append(made)
        return made

    def deadlines(self, **limits: float) -> dict[Accelerator, Deadlines]:
        """The usual deadlines with these changes."""
        return {kind: replace(DEADLINES[kind], **limits) for kind in Accelerator}

    def spec(
        self, name: str = "desk-ada-0", volume: str | None = "home-ada-0", **changes: Any
    ) -> MachineSpec:
        fields = {
            "name": name,
            "owner": "ada",
            "image": self.image,
            "memory_mib": 256,
            "cpus": 1,
            "internet": False,
            "volume": VolumeSpec(volume, 64) if volume else None,
        }
        return MachineSpec(**{**fields, **changes})

    async def hear(self, machine: str, text: str, *, count: int = 1) -> None:
        """Wait until the guest's console has this: it may come later than the agent's answer."""
        deadline = time.monotonic() + _CONSOLE_LIMIT_S
        while (said := await self.provider.console(machine)).count(text) < count:
            assert time.monotonic() < deadline, f"no {text!r} in the console:\n{said}"
            await asyncio.sleep(0.05)

    def set_trouble(self, spec: MachineSpec, trouble: ServerTrouble | None) -> None:
        """Have the fake's machine tell this of its server; a real guest is told by its seed."""
        if self.kind == "fake":
            said = {spec.owner: asdict(trouble)} if trouble else {}
            (self.settings.state / "fake.json").write_text(json.dumps({"trouble": said}))

    def seed(self, **env: str) -> Seed:
        return Seed(env={"JUPYTERHUB_SERVICE_PREFIX": "/user/ada/", **env})


def kill_all(processes: Iterable[psutil.Process]) -> None:
    """Kill a machine's processes; QEMU dies with its shim, so some may be gone by their turn."""
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()


async def start(provider: Provider, spec: MachineSpec, seed: Seed) -> list[Phase]:
    """Start the machine; return the phases that were reported."""
    async with aclosing(provider.start(spec, seed)) as events:
        return [event.phase async for event in events]


async def start_until(provider: Provider, spec: MachineSpec, seed: Seed, last: Phase) -> None:
    """Start, and leave as a cancelled caller does when `last` begins."""
    async with aclosing(provider.start(spec, seed)) as events:
        async for event in events:
            if event.phase is last:
                return


def _make_plugged_in(settings: ProviderSettings) -> Provider:
    return resolve_name(find_options(settings.name).provider)(settings)


_HURRIED = SimpleNamespace(SPARE=Priority.START, START=Priority.START)


@asynccontextmanager
async def open_bench(
    kind: str, cache: Path | None, failed: object, start_style: str = "auto"
) -> AsyncIterator[Bench]:
    """Give a bench; afterwards show the consoles if `failed()` says so, and remove everything."""
    # Short: unix sockets are below it. Open to pass: QEMU runs as another user.
    state = Path(tempfile.mkdtemp(prefix="vmlab-"))
    state.chmod(0o711)
    if kind == "fake":
        settings = ProviderSettings("fake", state, state)
        (state / "fake.json").write_text('{"volumes": true}')
        made = Bench("fake", FakeProvider(settings), settings, "desk")
    elif kind == "processes":
        settings = ProviderSettings("processes", state, state)
        made = Bench("processes", _make_plugged_in(settings), settings, "desk")
    else:
        assert cache is not None
        accelerator = os.environ.get("VMLAB_ACCEL", "auto")
        options = (("accelerator", accelerator), ("start_style", start_style))
        settings = ProviderSettings("qemu", state, cache, options)
        made = Bench("qemu", QemuProvider(settings), settings, "tiny")
    try:
        # What is made ready ahead waits for all others on the host, and tests wait for it.
        with patch.object(plan, "Priority", _HURRIED):
            yield made
    finally:
        for name in await made.provider.status():
            if callable(failed) and failed():
                console = state / "machines" / name / "console.log"
                text = console.read_text(errors="replace") if console.exists() else "(none)"
                sys.stdout.write(f"--- console of {name}\n{text}\n")
            await made.provider.delete(name)
        for fake in (made.provider, *made.others):
            if isinstance(fake, FakeProvider):
                await fake.close()
        shutil.rmtree(state)
        left = [words for _, words in command_lines() if f"{state}/" in words]
        assert left == [], "a test left machines that run"
