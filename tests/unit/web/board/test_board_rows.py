"""What the board shows, from facts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from vmlab.database import CourseStep, Receipt, StepResult, StoredCourse, StoredStep
from vmlab.model import MachineState, MachineStatus
from vmlab.names import machine_name
from vmlab.web.board import BoardFacts, Group, Person, Seat, make_board
from vmlab_protocol.notices import Notice
from vmlab_protocol.receipts import Obstacle, Reason


def step(name: str) -> StoredStep:
    return StoredStep("01-who", "Who?", "Qui ?", name, f"{name} en", f"{name} fr")


COURSE = StoredCourse(
    "first-steps", 2, "d2", "First", "Premiers", (step("user"), step("home")), 500.0
)
ADAS = machine_name("ada")
ADA = Person("ada", (Group("trainees"),), is_staff=False, seats=(Seat("", ADAS),))
TRAINER = Person("trainer", (), is_staff=True, seats=(Seat("", machine_name("trainer")),))


def facts(**changes: Any) -> BoardFacts:
    return replace(BoardFacts(1000.0, COURSE, (COURSE,), (), (), {}), **changes)


def status(user: str, state: MachineState, server: str = "", **more: Any) -> dict:
    name = machine_name(user, server)
    return {name: MachineStatus(name, state, owner=user, **more)}


def result(name: str, *, first_passed: float | None, attempts: int = 1) -> StepResult:
    return StepResult(
        "ada", "", "01-who", name, attempts, first_passed, 900.0, first_passed is not None
    )


def rows(known: BoardFacts, *people: Person, may_open: bool = False) -> list[dict]:
    return make_board(known, people, lambda person, seat: may_open)["rows"]


def test_somebody_who_never_started():
    (row,) = rows(facts(), ADA)
    assert row == {
        "user": "ada",
        "server": "",
        "machine": machine_name("ada"),
        "state": "absent",
        "place": 0,
        "since": 0.0,
        "problem": "",
        "machines": [],
        "limited": [],
        "notes": [],
        "steps": {},
        "passed": 0,
        "last_progress": None,
        "course_version": None,
        "begun": [],
        "may_renew": False,
        "url": "",
    }


def test_progress_of_a_running_machine():
    known = facts(
        statuses=status("ada", MachineState.RUNNING, since=600.0),
        results=(
            result("user", first_passed=700.0, attempts=2),
            result("home", first_passed=None, attempts=3),
        ),
        receipts=(Receipt("ada", "", "first-steps", 1, 650.0, ()),),
    )
    (row,) = rows(known, ADA)
    assert (row["state"], row["since"], row["course_version"]) == ("running", 600.0, 1)
    assert row["steps"] == {
        "01-who/user": {"passed": True, "attempts": 2, "at": 700.0},
        "01-who/home": {"passed": False, "attempts": 3, "at": 900.0},
    }
    assert (row["passed"], row["last_progress"]) == (1, 700.0)


def test_steps_that_the_course_no_longer_has_do_not_count():
    (row,) = rows(facts(results=(result("gone", first_passed=700.0),)), ADA)
    assert (row["steps"], row["passed"], row["last_progress"]) == ({}, 0, None)


def test_pending_comes_from_the_hub():
    person = replace(ADA, seats=(Seat("", ADAS, pending="spawn"),))
    (row,) = rows(facts(statuses=status("ada", MachineState.STARTING)), person)
    assert row["state"] == "pending"


def test_a_provider_that_cannot_be_asked_hides_no_progress():
    known = facts(statuses=None, results=(result("user", first_passed=700.0),))
    (row,) = rows(known, ADA)
    assert (row["state"], row["passed"]) == ("unknown", 1)


def test_the_machine_is_the_one_that_the_hub_keeps():
    person = replace(ADA, name="ada.l", seats=(Seat("", ADAS),))
    (row,) = rows(facts(statuses=status("ada", MachineState.RUNNING)), person)
    assert (row["user"], row["machine"], row["state"]) == ("ada.l", ADAS, "running")


def test_long_problems_are_cut():
    (row,) = rows(facts(statuses=status("ada", MachineState.STOPPED, problem="x" * 999)), ADA)
    assert len(row["problem"]) == 300


def test_what_did_not_get_to_its_place_is_a_note():
    held = (
        Obstacle("01/a.md", Reason.NOT_A_FILE, "first-steps/01/a.v2.md"),
        Obstacle("b.md", Reason.NO_ROOM),
    )
    (row,) = rows(facts(receipts=(Receipt("ada", "", "first-steps", 1, 650.0, (), held),)), ADA)
    assert row["course_version"] == 1
    (note,) = row["notes"]
    assert note == {
        "en": "Course first-steps, not in its place: 01/a.md: something that is not a file has its "
        "name; it is in ~/first-steps/01/a.v2.md (and 1 more)",
        "fr": "Cours first-steps, pas à sa place\u202f: 01/a.md\u202f: autre chose qu'un fichier "
        "porte son nom\u202f; il est dans ~/first-steps/01/a.v2.md (et 1 de plus)",
    }


def test_what_a_machine_refused_is_a_note_and_no_version():
    refusal = Receipt("ada", "", "first-steps", 0, 650.0, refused="too odd", refused_version=2)
    (row,) = rows(facts(receipts=(refusal,)), ADA)
    assert row["course_version"] is None
    assert row["notes"][0]["en"] == "Course first-steps was refused by the machine: too odd"


def test_notes_are_of_one_server_and_in_both_languages():
    note = Notice("The files of the course did not come.", "Les fichiers du cours manquent.")
    person = replace(ADA, seats=(Seat("", ADAS), Seat("second", machine_name("ada", "second"))))
    found = rows(facts(notes={("ada", "second"): (note, Notice("y" * 999, "z" * 999))}), person)
    assert found[0]["notes"] == []
    assert found[1]["notes"] == [
        {"en": note.en, "fr": note.fr},
        {"en": "y" * 300, "fr": "z" * 300},
    ]


def test_each_server_is_a_row_of_its_own():
    person = replace(ADA, seats=(Seat("", ADAS), Seat("second", machine_name("ada", "second"))))
    found = rows(facts(statuses=status("ada", MachineState.RUNNING, "second")), person)
    assert [(r["server"], r["state"]) for r in found] == [("", "absent"), ("second", "running")]
    assert found[0]["machine"] != found[1]["machine"]


def test_staff_is_no_trainee_even_at_work():
    at_work = status("trainer", MachineState.RUNNING)
    assert rows(facts(statuses=at_work), TRAINER, ADA) == rows(facts(statuses=at_work), ADA)


@pytest.mark.parametrize(("may_open", "url"), [(True, "/user/ada/"), (False, "")])
def test_the_address_only_for_those_who_may_open_it(may_open, url):
    person = replace(ADA, seats=(Seat("", ADAS, url="/user/ada/"),))
    assert rows(facts(), person, may_open=may_open)[0]["url"] == url


def test_what_was_begun_in_any_course_is_told_whichever_is_shown():
    other = replace(COURSE, name="other")
    done = (
        CourseStep("ada", "", "first-steps", "01-who/user", 700.0, 700.0),
        CourseStep("ada", "", "other", "01-who/user", 750.0, 800.0),
        CourseStep("ada", "", "other", "01-who/home", None, 900.0),
        CourseStep("ada", "", "other", "01-who/gone", 950.0, 950.0),
        CourseStep("ada", "", "withdrawn", "01-who/user", 960.0, 960.0),
        CourseStep("bob", "", "other", "01-who/user", None, 970.0),
    )
    (row,) = rows(facts(courses=(COURSE, other), done=done), ADA)
    begun = {"total": 2, "passed": 1}
    assert row["begun"] == [
        begun | {"course": "first-steps", "last_progress": 700.0, "last_tried": 700.0},
        begun | {"course": "other", "last_progress": 750.0, "last_tried": 900.0},
    ]


def test_the_course_and_the_others():
    other = replace(COURSE, name="other")
    board = make_board(facts(courses=(COURSE, other)), (), lambda *_: True)
    assert [c["name"] for c in board["courses"]] == ["first-steps", "other"]
    assert board["course"]["steps"][0] == {
        "exercise": "01-who",
        "exercise_title": {"en": "Who?", "fr": "Qui ?"},
        "step": "user",
        "title": {"en": "user en", "fr": "user fr"},
    }
    assert (board["now"], board["course"]["published"]) == (1000.0, 500.0)


def test_without_a_course_there_are_machines():
    known = facts(course=None, courses=(), statuses=status("ada", MachineState.RUNNING))
    board = make_board(known, (ADA,), lambda *_: True)
    assert board["course"] is None
    assert board["rows"][0]["state"] == "running"


def test_who_waits_in_the_line_is_told_from_who_starts():
    waiting = replace(ADA, seats=(Seat("", ADAS, pending="spawn", place=3),))
    starting = replace(ADA, seats=(Seat("", ADAS, pending="spawn"),))
    shown = [(row["state"], row["place"]) for row in rows(facts(), waiting, starting)]
    assert shown == [("waiting", 3), ("pending", 0)]
