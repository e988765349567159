"""`lab`: finding the exercise, judging whatever a check does, and the words for it."""

from __future__ import annotations

import json
import logging
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import ipywidgets
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.checking import judge
from lab.exercise import Exercise, find_exercise, load_steps
from lab.notices import Notice, make_html, parse_notices
from lab.outcome import Outcome
from lab.show import Shown, WidgetCard, make_data, make_text
from lab.show import make_card as make_cards
from lab.show import make_html as make_card
from lab.words import PHRASES, find_language
from surroundings import threads_end
from vmlab_protocol.notices import Language

CHECKS = """\
import time
from lab import failed, passed, step

@step("good")
def good():
    return passed("fine", "bien")

@step("answer")
def answer(value, other):
    return passed() if value == 42 else failed("not `42`", "pas `42`")

@step("raises")
def raises():
    raise RuntimeError("oh dear")

@step("nothing")
def nothing():
    pass

@step("hangs", deadline_s=0.05)
def hangs():
    from test_guest_lab import over
    over.wait()

def helper():
    pass
"""


over = threading.Event()
"""Ends the check that hangs."""


@pytest.fixture
def courses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Courses whose checks run here, and log into a home that is the test's."""
    monkeypatch.setenv("HOME", str(tmp_path))
    logger = logging.getLogger("lab")
    monkeypatch.setattr(logger, "handlers", [])
    monkeypatch.setattr(logger, "propagate", True)
    add(tmp_path / "courses", 1, CHECKS)
    over.clear()
    with threads_end():
        yield tmp_path / "courses"
        over.set()
    for handler in logger.handlers:
        handler.close()


def add(courses: Path, version: int, checks: str) -> None:
    folder = courses / "first" / str(version) / "01-who"
    folder.mkdir(parents=True)
    (folder / "checks.py").write_text(checks)


def exercise_of(courses: Path) -> Exercise:
    found = find_exercise(Path("/home/trainee/first/01-who"), courses)
    assert found is not None
    return found


@pytest.mark.parametrize("below", ["", "data", "data/deeper"])
def test_the_exercise_is_found_from_its_folder_and_below(courses: Path, below: str) -> None:
    found = find_exercise(Path("/home/trainee/first/01-who") / below, courses)
    assert found == Exercise("first", "01-who", 1, courses / "first/1/01-who")


@pytest.mark.parametrize("place", ["/", "/home/trainee", "/home/trainee/first", "/first/02-what"])
def test_no_exercise_elsewhere(courses: Path, place: str) -> None:
    assert find_exercise(Path(place), courses) is None


def test_a_folder_cannot_lead_out_of_the_courses(courses: Path) -> None:
    assert find_exercise(Path("/home/.././01-who"), courses) is None


def test_the_newest_version_counts(courses: Path) -> None:
    add(courses, 9, CHECKS)
    add(courses, 10, CHECKS)
    (courses / "first/10.digest").write_text("x")
    assert exercise_of(courses).version == 10


def test_checks_are_read_anew_and_leave_no_bytecode(courses: Path) -> None:
    exercise = exercise_of(courses)
    assert judge(exercise, "good", ()).outcome.en == "fine"
    (exercise.original / "checks.py").write_text(CHECKS.replace('"fine"', '"better"'))
    assert judge(exercise, "good", ()).outcome.en == "better"
    assert [entry.name for entry in exercise.original.iterdir()] == ["checks.py"]


def test_only_marked_functions_are_steps(courses: Path) -> None:
    assert sorted(load_steps(exercise_of(courses))) == [
        "answer",
        "good",
        "hangs",
        "nothing",
        "raises",
    ]


@pytest.mark.parametrize(
    ("name", "answers", "passed", "counts", "words"),
    [
        ("good", (), True, True, "fine"),
        ("answer", (42, 0), True, True, ""),
        ("answer", (41, 0), False, True, "not `42`"),
        ("answer", (..., 0), False, True, "three dots"),
        ("answer", (), False, False, r'check\("answer", value, other\)'),
        ("good", (1,), False, False, r'check\("good"\)'),
        ("god", (), False, False, "no step `god`.*: good"),
        ("", (), False, False, "answer, good, hangs"),
        ("hangs", (), False, True, "gave up after 0.05 seconds"),
    ],
)
def test_judging(
    courses: Path, name: str, answers: tuple, passed: bool, counts: bool, words: str
) -> None:
    verdict = judge(exercise_of(courses), name, answers)
    assert (verdict.outcome.passed, verdict.counts) == (passed, counts)
    assert re.search(words, verdict.outcome.en)


@pytest.mark.parametrize("checks", ["raise SystemExit", "import no_such_module", "def (", CHECKS])
def test_a_broken_check_is_told_kindly_and_logged(
    courses: Path, tmp_path: Path, checks: str
) -> None:
    exercise = exercise_of(courses)
    (exercise.original / "checks.py").write_text(checks)
    verdict = judge(exercise, "raises", ())
    assert (verdict.outcome.passed, verdict.counts) == (False, False)
    assert "not your mistake" in verdict.outcome.en
    assert "Traceback" not in verdict.outcome.en
    assert "Traceback" in (tmp_path / ".local/state/vmlab/lab.log").read_text()


def test_a_check_that_returns_nothing_is_broken(courses: Path) -> None:
    assert "not your mistake" in judge(exercise_of(courses), "nothing", ()).outcome.en


def test_the_result_has_symbol_and_word_and_hint() -> None:
    shown = Shown("user", Outcome(passed=False, en="Try `id`.", fr="Essayez `id`."))
    assert make_text(shown, Language.FR) == "✗ Pas encore (étape user)\u202f: Essayez `id`."
    card = make_card(shown, Language.EN)
    assert "Not yet" in card
    assert "✗" in card
    assert "<code>id</code>" in card
    assert 'role="status"' in card
    assert 'lang="en"' in card


def test_a_card_holds_all_languages_and_shows_the_reader_s() -> None:
    shown = Shown("user", Outcome(passed=False, en="Try `id`.", fr="Essayez `id`."))
    card = make_cards(shown, Language.FR)
    assert '<div lang="en" hidden>' in card
    assert '<div lang="fr"><div' in card
    assert make_card(shown, Language.EN) in card
    assert make_card(shown, Language.FR) in card


def test_a_look_again_speaks_the_language_of_now(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VMLAB_ROOT", str(tmp_path))
    monkeypatch.delenv("VMLAB_LANGUAGE", raising=False)
    shown = Shown("user", Outcome(passed=True, en="", fr=""))
    card = WidgetCard(ipywidgets, shown, Language.EN, lambda _: None)
    result, _, button = card._box.children
    assert button.description == "Check again"
    (tmp_path / "run/vmlab").mkdir(parents=True)
    (tmp_path / "run/vmlab/language").write_text("fr\n")
    card.update(shown)
    assert button.description == "Vérifier à nouveau"
    assert '<div lang="en" hidden>' in result.value


@given(st.text(), st.text())
def test_no_text_becomes_markup(step: str, text: str) -> None:
    shown = Shown(f"<b>{step}", Outcome(passed=True, en=f"<script>{text}", fr=""))
    card = make_card(shown, Language.EN)
    assert "<script" not in card
    assert "<b>" not in card
    assert make_data(shown, Language.EN)["message"] == f"<script>{text}"
    notice = make_html([Notice("a", f"<script>{text}", "")], Language.EN)
    assert "<script" not in notice


@pytest.mark.parametrize("name", PHRASES)
def test_both_languages_have_the_same_places(name: str) -> None:
    en, fr = PHRASES[name]
    assert set(re.findall(r"\{\w+\}", en)) == set(re.findall(r"\{\w+\}", fr))
    assert en != fr


@pytest.mark.parametrize(
    ("variable", "machine", "system", "language"),
    [
        ("", "fr\n", "C.UTF-8", "fr"),
        ("en", "fr\n", "fr_FR.UTF-8", "en"),
        ("", None, "fr_FR.UTF-8", "fr"),
        ("de", None, "C", "en"),
    ],
)
def test_language(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    machine: str | None,
    system: str,
    language: str,
) -> None:
    for name, value in (("LANGUAGE", variable), ("ROOT", str(tmp_path))):
        monkeypatch.setenv(f"VMLAB_{name}", value)
    monkeypatch.setenv("LANG", system)
    if machine is not None:
        (tmp_path / "run/vmlab").mkdir(parents=True)
        (tmp_path / "run/vmlab/language").write_text(machine)
    assert find_language() == language


@given(st.text() | st.lists(st.dictionaries(st.text(), st.text())).map(json.dumps))
def test_any_notices_file_can_be_read(text: str) -> None:
    assert all(re.fullmatch("[0-9a-f]+", notice.id) for notice in parse_notices(text))


def test_notices() -> None:
    text = json.dumps([{"id": "ab", "en": "new", "fr": "neuf"}, {"id": "../x", "en": "", "fr": ""}])
    assert parse_notices(text) == [Notice("ab", "new", "neuf")]
