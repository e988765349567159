"""Who is warned and stopped because nobody works in the machine, whatever the facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab.upkeep.idle import Desk, IdleAction, IdleFacts, IdleRules, decide_idle
from vmlab.upkeep.idle.decide import of_groups
from vmlab_protocol.messages import Activity

RULES = IdleRules(stop_after_s=3600, warn_s=600)
ADA = Desk("ada", "", "desk-ada", since=0.0)
DESKS = (ADA, Desk("bob", "", "desk-bob", since=5.0))


def facts(idle_s: float | None, **more) -> IdleFacts:
    activity = {} if idle_s is None else {ADA.machine: Activity(idle_s)}
    return IdleFacts((ADA,), activity, **more)


def steps(found) -> list[IdleAction]:
    return [step.action for step in found.steps]


looks = st.lists(
    st.tuples(
        st.floats(0, 400),  # seconds since the last look
        st.lists(st.sampled_from(DESKS), unique=True),
        st.dictionaries(
            st.sampled_from([desk.machine for desk in DESKS]),
            st.floats(0, 8000).map(Activity),
        ),
        st.booleans(),  # break
        st.sampled_from([0.0, 100.0, float("inf")]),  # since the last break
    ),
    max_size=40,
)


@given(looks=looks)
def test_nobody_is_stopped_without_a_warning_in_time_or_while_at_work(looks):
    now, told = 0.0, {}
    warned: Mapping[tuple[str, float], float] = {}
    for step_s, desks, activity, is_break, since_break_s in looks:
        now += step_s
        known = IdleFacts(tuple(desks), activity, is_break, since_break_s)
        decision = decide_idle(known, RULES, warned, now)
        for step in decision.steps:
            run = (step.desk.machine, step.desk.since)
            if step.action is IdleAction.WARN:
                assert step.in_s >= RULES.warn_s
                told[run] = now
            elif step.action is IdleAction.WITHDRAW:
                del told[run]
            else:
                assert now - told[run] >= RULES.warn_s - 1e-6
                assert min(activity[step.desk.machine].idle_s, since_break_s) >= RULES.stop_after_s
                del told[run]
            if step.action is not IdleAction.WITHDRAW:
                assert not is_break
                assert step.desk.machine in activity
        present = {(desk.machine, desk.since) for desk in desks}
        told = {run: at for run, at in told.items() if run in present}
        warned = decision.warned
        assert set(warned) == set(told)


def test_the_warning_comes_ten_minutes_ahead_and_then_the_end():
    assert steps(decide_idle(facts(2999), RULES, {}, 0)) == []
    first = decide_idle(facts(3000), RULES, {}, 0)
    assert steps(first) == [IdleAction.WARN]
    assert first.steps[0].in_s == 600
    assert steps(decide_idle(facts(3599), RULES, first.warned, 599)) == []
    assert steps(decide_idle(facts(3600), RULES, first.warned, 600)) == [IdleAction.STOP]


def test_work_after_the_warning_takes_it_back_and_the_time_begins_anew():
    first = decide_idle(facts(3000), RULES, {}, 0)
    second = decide_idle(facts(10), RULES, first.warned, 60)
    assert steps(second) == [IdleAction.WITHDRAW]
    assert second.warned == {}
    assert steps(decide_idle(facts(3600), RULES, second.warned, 600)) == [IdleAction.WARN]


def test_whoever_was_forgotten_for_long_is_warned_all_the_same():
    first = decide_idle(facts(9999), RULES, {}, 0)
    assert steps(first) == [IdleAction.WARN]
    assert first.steps[0].in_s == 600
    assert steps(decide_idle(facts(10500), RULES, first.warned, 500)) == []


def test_a_machine_that_does_not_answer_is_never_stopped():
    first = decide_idle(facts(3000), RULES, {}, 0)
    second = decide_idle(facts(None), RULES, first.warned, 9999)
    assert steps(second) == []
    assert second.warned == first.warned


def test_a_machine_that_was_started_anew_is_another_one():
    first = decide_idle(facts(3000), RULES, {}, 0)
    again = replace(facts(3600), desks=(replace(ADA, since=700.0),))
    assert steps(decide_idle(again, RULES, first.warned, 700)) == [IdleAction.WARN]


def test_a_break_takes_warnings_back_and_counts_as_work():
    first = decide_idle(facts(3000), RULES, {}, 0)
    second = decide_idle(facts(3600, is_break=True), RULES, first.warned, 600)
    assert steps(second) == [IdleAction.WITHDRAW]
    assert steps(decide_idle(facts(9999, is_break=True), RULES, {}, 601)) == []
    assert steps(decide_idle(facts(9999, since_break_s=100), RULES, {}, 700)) == []


@pytest.mark.parametrize("idle_s", [0, 1e9])
def test_without_a_limit_nothing_is_stopped(idle_s):
    assert steps(decide_idle(facts(idle_s), IdleRules(0, 0), {}, 0)) == []


def test_work_in_a_node_is_work_of_its_trainee():
    desks = (
        Desk("ada", "", "desk-ada", 0.0, ("node1-ada", "node2-ada")),
        Desk("bob", "", "desk-bob", 0.0, ("node1-bob",)),
        Desk("eve", "", "desk-eve", 0.0),
    )
    activity = {
        "desk-ada": Activity(900.0),
        "node1-ada": Activity(30.0, ("a log-in",)),
        "node1-bob": Activity(5.0),
        "desk-eve": Activity(60.0),
    }
    assert of_groups(desks, activity) == {
        "desk-ada": Activity(30.0, ("a log-in",)),
        "desk-eve": Activity(60.0),
    }
