"""The state machine: the sources' order, and refusals that say what is allowed."""

from __future__ import annotations

import itertools

import pytest

from narval.states import (
    Action,
    ActionRefusedError,
    Choices,
    State,
    allowed_actions,
    make_transitions,
    next_state,
)

TABLE = make_transitions()


def test_the_way_up_and_down():
    way = "launch configure load initialise start pause resume stop"
    way += " reset_com unload unconfigure finish"
    state = State.FINISHED
    seen = []
    for word in way.split():
        state = next_state(state, Action(word), TABLE)
        seen.append(state)
    assert seen == [
        State.INITIAL, State.CONFIGURED, State.LOADED, State.STOPPED, State.RUNNING, State.PAUSED,
        State.RUNNING, State.STOPPED, State.LOADED, State.CONFIGURED, State.INITIAL, State.FINISHED,
    ]  # fmt: skip


@pytest.mark.parametrize(("state", "action"), list(itertools.product(State, Action)))
def test_a_refusal_says_what_is_allowed(state, action):
    allowed = allowed_actions(state, TABLE)
    assert allowed, "every state has a way out"
    if action in allowed:
        assert next_state(state, action, TABLE) in State
        return
    with pytest.raises(ActionRefusedError) as caught:
        next_state(state, action, TABLE)
    assert all(name in str(caught.value) for name in (state, action, *allowed))


def test_what_the_sources_leave_open_can_be_chosen():
    table = make_transitions(Choices(reset=State.CONFIGURED))
    assert next_state(State.ERROR, Action.RESET_COM, table) is State.CONFIGURED
