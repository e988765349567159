"""What the programs of a machine know of the hub: nothing. Real programs, tiny guest."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

import pytest

from fakes.benches import start
from vmlab.model import Bandwidth
from vmlab.providers.qemu.machine.machine import Machine
from vmlab.providers.qemu.process.ending import find_processes

pytestmark = pytest.mark.vm

_PROGRAMS = ("qemu-img", "mke2fs", "qemu-system-x86_64", "setpriv")
_OF_THE_INTERNET = ("ip", "tc", "nsenter", "slirp4netns") if os.geteuid() == 0 else ()

# The real program, after a note of what it was given.
_WITNESS = """#!/bin/sh
cat /proc/$$/environ >"{folder}/$$.{name}"
exec {program} "$@"
"""


@pytest.fixture
def witnessed(monkeypatch):
    """A folder in which each program that is started leaves its environment; by any user."""
    folder = Path(tempfile.mkdtemp(prefix="vmlab-witness-"))
    folder.chmod(0o1777)
    for name in (*_PROGRAMS, *_OF_THE_INTERNET):
        program = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
        (folder / name).write_text(_WITNESS.format(folder=folder, name=name, program=program))
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    yield folder
    shutil.rmtree(folder)


@pytest.mark.attack("shares.environment", "looks for a token of the hub in every program")
async def test_no_program_of_a_machine_knows_what_the_hub_knows(
    bench, witnessed, monkeypatch, tried
):
    monkeypatch.setenv("JUPYTERHUB_CRYPT_KEY", "canary-7d1f")
    internet = bool(_OF_THE_INTERNET)
    spec = bench.spec(internet=internet, bandwidth=Bandwidth(network_mbit_s=80 * internet))
    await start(bench.provider, spec, bench.seed())
    processes = find_processes(Machine.below(bench.settings.state / "machines", spec.name))
    seen = [Path(f"/proc/{process.pid}/environ").read_bytes() for process in processes]
    notes = list(witnessed.glob("[0-9]*.*"))
    assert {note.name.partition(".")[2] for note in notes} == {*_PROGRAMS, *_OF_THE_INTERNET}
    seen += [note.read_bytes() for note in notes]
    for environment in seen:
        names = {word.partition(b"=")[0] for word in environment.split(b"\0") if word}
        assert names <= {b"PATH", b"LC_ALL", b"PYTHONPATH", b"TMPDIR", b"PWD"}
        assert b"canary" not in environment
    tried(len(seen))
