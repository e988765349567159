"""A store of volumes without a provider: real files, real tools, machines that only seem to run."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from shutil import rmtree

import pytest

from fakes.forks import run_command
from vmlab.model import MachineSpec, MachineState, MachineStatus, VolumeSpec
from vmlab.paths import Paths
from vmlab.system.worker import ensure_tools_user
from vmlab.volumes.store import VolumeStore


class Machines:
    """Which machines run, as the test says."""

    def __init__(self) -> None:
        self.running: set[str] = set()

    async def status(self, names=None):
        states = {True: MachineState.RUNNING, False: MachineState.STOPPED}
        return {name: MachineStatus(name, states[name in self.running]) for name in names or ()}


class Clock:
    """A clock that stands still until the test moves it."""

    def __init__(self) -> None:
        self.now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def state():
    ensure_tools_user()
    folder = Path(tempfile.mkdtemp(prefix="vmlab-"))
    folder.chmod(0o711)
    yield folder
    rmtree(folder)


@pytest.fixture
def machines():
    return Machines()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def store(state, machines, clock):
    made = VolumeStore(Paths(state, state), machines)
    object.__setattr__(made.context, "clock", clock)
    made.context.folder.mkdir(mode=0o711)
    return made


def spec(machine: str = "desk-ada", volume: str = "home-ada", size_mib: int = 64) -> MachineSpec:
    return MachineSpec(machine, "ada", "desk", 256, 1, False, VolumeSpec(volume, size_mib))


async def make(store, volume: str = "home-ada", size_mib: int = 64) -> Path:
    """A volume that a machine has had."""
    wanted = spec(f"desk-of-{volume}", volume, size_mib)
    async with store.attach(wanted, wanted.volume) as attached:
        pass
    await store.detach(wanted.name)
    return attached.path


async def run(*words: object) -> str:
    done = await asyncio.to_thread(
        subprocess.run, [str(word) for word in words], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{words}\n{done.stdout}{done.stderr}"
    return done.stdout


async def write(path: Path, pattern: int, mib: int = 1, at_mib: int = 20) -> None:
    """Write into a volume as a machine would; far behind where the empty file system has data."""
    await run("qemu-io", "-f", "qcow2", "-c", f"write -P {pattern} {at_mib}M {mib}M", path)


async def holds(path: Path, pattern: int, mib: int = 1, at_mib: int = 20) -> bool:
    command = f"read -P {pattern} {at_mib}M {mib}M"
    done = await asyncio.to_thread(
        subprocess.run,
        ["qemu-io", "-r", "-f", "qcow2", "-c", command, str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    differs = "Pattern verification failed" in done.stdout
    assert differs or done.returncode == 0, done.stderr
    return not differs


async def check(path: Path) -> None:
    """Neither damaged nor leaking."""
    await run("qemu-img", "check", "-q", path)


def vmlab(state: Path, *words: object) -> subprocess.CompletedProcess[str]:
    """The command line, with the fake provider's lab."""
    return run_command("volume", *map(str, words), environment=environment(state))


def vmlab_json(state: Path, *words: object) -> dict:
    done = vmlab(state, *words, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def command(*words: object) -> list[str]:
    return [str(Path(sys.executable).with_name("vmlab")), "volume", *(str(word) for word in words)]


def environment(state: Path) -> dict[str, str]:
    return {**os.environ, "VMLAB_STATE": str(state), "VMLAB_CACHE": str(state)}
