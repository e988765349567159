"""A push tells what goes out, what does not, and what may be a mistake."""

from __future__ import annotations

import json

import pytest

from fakes.courses import NOTEBOOK, make_files, write_folder
from vmlab.courses.folder import list_skipped, read_folder
from vmlab.courses.review import Remark, review_course

SOLUTION = json.dumps(NOTEBOOK | {"metadata": {"title": "the answers"}}).encode()


def doubts(files: dict[str, bytes]) -> list[tuple[str, str]]:
    return [(d.path, d.words) for d in review_course(make_files(files)).doubts]


def test_every_file_of_the_folder_is_told_once(tmp_path):
    files = make_files({"01-who/solution.ipynb": SOLUTION, "01-who/data.csv": b"a;b"})
    by_products = {".git/config": b"", "01-who/.hidden": b"", "01-who/a.pyc": b"", "x.md~": b""}
    folder = write_folder(tmp_path, files | by_products)
    review = review_course(read_folder(folder), list_skipped(folder))
    assert [path for path, _ in review.delivered] == ["01-who/data.csv", "01-who/exercise.ipynb"]
    assert dict(review.delivered)["01-who/data.csv"] == 3
    assert review.machine_only == ("01-who/checks.py", "course.toml")
    assert review.left_out == (
        Remark(".git/", "by-product or hidden"),
        Remark("01-who/.hidden", "by-product or hidden"),
        Remark("01-who/a.pyc", "by-product or hidden"),
        Remark("01-who/solution.ipynb", "a solution"),
        Remark("x.md~", "by-product or hidden"),
    )
    assert review.doubts == ()


@pytest.mark.parametrize(
    "name",
    [
        *("correction.ipynb", "Corrigé.ipynb", "exercice_corrige.py", "corrigés/a.txt"),
        *("answers.txt", "exercise-answer.ipynb", "réponses.md", "exercise_sol.ipynb"),
        *(
            "my solution (final).ipynb",
            "solutions-of-equations.csv",
            "Lösung.ipynb",
            "teacher/n.md",
        ),
    ],
)
def test_names_that_look_like_solutions(name):
    path = f"01-who/{name}"
    content = SOLUTION if name.endswith("ipynb") else b"x"
    assert doubts({path: content}) == [(path, "its name looks like that of a solution")]


@pytest.mark.parametrize(
    "name", ["resolution.md", "solar.csv", "profiles.txt", "directions.md", "answering-machine.md"]
)
def test_names_that_do_not(name):
    assert doubts({f"01-who/{name}": b"x"}) == []


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (
            {"01-who/solution.ipynb": SOLUTION, "02.ipynb": SOLUTION},
            "the same content as 01-who",
        ),
        ({"02.py": b"### BEGIN SOLUTION\n"}, "it contains BEGIN SOLUTION"),
        ({"02.bin": bytes(9 * 2**20)}, "9.0 MiB: every machine downloads and keeps it"),
        ({"02.md": "é".encode("latin-1")}, "not UTF-8: JupyterLab does not open it"),
        ({"02.txt": "a".encode("utf-16")}, "not UTF-8: JupyterLab does not open it"),
        ({"a.md": b"1", "A.md": b"2"}, "many systems cannot tell its name from A.md"),
        ({"\u00e9.md": b"1", "e\u0301.md": b"2"}, "many systems cannot tell its name from"),
    ],
)
def test_what_may_be_a_mistake(files, words):
    (found,) = doubts(files)
    assert words in found[1]


def test_much_together_is_one_doubt():
    files = {f"{number}.bin": bytes(5 * 2**20) for number in range(7)}
    assert doubts(files) == [(".", "35.0 MiB together: every machine downloads and keeps it")]
