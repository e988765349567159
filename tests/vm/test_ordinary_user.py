"""Without root: QEMU as the hub's own user, the network namespace inside a user namespace."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import psutil
import pytest

from fakes.tiny_cache import copy_images
from hub.running_hub import PROJECT
from vmlab.providers.qemu.process.launch import SHIM_PYTHONPATH

pytestmark = pytest.mark.vm

AS_NOBODY = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]

PYTHON = "/usr/bin/python3"

SCRIPT = """
import asyncio, json, os, sys
from contextlib import aclosing
from pathlib import Path
from vmlab.model import MachineSpec, VolumeSpec
from vmlab.providers.settings import ProviderSettings
from vmlab.providers.qemu.process.ending import find_processes
from vmlab.providers.qemu.machine.machine import Machine
from vmlab.providers.qemu.provider import QemuProvider
from vmlab.seed import Seed

async def main(folder):
    provider = QemuProvider(ProviderSettings("qemu", folder / "state", folder / "cache"))
    volume = VolumeSpec("home-ada-0", 64)
    spec = MachineSpec("desk-ada-0", "ada", "tiny", 256, 1, False, volume)
    async with aclosing(provider.start(spec, Seed(env={}))) as events:
        phases = [event.phase async for event in events]
    machine = Machine.below(folder / "state" / "machines", "desk-ada-0")
    (qemu,) = [p for p in find_processes(machine) if p.cmdline()[0].startswith("qemu-system")]
    lines = Path(f"/proc/{qemu.pid}/status").read_text().splitlines()
    facts = dict(line.split(":", 1) for line in lines)
    routes = Path(f"/proc/{qemu.pid}/net/route").read_text().splitlines()[1:]
    await provider.stop("desk-ada-0")
    state = (await provider.status())["desk-ada-0"].state
    print(json.dumps(dict(phases=phases, state=state, routes=routes, uid=qemu_uid(facts),
                          seccomp=facts["Seccomp"].strip(), caps=facts["CapEff"].strip())))

def qemu_uid(facts):
    return int(facts["Uid"].split()[0])

asyncio.run(main(Path(sys.argv[1])))
"""


@pytest.fixture
def environment():
    """What makes Debian's Python, which everybody may run, find this project's packages."""
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    packages = Path(psutil.__file__).parents[1]
    env = {"PATH": "/usr/bin:/bin", "PYTHONPATH": f"{SHIM_PYTHONPATH}:{packages}"}
    words = [*AS_NOBODY, PYTHON, "-c", "import vmlab.providers.qemu.provider"]
    done = subprocess.run(words, cwd="/", env=env, capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"nobody may not read {PROJECT}, or {PYTHON} is another Python than the venv's")
    return env


def test_a_machine_without_root(environment, tiny_cache):
    folder = Path(tempfile.mkdtemp(prefix="vmlab-"))
    try:
        (folder / "cache").mkdir()
        copy_images(tiny_cache, folder / "cache")
        (folder / "state").mkdir()
        (folder / "run.py").write_text(SCRIPT)
        subprocess.run(["chown", "-R", "nobody:nogroup", folder], check=True)
        done = subprocess.run(
            [*AS_NOBODY, PYTHON, folder / "run.py", folder],
            cwd="/",
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found = json.loads(done.stdout)
        assert found["phases"][-1] == "server"
        assert found["state"] == "stopped"
        assert found["routes"] == []
        assert (found["seccomp"], int(found["caps"], 16)) == ("2", 0)
        assert found["uid"] != 0
    finally:
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.NoSuchProcess):
                if str(folder) in " ".join(process.cmdline()):
                    process.kill()
        shutil.rmtree(folder)
