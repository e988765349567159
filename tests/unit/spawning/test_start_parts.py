"""One bar for a start of several machines."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab.spawning.log import StartLog
from vmlab.spawning.parts import (
    Part,
    describe_parts,
    estimate_parts,
    least_advanced,
    make_group_event,
)
from vmlab.spawning.progress import estimate, phase_text
from vmlab_protocol.notices import Notice
from vmlab_protocol.phases import PHASES, Phase

MEDIANS: Mapping[str, float] = {Phase.BOOT: 30.0, Phase.MOUNTS: 2.0, Phase.SERVER: 8.0}
phases = st.sampled_from([phase for phase in PHASES if phase is not Phase.READY])


@given(phases, st.floats(0, 100), st.booleans())
def test_one_machine_is_told_as_before(phase, in_phase_s, is_known) -> None:
    medians = MEDIANS if is_known else {}
    if phase is Phase.QUEUE:
        in_phase_s = 0.0  # the time spent there is no part of a start
    alone = estimate(phase, medians, in_phase_s)
    told = estimate_parts([Part("desk", (), phase, medians, in_phase_s)], 2)
    assert (told.percent, told.left_s) == (alone.percent, alone.left_s)
    if phase is not Phase.QUEUE:
        assert (told.phase_end, told.phase_left_s) == (alone.phase_end, alone.phase_left_s)


def test_the_time_left_is_that_of_the_longest_chain_or_of_all_in_few_slots() -> None:
    node = Part("node", (), Phase.BOOT, MEDIANS, 10.0)
    desk = Part("desk", ("node",), None, MEDIANS)
    assert estimate_parts([desk, node], 2).left_s == 30 + 40
    side = replace(desk, after=())
    assert estimate_parts([side, node], 2).left_s == 40
    assert estimate_parts([side, node], 1).left_s == 70
    late = replace(node, in_phase_s=31)
    assert estimate_parts([desk, late], 2).left_s is None, "nobody knows"


def test_ready_machines_count_as_done_and_waiting_ones_as_not_begun() -> None:
    ready = Part("node", (), Phase.READY, MEDIANS)
    waiting = Part("desk", ("node",), None, MEDIANS)
    told = estimate_parts([waiting, ready], 2)
    assert (told.percent, told.phase_end, told.phase_left_s) == (47, 47, 0.0)
    assert told.left_s == 40
    assert [part["state"] for part in describe_parts([waiting, ready])] == ["waiting", "ready"]
    assert [part["progress"] for part in describe_parts([waiting, ready])] == [0, 100]


def test_without_history_of_one_all_count_alike_and_no_time_is_promised() -> None:
    parts = [Part("desk", (), Phase.READY, MEDIANS), Part("node", (), Phase.IMAGE)]
    told = estimate_parts(parts, 2)
    assert (told.percent, told.left_s) == (int(95 * (12 + 1) / 24), None)


@given(st.lists(st.tuples(phases, st.booleans(), st.floats(0, 1e4)), min_size=1, max_size=5))
def test_a_bar_never_promises_more_than_a_phase(found) -> None:
    parts = [
        Part(str(number), (), phase, MEDIANS if known else {}, spent)
        for number, (phase, known, spent) in enumerate(found)
    ]
    told = estimate_parts(parts, 2)
    assert 0 <= told.percent <= told.phase_end <= 95
    assert told.left_s is None or told.left_s >= 0


def test_an_event_says_which_machine_it_is_about() -> None:
    parts = [Part("desk", ("node1",), None), Part("node1", (), Phase.POWER)]
    event = make_group_event("node1", parts, slots=2, elapsed_s=1.04, language="fr")
    assert event["message"] == "node1\u202f: Mise sous tension"
    assert '<span lang="en">node1: Switching it on</span>' in event["html_message"]
    assert (event["machine"], event["phase"], event["elapsed_s"]) == ("node1", "queue", 1.0)
    assert event["machines"] == [
        {"name": "desk", "state": "waiting", "phase": "", "progress": 0},
        {"name": "node1", "state": "starting", "phase": "power", "progress": 33},
    ]
    told = make_group_event(
        "desk", parts, slots=2, elapsed_s=1, language="en", notice=Notice("new <b>", "neuf")
    )
    assert (told["message"], told["notice"]) == ("desk: new <b>", True)
    assert "<b>" not in told["html_message"]


def test_a_node_is_not_told_to_start_jupyterlab() -> None:
    assert phase_text(Phase.SERVER, "desk").en == "desk: Starting JupyterLab"
    assert phase_text(Phase.SERVER, "node1").en == "node1: Waiting until it is ready"


def test_the_phase_of_all_is_that_of_the_last() -> None:
    parts = [Part("a", (), Phase.READY), Part("b", (), Phase.BOOT), Part("c", (), Phase.MOUNTS)]
    assert least_advanced(parts) is Phase.BOOT


async def collect(log: StartLog) -> list[dict]:
    return [event async for event in log.replay()]


async def test_a_log_of_several_goes_forward_only_and_ends_when_all_are_ready() -> None:
    log = StartLog("en", after={"desk": ("node1",), "node1": ()}, slots=2)
    desk, node = log.tracks["desk"], log.tracks["node1"]
    assert log.desk is desk
    for track, phase in itertools.product((node, desk), (Phase.IMAGE, Phase.BOOT, Phase.READY)):
        await track.enter(phase)
    await log.end()
    events = await collect(log)
    percents = [event["progress"] for event in events]
    assert percents == sorted(percents)
    assert [event["machine"] for event in events[:-1]] == ["node1"] * 3 + ["desk"] * 2
    assert events[2]["message"] == "node1: Ready"
    assert (events[-1]["progress"], events[-1]["message"]) == (99, "Opening your machine")
    assert all(len(event["machines"]) == 2 for event in events)


@pytest.mark.parametrize("is_busy", [False, True])
async def test_a_place_in_the_queue_is_told_while_no_machine_is_at_work(is_busy) -> None:
    log = StartLog("en", after={"desk": (), "node1": ()}, slots=1)
    if is_busy:
        await log.tracks["node1"].enter(Phase.BOOT)
    await log.desk.wait_in_queue(3, None)
    assert log.place == (0 if is_busy else 3)
    await log.end()
    places = [event.get("position") for event in await collect(log)]
    assert places == ([None] if is_busy else [3])
