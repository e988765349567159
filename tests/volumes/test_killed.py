"""The command line, and what is left when it is killed in the middle of each operation.

A qemu-img of our own stands before the real one: it waits until the test lets it go on, so that
every place where the command line waits for a tool is a place where it is killed.
"""

from __future__ import annotations

import functools
import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from fakes.forks import Files, ForkedProcess, Program
from vmlab.names import volume_name
from vmlab_protocol.snapshots import Reason
from volumes.conftest import check, command, environment, holds, make, vmlab, vmlab_json, write

NAME = volume_name("ada")
LIMIT_S = 60

SLOW_QEMU_IMG = """#!/bin/sh
mkdir {gate}/$$ || exit 9
until [ -e {gate}/$$/go ] || [ -e {gate}/open ]; do sleep 0.02; done
exec /usr/bin/qemu-img "$@"
"""


@pytest.fixture
def lab(state, monkeypatch):
    """The fake provider's lab, for the command line."""
    file = state / "lab.toml"
    file.write_text('[lab]\nname = "t"\n[provider]\nname = "fake"\n')
    monkeypatch.setenv("VMLAB_LAB", str(file))
    return state


@pytest.fixture
def gate(lab):
    """The folder in which each call of qemu-img waits to be let through."""
    folder, programs = lab / "gate", lab / "bin"
    folder.mkdir()
    folder.chmod(0o777)  # QEMU's user makes a folder in it
    programs.mkdir(mode=0o755)
    tool = programs / "qemu-img"
    tool.write_text(SLOW_QEMU_IMG.format(gate=folder))
    tool.chmod(0o755)
    yield folder
    (folder / "open").touch()


def wait(question):
    deadline = time.monotonic() + LIMIT_S
    while not (answer := question()):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    return answer


def _next_tool(gate: Path, seen: frozenset[str], process: ForkedProcess) -> set[str] | bool:
    return ({path.name for path in gate.iterdir()} - seen) or process.poll() is not None


def _is_gone(pid: str) -> bool:
    return not Path(f"/proc/{pid}").exists()


def kill_at(gate: Path, words: list[object], call: int, *, tool_too: bool) -> bool:
    """Kill the command when it waits for its n-th tool; tell whether it came so far."""
    env = environment(gate.parent)
    env["PATH"] = f"{gate.parent / 'bin'}:{env['PATH']}"
    process = ForkedProcess(
        Program.COMMAND,
        ["volume", *map(str, words)],
        folder=Path.cwd(),
        environment=env,
        files=Files(),
    )
    seen: set[str] = set()
    while True:
        new = wait(functools.partial(_next_tool, gate, frozenset(seen), process))
        if not isinstance(new, set):
            return False  # it needed fewer tools, and is through
        seen |= new
        (tool,) = new
        if len(seen) == call:
            process.kill()
            process.wait()
            if tool_too:
                os.kill(int(tool), signal.SIGKILL)
            (gate / tool / "go").touch()
            wait(functools.partial(_is_gone, tool))
            return True
        (gate / tool / "go").touch()


OPERATIONS = {
    "snapshot": 1,
    "restore": 2,
    "restore-smaller": 3,
    "grow": 1,
    "export": 3,
    "import": 2,
    "delete": 1,
    "delete-snapshot": 1,
}


@pytest.mark.parametrize("tool_too", [False, True])
@pytest.mark.parametrize(
    ("operation", "call"),
    [(name, call) for name, calls in OPERATIONS.items() for call in range(1, calls + 1)],
)
async def test_killed_at_any_tool_nothing_is_lost(
    store, lab, gate, tmp_path, operation, call, tool_too
):
    path = await make(store, NAME)
    await write(path, 1)
    first = await store.snapshot(NAME, Reason.MANUAL)
    if operation == "restore-smaller":
        await store.grow(NAME, 128)
    await write(path, 2)
    source = tmp_path / "in.qcow2"
    source.write_bytes(path.read_bytes())
    words = {
        "snapshot": ["snapshot", NAME],
        "restore": ["restore", NAME, first.id, "--yes"],
        "restore-smaller": ["restore", NAME, first.id, "--yes"],
        "grow": ["grow", NAME, "128M"],
        "export": ["export", NAME, tmp_path / "out.qcow2"],
        "import": ["import", source, "eve"],
        "delete": ["delete", NAME, "--yes"],
        "delete-snapshot": ["snapshot", NAME, "--delete", first.id],
    }[operation]
    assert kill_at(gate, words, call, tool_too=tool_too), "it calls fewer tools by now"
    (gate / "open").touch()
    shown = vmlab_json(lab, "show", NAME)
    ids = [snapshot["id"] for snapshot in shown["snapshots"]]
    await check(path)
    old = await holds(path, 2)
    assert old or (await holds(path, 1) and any(name.startswith("kept-") for name in ids))
    if operation != "delete-snapshot" or tool_too:
        assert first.id in ids
    out = tmp_path / "out.qcow2"
    if out.exists():  # whole, and only the snapshot for it is left over
        assert (operation, call) == ("export", 3)
        await check(out)
        out.unlink()
    # The same again goes through, as if nothing had been.
    again = vmlab(lab, *words)
    assert again.returncode == 0 or (operation == "delete-snapshot" and not tool_too), again.stderr
    assert list(store.context.work.iterdir()) == []
    if operation.startswith("restore"):
        assert await holds(path, 1)
        async with store.attach(*_spec(store)) as attached:
            assert attached.volume.size_mib == (128 if "smaller" in operation else 64)
        await check(path)


def _spec(store):
    from volumes.conftest import spec

    wanted = spec(volume=NAME)
    return wanted, wanted.volume


async def test_while_a_killed_commands_tool_works_the_volume_is_busy(store, lab, gate):
    await make(store, NAME)
    first = await store.snapshot(NAME, Reason.MANUAL)
    env = environment(lab)
    env["PATH"] = f"{lab / 'bin'}:{env['PATH']}"
    words = command("restore", NAME, first.id, "--yes")
    process = subprocess.Popen(words, env=env)  # noqa: ASYNC220 - returns at once
    (tool,) = wait(lambda: list(gate.iterdir()))
    process.kill()
    process.wait()
    done = vmlab(lab, "restore", NAME, first.id, "--yes")
    assert done.returncode == 1
    assert f"a restore of {first.id}, by process {process.pid}" in done.stderr
    (tool / "go").touch()
    wait(lambda: not Path(f"/proc/{tool.name}").exists())
    assert vmlab(lab, "restore", NAME, first.id, "--yes").returncode == 0


async def test_the_commands_take_names_and_users_and_print_data(store, lab, tmp_path):
    await make(store, NAME)
    taken = vmlab_json(lab, "snapshot", "ada")
    assert taken["id"].startswith("manual-")
    assert vmlab_json(lab, "grow", "ada", "96M")["size_mib"] == 96
    restored = vmlab_json(lab, "restore", NAME, taken["id"], "--yes")
    assert restored["kept"]["reason"] == "kept"
    out = tmp_path / "home.vdi"
    assert vmlab_json(lab, "export", "ada", out)["format"] == "vdi"
    assert vmlab_json(lab, "import", out, "eve")["owner"] == "eve"
    gone = vmlab_json(lab, "delete", "ada", "--yes", "--days", "3")
    listed = vmlab_json(lab, "list")["volumes"]
    assert {volume["state"] for volume in listed} == {"free", "quarantined"}
    table = vmlab(lab, "list").stdout
    assert "✗ deleted" in table
    assert vmlab_json(lab, "undelete", "ada")["name"] == NAME
    assert "kept-" in vmlab(lab, "show", "ada").stdout
    assert json.dumps(gone)


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["show", "nobody"], 1, "no volume of this name"),
        (["grow", "ada", "2T"], 2, "whole number with M or G"),
        (["grow", "ada", "1M"], 1, "cannot be given 1 MiB"),
        (["restore", "ada", "manual-20200101T000000Z", "--yes"], 1, "has no snapshot"),
        (["export", "ada", "/tmp/home.zip"], 2, "say --format"),
        (["export", "ada", "/nowhere/home.raw"], 1, "cannot be written"),
        (["import", "/etc/passwd", "eve"], 1, "not a disk image"),
        (["delete", "ada", "--yes", "--days", "0"], 1, "days of quarantine"),
        (["undelete", "ada"], 1, "not deleted"),
        (["delete", "ada"], 1, ""),
    ],
)
async def test_mistakes_are_two_lines_and_change_nothing(store, lab, words, status, told):
    path = await make(store, NAME)
    before = path.read_bytes()
    done = vmlab(lab, *words)
    assert done.returncode == status, done.stderr
    flat = " ".join(done.stderr.replace("│", " ").split())
    assert told in flat
    assert "Traceback" not in done.stderr
    assert path.read_bytes() == before or words[0] == "export", "a snapshot came and went"
    assert (await store.find(NAME)).size_mib == 64
