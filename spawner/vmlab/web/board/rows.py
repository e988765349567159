"""From facts to what the board shows. Pure; the form is in docs/protocols.md, section 2."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from vmlab.database import CourseStep, Receipt, StepResult, StoredCourse
from vmlab.database.obstacles import tell_delivery
from vmlab.groups.listing import GroupMachine
from vmlab.model import MachineRole, MachineState, MachineStatus, NetworkStatus
from vmlab.web.board.begun import find_begun
from vmlab.web.board.group import (
    SHOWN_PROBLEM,
    absence_notes,
    further_machines,
    limited_machines,
    network_notes,
    seat_state,
    tell_machine,
)
from vmlab.web.board.people import Person, Seat
from vmlab_protocol.notices import Notice

Notes = Mapping[tuple[str, str], tuple[Notice, ...]]
"""What a facilitator should know of a user and server, for instance that its files did not come."""


@dataclass(frozen=True)
class BoardFacts:
    """Everything that the board is made from.

    `statuses` is None when the provider could not be asked; the rest is shown all the same.
    `results` are of the chosen course, `done` of all. `notes` come from whoever has something to
    say of a server; the board only shows them.
    """

    now: float
    course: StoredCourse | None
    courses: tuple[StoredCourse, ...]
    results: tuple[StepResult, ...]
    receipts: tuple[Receipt, ...]
    statuses: Mapping[str, MachineStatus] | None
    notes: Notes = field(default_factory=dict)
    done: tuple[CourseStep, ...] = ()
    groups: Mapping[str, tuple[GroupMachine, ...]] = field(default_factory=dict)  # by trainee
    networks: tuple[NetworkStatus, ...] = ()
    network: str = ""  # the lab's, whose machines should be in it; empty: that is not known


def make_board(
    facts: BoardFacts,
    people: Iterable[Person],
    may_open: Callable[[Person, Seat], bool],
    may_renew: Callable[[Person, Seat], bool] = lambda _person, _seat: False,
) -> dict[str, Any]:
    """Return the answer of `GET board` for these people.

    A person has a row for the default server, even if it never ran, and for every other server.
    Staff has none: whoever looks after trainees is not one of them, with a machine or without.

    Args:
        facts: what is known.
        people: those whom the reader may see.
        may_open: whether the reader may open this server; then the row has its address.
        may_renew: whether the reader may replace this server's machine.
    """
    results: dict[tuple[str, str], list[StepResult]] = {}
    for result in facts.results:
        results.setdefault((result.user, result.server), []).append(result)
    begun = find_begun(facts.courses, facts.done)
    receipts = {(r.user, r.server): r for r in facts.receipts}
    rows = []
    for person in (person for person in people if not person.is_staff):
        for seat in person.seats:
            key = (person.name, seat.name)
            row = _row(facts, person, seat, results.get(key, []))
            receipt = receipts.get(key)
            row["course_version"] = (receipt.version or None) if receipt else None
            if receipt and (told := _tell(receipt)):
                row["notes"].append(_note(told))
            row["begun"] = [course.as_row() for course in begun.get(key, ())]
            row["may_renew"] = may_renew(person, seat)
            row["url"] = seat.url if seat.url and may_open(person, seat) else ""
            rows.append(row)
    return {
        "now": facts.now,
        "courses": [_title(c) for c in facts.courses],
        "course": _course(facts.course) if facts.course else None,
        "shared": _shared(facts),
        "notes": [_note(each) for each in _network_notes(facts)],
        "rows": rows,
    }


def machine_facts(statuses: Mapping[str, MachineStatus] | None, seat: Seat) -> dict[str, Any]:
    """Return what is told of a server's machine: name, state, position in the queue, problem."""
    status = (statuses or {}).get(seat.machine)
    state = status.state if status else None if statuses is None else MachineState.ABSENT
    return {
        "server": seat.name,
        "machine": seat.machine,
        "state": seat_state(seat, state),
        "place": seat.place,
        "since": status.since if status else 0.0,
        "problem": status.problem[:SHOWN_PROBLEM] if status else "",
    }


def _row(
    facts: BoardFacts, person: Person, seat: Seat, results: list[StepResult]
) -> dict[str, Any]:
    steps = _steps(facts.course, results)
    passed = [s["at"] for s in steps.values() if s["passed"]]
    group = () if seat.name else facts.groups.get(person.name, ())
    own = [each for each in group if each.role is not MachineRole.SERVER]
    return {
        "user": person.name,
        **machine_facts(facts.statuses, seat),
        "machines": further_machines(own),
        "limited": limited_machines(own, facts.networks),
        "notes": [_note(note) for note in facts.notes.get((person.name, seat.name), ())],
        "steps": steps,
        "passed": len(passed),
        "last_progress": max(passed, default=None),
    }


def _tell(receipt: Receipt) -> Notice | None:
    return tell_delivery(receipt.course, receipt.obstacles, receipt.refused)


def _note(note: Notice) -> dict[str, str]:
    return {"en": note.en[:SHOWN_PROBLEM], "fr": note.fr[:SHOWN_PROBLEM]}


def _network_notes(facts: BoardFacts) -> tuple[Notice, ...]:
    notes = network_notes(facts.networks)
    if not facts.network:
        return notes
    return (*notes, *absence_notes(facts.groups.values(), facts.networks, facts.network))


def _shared(facts: BoardFacts) -> list[dict[str, Any]]:
    """Return what is told of the machines that all trainees use; each group has them."""
    shared = {
        each.machine: each
        for group in facts.groups.values()
        for each in group
        if each.role is MachineRole.SERVER
    }
    return [
        {**tell_machine(each), "is_limited": bool(limited_machines((each,), facts.networks))}
        for each in shared.values()
    ]


def _steps(course: StoredCourse | None, results: list[StepResult]) -> dict[str, dict[str, Any]]:
    """Return the results of steps that the course still has."""
    current = {step.key for step in course.steps} if course else set()
    return {
        key: {
            "passed": result.first_passed is not None,
            "attempts": result.attempts,
            "at": result.last_at if result.first_passed is None else result.first_passed,
        }
        for result in results
        if (key := f"{result.exercise}/{result.step}") in current
    }


def _title(course: StoredCourse) -> dict[str, Any]:
    return {"name": course.name, "title": {"en": course.title_en, "fr": course.title_fr}}


def _course(course: StoredCourse) -> dict[str, Any]:
    return {
        **_title(course),
        "version": course.version,
        "published": course.published,
        "steps": [
            {
                "exercise": step.exercise,
                "exercise_title": {"en": step.exercise_en, "fr": step.exercise_fr},
                "step": step.step,
                "title": {"en": step.title_en, "fr": step.title_fr},
            }
            for step in course.steps
        ],
    }
