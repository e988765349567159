"""The course narval, played in a real kernel on this machine: nothing passes before, all after."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from pathlib import Path

import pytest

from acquisition.course import (
    COURSE,
    add_cells,
    deliver,
    make_programs,
    play,
    said,
    steps_of,
    trainee,
)
from acquisition.programs import is_running, until
from vmlab.system.host import find_free_port

EXERCISE = "01-first-acquisition"


@pytest.fixture
def machine(tmp_path):
    """The environment of a trainee with this course: a home, programs, ports of their own."""
    environment = _environment(tmp_path)
    deliver(EXERCISE, tmp_path, tmp_path / "home")
    (tmp_path / "runtime").mkdir(mode=0o700)
    yield environment
    _end_all(f"NARVAL_CONFIG={environment['NARVAL_CONFIG']}")


# What trainees get wrong, after everything was done, and what the hint speaks of.
MISTAKES = (
    ('check("start", ["stop"])', "2 actions are allowed"),
    ('check("start", "stop, pause")', "is under way"),  # no mistake: another way to write it
    ('check("look", rate / 1000, run)', "no kB"),
    ('check("look", rate, run + 1)', "get run_number first"),
    ('check("spectrum", "many", fwhm)', "`many` is not a number"),
    ('check("spectrum", 1173.2, fwhm)', "the other line of cobalt"),
    ('check("spectrum", centroid, fwhm / 2.355)', "That is sigma"),
    ('check("spectrum", str(view.fit.centroid), str(view.fit.fwhm))', "My own fit"),
    ('check("crash", "SIGKILL")', "is Running, all its actors live"),
    ("!gcc -shared -fPIC -I{include} -o libcounter.so counter.c\ncheck('c-actor')", "the old one"),
    (
        "!narval_shell set action stop chain\ncheck('recover')",
        "Next: `narval_shell set action start",
    ),
    ("!narval_shell set action start chain\ncheck('recover')", "killed by SIGKILL"),
    ("rewind('chain')\ncheck('topology')", "Now `set configuration_file chain.xml chain`"),
    ("Path('chain.xml').write_text('<configuration>')\ncheck('topology')", "chain.xml:1"),
)


def test_nothing_passes_before_and_all_passes_after_and_again(machine, tmp_path):
    steps = steps_of(EXERCISE)
    before = play(machine, f"narval/{EXERCISE}")
    assert said(before) == [(step, False) for step in steps], before
    solution = COURSE / EXERCISE / "solution.ipynb"
    with_mistakes = add_cells(solution, [code for code, _ in MISTAKES], tmp_path)
    for notebook in (solution, with_mistakes):
        after = play(machine, str(notebook), "--in", f"narval/{EXERCISE}")
        done = [(step, True) for step in steps]
        assert said(after)[: len(steps)] == done, json.dumps(after, indent=1)
        assert after["errors"] == []
    hints = [each["message"] for each in after["checks"][len(steps) :]]
    assert len(hints) == len(MISTAKES)
    for hint, (code, words) in zip(hints, MISTAKES, strict=True):
        assert words in hint, (code, hint)


def _environment(tmp_path: Path) -> dict[str, str]:
    naming, log, shell = (find_free_port() for _ in range(3))
    make_programs(
        tmp_path / "bin",
        {
            "narval_naming_service": ["--port", str(naming)],
            "central_log": ["--port", str(log)],
            "aws_shell": ["--aws_server_port", str(shell)],
        },
    )
    return {
        **trainee(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path / "runtime"),
        "NARVAL_CONFIG": str(tmp_path / "config"),
        "NARVAL_NAMING_SERVICE": f"127.0.0.1:{naming}",
        "NARVAL_SHELL": f"127.0.0.1:{shell}",
    }


def _end_all(mark: str) -> None:
    """End the processes whose environment has this entry: services live longer than a kernel."""
    pids = [pid for pid in _pids() if mark in _environment_of(pid)]
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):  # it ended with the one it belongs to
            os.kill(pid, signal.SIGKILL)
    asyncio.run(until(lambda: not any(map(is_running, pids))))


def _pids() -> list[int]:
    return [int(each.name) for each in Path("/proc").iterdir() if each.name.isdecimal()]


def _environment_of(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return []
