"""Every course in notebooks/: description, notebooks and checks agree, and nothing was run."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import pytest

from lab.exercise import Exercise, load_steps
from vmlab.courses.folder import read_folder
from vmlab.courses.parse import parse_course

TOP = Path(__file__).parents[3] / "notebooks"
COURSES = sorted(path.parent for path in TOP.glob("*/course.toml"))
FOLDERS = sorted(path.parent for path in TOP.glob("*/*/exercise.ipynb"))
NOTEBOOKS = sorted(TOP.glob("*/*/*.ipynb"))
CALL = re.compile(r'^check\("([a-z0-9-]+)"', re.MULTILINE)


def name_of(path: Path) -> str:
    return path.relative_to(TOP).as_posix()


def code_of(path: Path) -> list[str]:
    cells = nbformat.read(path, as_version=4).cells
    return [cell.source for cell in cells if cell.cell_type == "code"]


def test_there_is_a_course() -> None:
    assert COURSES
    assert FOLDERS


@pytest.mark.parametrize("course", COURSES, ids=name_of)
def test_the_hub_takes_it(course: Path) -> None:
    parsed = parse_course(read_folder(course), str(course))
    assert {exercise.folder for exercise in parsed.exercises} == {
        path.name for path in FOLDERS if path.parent == course
    }


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=name_of)
def test_valid_and_stripped(notebook: Path) -> None:
    nbformat.validate(json.loads(notebook.read_text(encoding="utf-8")))
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=name_of)
def test_every_text_is_in_both_languages(notebook: Path) -> None:
    for cell in nbformat.read(notebook, as_version=4).cells:
        if cell.cell_type == "markdown":
            assert '<div lang="en">' in cell.source
            assert '<div lang="fr">' in cell.source


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_description_checks_and_notebooks_agree(folder: Path) -> None:
    parsed = parse_course(read_folder(folder.parent), str(folder.parent))
    (exercise,) = [entry for entry in parsed.exercises if entry.folder == folder.name]
    steps = [step.name for step in exercise.steps]
    assert sorted(load_steps(Exercise(parsed.name, folder.name, 1, folder))) == sorted(steps)
    for name in ("exercise.ipynb", "solution.ipynb"):
        calls = CALL.findall("\n".join(code_of(folder / name)))
        assert calls == steps, f"{name} checks all steps in their order"


@pytest.mark.parametrize("folder", FOLDERS, ids=name_of)
def test_the_solution_is_the_exercise_with_cells_filled_in(folder: Path) -> None:
    texts = [
        [
            cell.source
            for cell in nbformat.read(folder / name, as_version=4).cells
            if cell.cell_type == "markdown"
        ]
        for name in ("exercise.ipynb", "solution.ipynb")
    ]
    assert texts[0] == texts[1]
    assert code_of(folder / "exercise.ipynb") != code_of(folder / "solution.ipynb")
