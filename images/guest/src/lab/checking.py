"""`check("step")`: runs the step's check on the real machine, shows and reports the result."""

from __future__ import annotations

import difflib
import inspect
import logging
import logging.handlers
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lab.cells import find_stale
from lab.exercise import Exercise, find_exercise, load_steps
from lab.outcome import DEADLINE_S, Outcome
from lab.report import report
from lab.show import Card, Shown, show
from lab.words import PHRASES, machine_root

_LOG_BYTES = 256 * 1024


@dataclass(frozen=True)
class Verdict:
    """An outcome and whether it says something about the trainee's work."""

    outcome: Outcome
    counts: bool


def check(name: str, *answers: Any) -> None:
    """Check one step of the exercise in whose folder this notebook is, and show the result.

    Args:
        name: the step, as the exercise's text calls it.
        answers: what the step asks for, if it asks for something.
    """
    exercise = find_exercise(Path.cwd(), machine_root() / "var/lib/vmlab/courses")
    if exercise is None:
        show(Shown(str(name), _say("no_exercise")))
        return

    if stale := find_stale():
        show(Shown(str(name), _say("stale", names=", ".join(f"`{word}`" for word in stale))))
        return

    def look() -> Shown:
        verdict = judge(exercise, str(name), answers)
        return Shown(str(name), verdict.outcome, exercise, counts=verdict.counts)

    def send(shown: Shown, card: Card) -> None:
        if shown.counts:
            report(exercise, shown.step, shown.outcome.passed, card.tell_not_recorded)

    def look_again(card: Card) -> None:
        shown = look()
        card.update(shown)
        send(shown, card)

    shown = look()
    # An answer is a value of this moment; only a look at the machine can be repeated by a button.
    send(shown, show(shown, None if answers else look_again))


def judge(exercise: Exercise, name: str, answers: tuple[Any, ...]) -> Verdict:
    """Return what the step's check says; never raises, whatever the check does."""
    try:
        steps = load_steps(exercise)
    except (Exception, SystemExit):  # noqa: BLE001 - a trainer's program: anything may come
        return _broken(exercise, name)
    function = steps.get(name)
    if function is None:
        near = difflib.get_close_matches(name, steps, n=1) or sorted(steps)
        return Verdict(_say("no_step", name=name, steps=", ".join(near)), counts=False)
    signature = inspect.signature(function)
    try:
        signature.bind(*answers)
    except TypeError:
        usage = ", ".join([f'"{name}"', *signature.parameters])
        return Verdict(_say("usage", usage=f"check({usage})"), counts=False)
    if any(answer is ... for answer in answers):
        return Verdict(_say("dots"), counts=True)
    return _run(exercise, name, function, answers)


def _run(
    exercise: Exercise, name: str, function: Callable[..., Outcome], answers: tuple[Any, ...]
) -> Verdict:
    """Run the check in a thread, so that one that hangs does not take the notebook with it."""
    deadline_s = getattr(function, "lab_deadline_s", DEADLINE_S)
    results: list[Outcome] = []

    def target() -> None:
        try:
            results.append(function(*answers))
        except (Exception, SystemExit):  # noqa: BLE001 - a trainer's program: logged and told
            _log_broken(exercise, name)

    thread = threading.Thread(target=target, name=f"check {name}", daemon=True)
    thread.start()
    thread.join(deadline_s)
    if thread.is_alive():
        return Verdict(_say("too_long", seconds=f"{deadline_s:g}"), counts=True)
    if not results or not isinstance(results[0], Outcome):
        return Verdict(_say_broken(exercise, name), counts=False)
    return Verdict(results[0], counts=True)


def _say(phrase_name: str, **values: str) -> Outcome:
    en, fr = PHRASES[phrase_name]
    return Outcome(passed=False, en=en.format(**values), fr=fr.format(**values))


def _broken(exercise: Exercise, name: str) -> Verdict:
    _log_broken(exercise, name)
    return Verdict(_say_broken(exercise, name), counts=False)


def _say_broken(exercise: Exercise, name: str) -> Outcome:
    return _say("broken", course=exercise.course, exercise=exercise.folder, name=name)


def _log_broken(exercise: Exercise, name: str) -> None:
    """Write the exception being handled where a trainer finds it, not into the notebook."""
    logger = logging.getLogger("lab")
    logger.propagate = False
    if not logger.handlers:
        folder = Path.home() / ".local/state/vmlab"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            logger.addHandler(
                logging.handlers.RotatingFileHandler(
                    folder / "lab.log", maxBytes=_LOG_BYTES, backupCount=1, delay=True
                )
            )
        except OSError:  # a full disk: the trainee is told all the same
            logger.addHandler(logging.NullHandler())
    logger.exception(
        "%s/%s version %s, step %s", exercise.course, exercise.folder, exercise.version, name
    )
