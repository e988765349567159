"""What is handed over: the same facts for programs, for a terminal and as a page."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vmlab.cli.rehearse import describe
from vmlab.rehearsal.differences import Difference, Subject
from vmlab.rehearsal.report import (
    Kind,
    Machine,
    Outcome,
    Report,
    Step,
    make_json,
    make_markdown,
    show_seconds,
    summarise,
)

GOOD = Report(
    "farm",
    "2026-11-30T09:00:00+01:00",
    132.4,
    (Machine("node1", "node", "desk 1", 1, 512, "10.77.1.2"),),
    (Step(Kind.START, "node1", Outcome.DONE, 41.2), Step(Kind.COMPARE, "node1", Outcome.DONE, 0.4)),
)
FAILED = Step(Kind.CHECK, "run files", Outcome.FAILED, 3.0, "its command ended", "no such file\n")
SKIPPED = Step(Kind.CHECK, "x", Outcome.SKIPPED, 0.0)
CHANGED = Difference("node1", Subject.PACKAGE, "gcc", "4:12 or later", "absent")


def change(**changes) -> Report:
    return Report(**{**vars(GOOD), **changes})


def test_what_is_good_is_said_in_one_sentence():
    assert GOOD.is_good
    assert summarise(GOOD) == "farm is as described, and all checks passed, in 2 min 12 s."


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"steps": (*GOOD.steps, FAILED)}, "farm, in 2 min 12 s: 1 step failed."),
        ({"differences": (CHANGED, CHANGED)}, "farm, in 2 min 12 s: 2 differences."),
        (
            {"steps": (FAILED, SKIPPED), "differences": (CHANGED,)},
            "farm, in 2 min 12 s: 1 step failed, 1 step was skipped, 1 difference.",
        ),
        (
            {"steps": (Step(Kind.START, "x", Outcome.STOPPED, 1.0),)},
            "The rehearsal of farm was stopped in 2 min 12 s.",
        ),
    ],
)
def test_what_is_not_good_is_counted(changes, told):
    report = change(**changes)
    assert not report.is_good
    assert summarise(report) == told


def test_the_page_has_all_of_it():
    page = make_markdown(change(steps=(*GOOD.steps, FAILED), differences=(CHANGED,)))
    for line in (
        "# Rehearsal of farm",
        "| node1 | node | desk 1 | 1 | 512 MiB | 10.77.1.2 |",
        "| node1 | package | gcc | 4:12 or later | absent |",
        "| start | node1 | ✓ done | 41 s |",
        "| check | run files | ✗ failed | 3.0 s |",
        "### check: run files",
        "its command ended",
        "    no such file",
    ):
        assert line in page.splitlines()
    assert "The machines were taken down." in page
    assert "Nothing, as far as it was compared." in make_markdown(GOOD)
    assert "It was not compared." in make_markdown(change(steps=()))
    assert "Machines still run." in make_markdown(change(is_kept=True))


def test_the_line_of_a_step_says_in_words_what_its_sign_says():
    assert describe(FAILED) == "✗ check run files, failed, 3.0 s: its command ended"
    assert describe(GOOD.steps[0]) == "✓ start node1, done, 41 s"


def test_of_a_log_the_end_is_kept():
    step = Step(Kind.CHECK, "x", Outcome.FAILED, 0.0, log="".join(f"{n}\n" for n in range(100)))
    assert step.log.splitlines() == [str(n) for n in range(80, 100)]


texts = st.text(max_size=60)
steps = st.builds(
    Step,
    st.sampled_from(Kind),
    texts,
    st.sampled_from(Outcome),
    st.floats(0, 1e5),
    texts,
    texts,
)
differences = st.builds(Difference, texts, st.sampled_from(Subject), texts, texts, texts)
machines = st.builds(Machine, texts, texts, texts, st.integers(), st.integers(), texts)
reports = st.builds(
    Report,
    texts,
    texts,
    st.floats(0, 1e5),
    st.lists(machines, max_size=5).map(tuple),
    st.lists(steps, max_size=5).map(tuple),
    st.lists(differences, max_size=5).map(tuple),
    st.booleans(),
)


ODD = Step(Kind.CHECK, "a|b\n# c", Outcome.FAILED, 0, "<script>", "```\n# x\x1b[2J")


@given(reports)
@example(change(steps=(ODD,)))
def test_no_text_of_a_machine_becomes_anything_but_text(report):
    page = make_markdown(report)
    lines = page.splitlines()
    titles = [line for line in lines if line.startswith("#")]
    assert len(titles) == 4 + bool(report.failed) + len(report.failed)
    rows = [line for line in lines if line.startswith("|") and not line.startswith("| ---")]
    for row in rows:
        bars = len(re.findall(r"(?<!\\)(?:\\\\)*\|", row))
        assert bars in {5, 6, 7}, row
    assert all(line.isprintable() for line in lines)
    assert not re.search(r"(?<!\\)<script", page.replace("    ", "\\"))


@given(reports)
def test_programs_get_the_same_facts(report):
    data = json.loads(json.dumps(make_json(report)))
    assert data["good"] is report.is_good
    assert [step["what"] for step in data["steps"]] == [step.what for step in report.steps]
    assert data["version"] == 1


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.6, "1 min 00 s"), (185, "3 min 05 s")],
)
def test_times_are_as_people_read_them(seconds, told):
    assert show_seconds(seconds) == told
