"""The course narval, played in a real kernel on this machine: nothing passes before, all after."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import vmlab_guest
from acquisition.programs import MODULES, SOURCES, is_running, until
from acquisition.several_machines import run_on_desk, write_ssh
from vmlab.courses.folder import read_folder
from vmlab.courses.parse import parse_course
from vmlab.system.host import find_free_port

COURSE = Path(__file__).parents[2] / "notebooks" / "narval"
FIRST, SECOND = "01-first-acquisition", "02-several-machines"


@pytest.fixture
def machine(tmp_path):
    """The environment of a trainee with this course: a home, programs, ports of their own."""
    environment = _environment(tmp_path)
    _deliver(FIRST, tmp_path, tmp_path / "home")
    (tmp_path / "runtime").mkdir(mode=0o700)
    yield environment
    _end_all(f"NARVAL_CONFIG={environment['NARVAL_CONFIG']}")


def _deliver(exercise: str, folder: Path, home: Path) -> None:
    """Bring an exercise to where the hub delivers it."""
    original = folder / "root/var/lib/vmlab/courses/narval/1" / exercise
    copy = home / "narval" / exercise
    for place in (original, copy):
        place.mkdir(parents=True)
    shutil.copy(COURSE / exercise / "checks.py", original)
    shutil.copy(COURSE / exercise / "exercise.ipynb", copy)


def steps_of(exercise: str) -> list[str]:
    """Return the names of an exercise's steps, in their order."""
    course = parse_course(read_folder(COURSE), "narval")
    (found,) = [each for each in course.exercises if each.folder == exercise]
    return [step.name for step in found.steps]


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
    steps = steps_of(FIRST)
    before = play(machine, f"narval/{FIRST}")
    assert said(before) == [(step, False) for step in steps], before
    solution = COURSE / FIRST / "solution.ipynb"
    with_mistakes = _add_cells(solution, [code for code, _ in MISTAKES], tmp_path)
    for notebook in (solution, with_mistakes):
        after = play(machine, str(notebook), "--in", f"narval/{FIRST}")
        done = [(step, True) for step in steps]
        assert said(after)[: len(steps)] == done, json.dumps(after, indent=1)
        assert after["errors"] == []
    hints = [each["message"] for each in after["checks"][len(steps) :]]
    assert len(hints) == len(MISTAKES)
    for hint, (code, words) in zip(hints, MISTAKES, strict=True):
        assert words in hint, (code, hint)


# -- over several machines, which are namespaces ---------------------------------------------------

MOVE_A_NODE = """farm_xml = Path("farm.xml")
farm_xml.write_text(farm_xml.read_text().replace("node2", "node1"))
"""
NO_LINK_HERE = """!narval_shell set action stop farm
!rm -r ~/.narval/runs && mkdir ~/.narval/runs
"""
NO_LINK_THERE = """!rm -r ~/.narval/runs && ln -s ~/shared/runs ~/.narval/runs
!ssh node3 'rm -r ~/.narval/runs && mkdir ~/.narval/runs'
"""
ONE_RUN = """!narval_shell set action start farm
time.sleep(2)
!narval_shell set action stop farm
"""
MISTAKES_OF_SEVERAL = (
    ('check("machines", "192.0.2.7")', "has not the address `192.0.2.7`"),
    ('check("run", 10 * events_per_s)', "events per second"),
    ('check("spectra", "detector_0")', "would be there without events"),
    ('check("files")', "A run is under way"),
    ('check("lost-node", "right", "node2")', "is Running, all its actors live"),
    (f"{MOVE_A_NODE}check('topology')", "`right` would run on `node1`, not on `node2`"),
    (f"{NO_LINK_HERE}{ONE_RUN}check('files')", "on this machine: make `~/.narval/runs` a link"),
    (f"{NO_LINK_THERE}{ONE_RUN}check('files')", "without data: `files` writes on `node3`"),
    ("rewind('farm')\ncheck('run', events_per_s)", "`farm` is Initial. Next:"),
    ("del os.environ['NARVAL_NAMING_SERVICE']\ncheck('services')", "Run the first cell"),
)


@pytest.fixture
def farm(tmp_path):
    """The environment of a trainee on the desk of four machines; gives it and the folder."""
    _make_programs(tmp_path / "bin", {})
    write_ssh(tmp_path)
    (tmp_path / "home").mkdir()
    _deliver(SECOND, tmp_path, tmp_path / "homes/desk")
    return _trainee(tmp_path), tmp_path


def play_on_desk(farm, *words: str) -> dict:
    environment, folder = farm
    words = (sys.executable, "-m", "vmlab_guest.play", *words)
    ended = run_on_desk(folder, list(words), environment)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.mark.timeout(900)
def test_the_chain_over_several_machines_is_played(farm, tmp_path):
    steps = steps_of(SECOND)
    before = play_on_desk(farm, f"narval/{SECOND}", "--deadline", "300")
    assert said(before) == [(step, False) for step in steps], before
    for name in ("machines", "shared", "runtime"):
        shutil.rmtree(tmp_path / name)
    solution = COURSE / SECOND / "solution.ipynb"
    notebook = _add_cells(solution, [code for code, _ in MISTAKES_OF_SEVERAL], tmp_path)
    after = play_on_desk(farm, str(notebook), "--in", f"narval/{SECOND}", "--deadline", "300")
    done = [(step, True) for step in steps]
    assert said(after)[: len(steps)] == done, json.dumps(after, indent=1)
    assert after["errors"] == []
    hints = [each["message"] for each in after["checks"][len(steps) :]]
    for hint, (code, words) in zip(hints, MISTAKES_OF_SEVERAL, strict=True):
        assert words in hint, (code, hint)


def said(played: dict) -> list[tuple[str, bool]]:
    return [(each["step"], each["passed"]) for each in played["checks"]]


def _add_cells(notebook: Path, cells: list[str], folder: Path) -> Path:
    content = json.loads(notebook.read_text())
    content["cells"] += [{"cell_type": "code", "source": [cell]} for cell in cells]
    file = folder / "more.ipynb"
    file.write_text(json.dumps(content))
    return file


def play(environment: dict[str, str], *words: str) -> dict:
    done = subprocess.run(
        [sys.executable, "-m", "vmlab_guest.play", *words],
        env=environment, capture_output=True, text=True, check=True, timeout=300,
    )  # fmt: skip
    return json.loads(done.stdout)


def _environment(tmp_path: Path) -> dict[str, str]:
    naming, log, shell = (find_free_port() for _ in range(3))
    _make_programs(
        tmp_path / "bin",
        {
            "narval_naming_service": ["--port", str(naming)],
            "central_log": ["--port", str(log)],
            "aws_shell": ["--aws_server_port", str(shell)],
        },
    )
    return {
        **_trainee(tmp_path),
        "XDG_RUNTIME_DIR": str(tmp_path / "runtime"),
        "NARVAL_CONFIG": str(tmp_path / "config"),
        "NARVAL_NAMING_SERVICE": f"127.0.0.1:{naming}",
        "NARVAL_SHELL": f"127.0.0.1:{shell}",
    }


def _trainee(folder: Path) -> dict[str, str]:
    guest = Path(vmlab_guest.__file__).parent.parent
    return {
        **os.environ,
        "HOME": str(folder / "home"),
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": f"{guest}:{SOURCES}",
        "VMLAB_ROOT": str(folder / "root"),
        "VMLAB_LANGUAGE": "en",
    }


def _make_programs(folder: Path, options: dict[str, list[str]]) -> None:
    """Write the console scripts; those of services add the options that say which port."""
    folder.mkdir()
    for program, place in {**MODULES, "narval_actor": "narval.actor.program:main"}.items():
        module, function = place.split(":")
        file = folder / program
        file.write_text(
            f"#!{sys.executable}\nimport sys\nfrom {module} import {function}\n"
            f"sys.exit({function}([*sys.argv[1:], *{options.get(program, [])}]))\n"
        )
        file.chmod(0o755)


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
