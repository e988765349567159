"""A course for trainees of the acquisition, delivered and played on this host."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import vmlab_guest
from acquisition.programs import MODULES, SOURCES
from vmlab.courses.folder import read_folder
from vmlab.courses.parse import parse_course

COURSE = Path(__file__).parents[2] / "notebooks" / "narval"


def deliver(exercise: str, folder: Path, home: Path) -> None:
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


def said(played: dict) -> list[tuple[str, bool]]:
    return [(each["step"], each["passed"]) for each in played["checks"]]


def add_cells(notebook: Path, cells: list[str], folder: Path) -> Path:
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


def trainee(folder: Path) -> dict[str, str]:
    guest = Path(vmlab_guest.__file__).parent.parent
    return {
        **os.environ,
        "HOME": str(folder / "home"),
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": f"{guest}:{SOURCES}",
        "VMLAB_ROOT": str(folder / "root"),
        "VMLAB_LANGUAGE": "en",
    }


def make_programs(folder: Path, options: dict[str, list[str]]) -> None:
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
