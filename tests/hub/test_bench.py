"""`vmlab bench` with a real hub and proxy, and machines that cost nothing."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from fakes.processes import command_lines
from vmlab.bench import rig, rounds
from vmlab.bench.facts import Variant
from vmlab.errors import HostError

PROJECT = Path(__file__).parents[2]
LIMIT_S = 120


@pytest.fixture
def scratch(tmp_path: Path) -> Path:
    """Where the bench keeps its hubs' state; nothing may be left there."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    return folder


def begin(scratch: Path, *words: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", "from vmlab.cli import main; main()", "bench", *words],
        env={
            **os.environ,
            "TMPDIR": str(scratch),
            "VMLAB_CACHE": str(scratch.parent / "cache"),
            "VMLAB_PROJECT": str(PROJECT),
            "COLUMNS": "200",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def left_behind(scratch: Path) -> list[str]:
    processes = [words for _, words in command_lines() if str(scratch) in words]
    return [*processes, *(path.name for path in scratch.iterdir())]


def test_three_seats_and_the_hub_itself(scratch, tmp_path):
    file, picture = tmp_path / "result.json", tmp_path / "result.svg"
    words = ("--seats", "3", "--variants", "fake", "--rounds", "1", "--hub-seats", "3")
    process = begin(scratch, "start", *words, "--json", str(file))
    text, errors = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 0, errors
    assert "fake" in text
    data = json.loads(file.read_text())
    [entry] = data["variants"]
    assert (entry["variant"], entry["seats"], entry["failures"]) == ("fake", 3, 0), entry
    assert 0 < entry["ready_s"]["median"] <= entry["ready_s"]["max"]
    assert len(entry["timed"]) == len(entry["idle"]) == 3
    assert data["hub"]["seats"] == 3
    assert data["hub"]["failures"] == 0
    assert data["hub"]["ms_per_spawn"] > 0
    assert data["hub"]["loop_blocked_ms_max"] > 0
    assert left_behind(scratch) == []

    show = begin(scratch, "show", str(file), "--plot", str(picture))
    shown, errors = show.communicate(timeout=LIMIT_S)
    assert show.returncode == 0, errors
    assert "fake" in shown
    assert picture.read_text().startswith("<svg")


def test_a_stop_leaves_nothing_behind(scratch):
    process = begin(scratch, "start", "--variants", "fake")
    assert process.stderr is not None
    assert "the hub for fake starts" in process.stderr.readline()
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=LIMIT_S)
    assert process.returncode == 130, errors
    assert left_behind(scratch) == []


@pytest.mark.parametrize("fault", ["make_lab", "HubProcess", "_end_machines"])
async def test_a_failure_leaves_nothing_behind(scratch, monkeypatch, fault):
    """Wherever it is: before the hub is there, while it starts, and when all is to end."""

    async def fail(*_, **__):
        raise HostError("no room")

    def fail_at_once(*_, **__):
        raise HostError("no room")

    monkeypatch.setattr(rig, fault, fail if fault == "_end_machines" else fail_at_once)
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    options = rig.RunOptions(PROJECT, scratch.parent / "cache", "desk")
    with pytest.raises(HostError, match="no room"):
        async with rig.open_rig(Variant.FAKE, 1, options):
            pass
    assert left_behind(scratch) == []


async def test_nothing_of_a_start_that_failed_goes_on(monkeypatch):
    """The look at its processor time did, and its error was nobody's."""
    looks, begun = [], asyncio.Event()

    async def look(*_):
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            looks.append("ended")

    async def fail(*_):
        await begun.wait()
        raise OSError("the kernel is gone")

    class Client:
        async def start_server(self, _user):
            """It has started."""

        async def progress(self, _user):
            for event in ():
                yield event

    rigged: Any = SimpleNamespace(
        client=Client(), plan=SimpleNamespace(variant=Variant.CLONE), find_cause=lambda _user: ""
    )

    async def answer(*_):
        """It has answered."""

    monkeypatch.setattr(rounds, "first_answer", answer)
    monkeypatch.setattr(rounds, "_look_at_cpu", look)
    monkeypatch.setattr(rounds, "_run_kernel", fail)
    sample = await rounds._start(rigged, "ada", {}, with_kernel=True)
    assert "the kernel is gone" in sample.failure
    assert looks == ["ended"]
