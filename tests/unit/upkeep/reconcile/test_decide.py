"""What the reconciler decides, whatever the facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab.model import Leftover, LeftoverKind, MachineState, MachineStatus
from vmlab.upkeep.reconcile import (
    Action,
    ActionKind,
    Facts,
    HeldVolume,
    Seat,
    ServerToken,
    decide,
)

GRACE_S = 600.0
ON = {MachineState.RUNNING, MachineState.STARTING}
AT_ONCE = {ActionKind.ADOPT, ActionKind.FORGET, ActionKind.START}
USERS = ("ada", "bob", "eve")
DESKS = tuple(f"desk-{user}" for user in USERS)
SERVER = "server-event"
NAMES = (*DESKS, *(f"node-{user}" for user in USERS), SERVER)

statuses = st.builds(MachineStatus, st.just(""), st.sampled_from(MachineState))
machine_maps = st.dictionaries(st.sampled_from((*NAMES, "desk-gone")), statuses).map(
    lambda found: {name: replace(status, name=name) for name, status in found.items()}
)
seat_lists = st.tuples(
    *(
        st.builds(
            Seat,
            st.just(user),
            st.just(""),
            st.just(name),
            st.booleans(),
            st.booleans(),
            st.sampled_from([(), (f"node-{user}",)]),
        )
        for user, name in zip(USERS, DESKS, strict=True)
    )
).flatmap(lambda seats: st.lists(st.sampled_from(seats), unique=True).map(tuple))
token_lists = st.lists(
    st.builds(
        ServerToken,
        st.integers(1, 9),
        st.just("then"),
        st.sampled_from((*USERS, "gone")),
        st.just(""),
    ),
    unique_by=lambda token: token.number,
).map(tuple)
leftover_lists = st.lists(
    st.builds(
        Leftover,
        st.sampled_from(LeftoverKind),
        st.sampled_from((*NAMES, "desk-gone")),
        st.sampled_from(["1", "2"]),
        st.just("because"),
    ),
    unique_by=lambda item: (item.kind, item.what),
).map(tuple)
held_lists = st.lists(
    st.builds(HeldVolume, st.sampled_from(["home-1", "home-2"]), st.sampled_from(NAMES)),
    unique_by=lambda item: item.name,
).map(tuple)
fact_sets = st.builds(
    Facts,
    machine_maps,
    seat_lists,
    token_lists,
    leftover_lists,
    held_lists,
    st.booleans(),
    st.sampled_from(["", SERVER]),
)


def active(facts: Facts) -> set[str]:
    found = {name for seat in facts.seats if seat.active for name in seat.machines}
    return found | {facts.shared} if found else found


def switch_on(machines: dict[str, MachineStatus], name: str) -> None:
    if name and (name not in machines or machines[name].state not in ON):
        machines[name] = MachineStatus(name, MachineState.RUNNING)


def after(facts: Facts, actions: tuple[Action, ...]) -> Facts:
    """The facts once these actions were carried out."""
    machines, seats = dict(facts.machines), list(facts.seats)
    gone: list[object] = []
    for action in actions:
        if action.kind is ActionKind.STOP:
            machines[action.subject] = replace(machines[action.subject], state=MachineState.STOPPED)
        if action.kind is ActionKind.START:
            switch_on(machines, action.subject)
        for number, seat in enumerate(seats):
            if seat.machine != action.subject:
                continue
            if action.kind is ActionKind.ADOPT:
                seats[number] = replace(seat, ready=True)
                switch_on(machines, seat.machine)
                switch_on(machines, facts.shared)
            elif action.kind is ActionKind.FORGET:
                seats[number] = replace(seat, ready=False)
        gone += [action.token, action.leftover, action.volume]
    return Facts(
        machines,
        tuple(seats),
        tuple(token for token in facts.tokens if token not in gone),
        tuple(item for item in facts.leftovers if item not in gone),
        tuple(item for item in facts.held if item not in gone),
        shared=facts.shared,
    )


@given(facts=fact_sets)
def test_nothing_is_taken_away_at_the_first_sight(facts):
    decision = decide(facts, {}, 1000.0, GRACE_S)
    assert {action.kind for action in decision.actions} <= AT_ONCE
    assert {action.key for action in decision.noticed} == {
        key for key in decision.seen if ActionKind(key.partition(":")[0]) not in AT_ONCE
    }


@given(facts=fact_sets, times=st.lists(st.floats(0, 200), min_size=1, max_size=8))
def test_nothing_younger_than_the_grace_time_is_taken_away(facts, times):
    now = 0.0
    seen: Mapping[str, float] = {}
    for step in times:
        decision = decide(facts, seen, now, GRACE_S)
        for action in decision.actions:
            assert action.kind in AT_ONCE or now >= GRACE_S
        seen, now = decision.seen, now + step


@given(facts=fact_sets, others=fact_sets)
def test_trouble_that_went_away_begins_its_grace_time_anew(facts, others):
    first = decide(facts, {}, 0.0, GRACE_S)
    between = decide(others, first.seen, 300.0, GRACE_S)
    last = decide(facts, between.seen, GRACE_S, GRACE_S)
    for action in last.actions:
        assert action.kind in AT_ONCE or action.key in between.seen


@given(facts=fact_sets)
def test_nothing_that_has_a_server_is_touched(facts):
    seen = decide(facts, {}, 0.0, GRACE_S).seen
    for action in decide(facts, seen, GRACE_S, GRACE_S).actions:
        if action.kind in {ActionKind.STOP, ActionKind.ADOPT}:
            assert action.subject not in active(facts)
        if action.leftover:
            assert action.leftover.machine not in active(facts)
            assert facts.machines.get(action.leftover.machine, OFF).state not in ON
        if action.volume:
            assert action.volume.holder not in active(facts)
            assert facts.machines.get(action.volume.holder, OFF).state not in ON
        if action.token:
            mine = [t.number for t in facts.tokens if t.user == action.token.user]
            served = {seat.user for seat in facts.seats if seat.active}
            assert action.token.user not in served or action.token.number < max(mine)


OFF = MachineStatus("", MachineState.ABSENT)


@given(facts=fact_sets)
def test_a_second_look_after_the_actions_decides_nothing(facts):
    decision = decide(facts, decide(facts, {}, 0.0, GRACE_S).seen, GRACE_S, GRACE_S)
    then = after(facts, decision.actions)
    again = decide(then, decision.seen, GRACE_S + 60, GRACE_S)
    assert again.actions == ()
    # What was adopted or forgotten may have left new trouble behind, to be settled in its time.
    settled = decide(then, again.seen, 3 * GRACE_S, GRACE_S)
    assert decide(after(then, settled.actions), settled.seen, 5 * GRACE_S, GRACE_S).actions == ()


@given(facts=fact_sets)
def test_every_action_says_why(facts):
    seen = decide(facts, {}, 0.0, GRACE_S).seen
    for action in decide(facts, seen, GRACE_S, GRACE_S).actions:
        assert action.subject
        assert action.why


def machine(state: MachineState, name: str = "desk-ada") -> dict[str, MachineStatus]:
    return {name: MachineStatus(name, state)}


@pytest.mark.parametrize("state", [MachineState.RUNNING, MachineState.STARTING])
def test_a_machine_whose_server_the_hub_lost_is_adopted_at_the_first_look_only(state):
    facts = Facts(machine(state), (Seat("ada", "", "desk-ada"),), first=True)
    (action,) = decide(facts, {}, 0.0, GRACE_S).actions
    assert (action.kind, action.user) == (ActionKind.ADOPT, "ada")
    assert decide(replace(facts, first=False), {}, 0.0, GRACE_S).actions == ()


@pytest.mark.parametrize("state", [MachineState.RUNNING, MachineState.STARTING])
def test_a_machine_of_nobody_is_stopped_after_the_grace_time(state):
    facts = Facts(machine(state), (), first=True)
    seen = decide(facts, {}, 0.0, GRACE_S).seen
    assert decide(facts, seen, GRACE_S - 1, GRACE_S).actions == ()
    (action,) = decide(facts, seen, GRACE_S, GRACE_S).actions
    assert (action.kind, action.subject) == (ActionKind.STOP, "desk-ada")
    assert "no user" in action.why


@pytest.mark.parametrize("machines", [{}, machine(MachineState.STOPPED)])
def test_a_server_without_a_machine_is_forgotten(machines):
    facts = Facts(machines, (Seat("ada", "", "desk-ada", ready=True),))
    (action,) = decide(facts, {}, 0.0, GRACE_S).actions
    assert action.kind is ActionKind.FORGET


def test_a_group_that_the_hub_lost_is_adopted_as_one() -> None:
    seat = Seat("ada", "", "desk-ada", nodes=("node1-ada", "node2-ada"))
    nodes = machine(MachineState.RUNNING, "node1-ada") | machine(MachineState.RUNNING, "node2-ada")
    (action,) = decide(Facts(nodes, (seat,), first=True), {}, 0.0, GRACE_S).actions
    assert (action.kind, action.subject) == (ActionKind.ADOPT, "desk-ada")
    assert "beside node1-ada" in action.why
    facts = Facts(nodes, (seat,))
    seen = decide(facts, {}, 0.0, GRACE_S).seen
    stopped = [action.subject for action in decide(facts, seen, GRACE_S, GRACE_S).actions]
    assert stopped == ["node1-ada", "node2-ada"], "later their stop has failed"


def test_a_node_that_the_lab_has_no_more_is_stopped_beside_a_desk_at_work() -> None:
    machines = machine(MachineState.RUNNING) | machine(MachineState.RUNNING, "old-ada")
    facts = Facts(machines, (Seat("ada", "", "desk-ada", ready=True),))
    seen = decide(facts, {}, 0.0, GRACE_S).seen
    (action,) = decide(facts, seen, GRACE_S, GRACE_S).actions
    assert (action.kind, action.subject) == (ActionKind.STOP, "old-ada")


def test_the_shared_machine_runs_as_long_as_somebody_has_one() -> None:
    server = machine(MachineState.RUNNING, SERVER)
    at_work = Seat("ada", "", "desk-ada", ready=True)
    facts = Facts(machine(MachineState.RUNNING) | server, (at_work,), shared=SERVER)
    seen = decide(facts, {}, 0.0, GRACE_S).seen
    assert decide(facts, seen, 2 * GRACE_S, GRACE_S).actions == ()
    alone = Facts(server, (Seat("ada", "", "desk-ada"),), shared=SERVER, first=True)
    seen = decide(alone, {}, 0.0, GRACE_S).seen
    (action,) = decide(alone, seen, GRACE_S, GRACE_S).actions
    assert (action.kind, action.subject) == (ActionKind.STOP, SERVER)
    assert "nobody has a machine" in action.why


@pytest.mark.parametrize("state", [MachineState.STOPPED, MachineState.ABSENT])
def test_a_shared_machine_that_ended_is_started_again_for_those_at_work(state) -> None:
    machines = machine(MachineState.RUNNING) | machine(state, SERVER)
    seat = Seat("ada", "", "desk-ada", ready=True)
    (action,) = decide(Facts(machines, (seat,), shared=SERVER), {}, 0.0, GRACE_S).actions
    assert (action.kind, action.subject) == (ActionKind.START, SERVER)
    pending = replace(seat, pending=True)
    assert decide(Facts(machines, (pending,), shared=SERVER), {}, 0.0, GRACE_S).actions == ()


def test_only_the_newest_token_of_a_running_server_stays():
    tokens = tuple(ServerToken(number, "then", "ada", "") for number in (3, 7, 5))
    seat = Seat("ada", "", "desk-ada", ready=True)
    facts = Facts(machine(MachineState.RUNNING), (seat,), tokens)
    seen = decide(facts, {}, 0.0, GRACE_S).seen
    revoked = {a.token.number for a in decide(facts, seen, GRACE_S, GRACE_S).actions}
    assert revoked == {3, 5}
