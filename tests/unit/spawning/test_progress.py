"""What a waiting trainee is told."""

from __future__ import annotations

import asyncio
import html
import itertools
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab.spawning.log import StartLog
from vmlab.spawning.progress import estimate, make_bilingual_html, make_event, make_queue_event
from vmlab_protocol.notices import Notice
from vmlab_protocol.phases import PHASES, Phase

MEDIANS: Mapping[str, float] = {Phase.BOOT: 30.0, Phase.MOUNTS: 2.0, Phase.SERVER: 8.0}
medians = st.dictionaries(st.sampled_from(PHASES), st.floats(0, 1e4))


def test_without_history_no_time_is_promised():
    assert estimate(Phase.BOOT, {}).left_s is None
    assert estimate(Phase.BOOT, {}).phase_left_s is None
    assert estimate(Phase.BOOT, {}).phase_end == estimate(Phase.BOOT, {}).percent
    assert 0 < estimate(Phase.BOOT, {}).percent < 95


def test_time_left_follows_from_earlier_starts():
    assert estimate(Phase.IMAGE, MEDIANS).left_s == 40.0
    assert estimate(Phase.BOOT, MEDIANS, in_phase_s=10).left_s == 30.0
    assert estimate(Phase.BOOT, MEDIANS, in_phase_s=99).left_s is None, "nobody knows"
    assert estimate(Phase.SERVER, MEDIANS).left_s == 8.0


def test_a_phase_says_where_it_ends_and_how_long_it_still_takes():
    whole = estimate(Phase.BOOT, MEDIANS)
    assert (whole.percent, whole.phase_end, whole.phase_left_s) == (0, 71, 30.0)
    half = estimate(Phase.BOOT, MEDIANS, in_phase_s=15)
    assert (half.percent, half.phase_end, half.phase_left_s) == (35, 71, 15.0)
    late = estimate(Phase.BOOT, MEDIANS, in_phase_s=99)
    assert (late.percent, late.phase_end, late.phase_left_s) == (71, 71, 0.0)


@given(medians, st.floats(0, 1e5))
def test_a_bar_that_reached_its_end_never_goes_back(history, in_phase_s):
    for phase, following in itertools.pairwise(PHASES):
        now = estimate(phase, history, in_phase_s)
        assert now.percent <= now.phase_end <= estimate(following, history).percent


@given(medians)
def test_percent_never_goes_back_and_100_is_for_the_hub_to_say(history):
    percents = [estimate(phase, history).percent for phase in PHASES]
    assert percents == sorted(percents)
    assert percents[-1] == 99
    assert all(percent <= 95 for percent in percents[:-1])


@pytest.mark.parametrize("phase", PHASES)
def test_every_phase_has_words_in_both_languages(phase):
    english = make_event(phase, {}, elapsed_s=1, language="en")
    french = make_event(phase, {}, elapsed_s=1, language="fr")
    assert english["message"] != french["message"]
    for event in (english, french):
        assert f'<span lang="en">{html.escape(english["message"])}</span>' in event["html_message"]
        assert f'<span lang="fr">{html.escape(french["message"])}</span>' in event["html_message"]
    assert english["phase"] == phase


def test_who_waits_learns_place_and_time():
    event = make_queue_event(3, 20.0, MEDIANS, elapsed_s=1, language="fr")
    assert (event["phase"], event["position"], event["eta_s"]) == ("queue", 3, 60.0)
    assert (event["progress"], event["progress_end"]) == (0, 0)
    assert "number 3 in the queue; your machine is ready in about 60 s" in event["html_message"]
    assert "Vous êtes numéro 3 dans la file\u202f; votre machine sera prête" in event["message"]


def test_a_long_wait_is_told_in_minutes():
    event = make_queue_event(300, 1000.0, MEDIANS, elapsed_s=1, language="en")
    assert event["message"].endswith("about 18 min")


def test_who_waits_without_history_learns_the_place():
    event = make_queue_event(2, 0.0, {}, elapsed_s=1, language="en")
    assert (event["eta_s"], event["message"]) == (None, "You are number 2 in the queue")


def test_who_waits_behind_starts_of_unknown_length_is_promised_nothing():
    event = make_queue_event(1, None, MEDIANS, elapsed_s=1, language="en")
    assert (event["eta_s"], event["message"]) == (None, "You are number 1 in the queue")


def test_texts_are_escaped():
    assert "<b>" not in make_bilingual_html(Notice("<b>", "<b>"))


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


async def test_the_log_measures_phases_and_replays_to_everyone():
    clock = Clock()
    log = StartLog("en", clock)
    log.desk.medians_s = MEDIANS
    early = asyncio.create_task(collect(log))
    for phase, seconds in ((Phase.IMAGE, 1), (Phase.BOOT, 20), (Phase.SERVER, 5), (Phase.READY, 0)):
        await log.desk.enter(phase)
        clock.now += seconds
    await log.end()
    late = await collect(log)
    assert without_age(await early) == without_age(late)
    assert [event["age_s"] for event in late] == [25, 25, 5, 0]
    assert [event["phase"] for event in late] == ["image", "boot", "server", "ready"]
    assert [event["elapsed_s"] for event in late] == [0, 1, 21, 26]
    assert log.desk.durations_s == {Phase.IMAGE: 1, Phase.BOOT: 20, Phase.SERVER: 5}


async def test_a_notice_within_a_phase_does_not_restart_its_clock():
    clock = Clock()
    log = StartLog("fr", clock)
    await log.desk.enter(Phase.DISK)
    clock.now = 2
    await log.desk.enter(Phase.DISK, Notice("new image", "nouvelle image"))
    clock.now = 3
    await log.desk.enter(Phase.VOLUME)
    await log.end()
    assert log.desk.durations_s == {Phase.DISK: 3}
    told = await collect(log)
    marked = [event for event in told if event.get("notice")]
    assert [event["message"] for event in marked] == ["nouvelle image"]


async def test_of_a_queue_only_the_newest_place_is_kept():
    clock = Clock()
    log = StartLog("en", clock)
    early = asyncio.create_task(collect(log))
    for place in (3, 2, 1):
        await log.desk.wait_in_queue(place, 10.0 * place)
        assert log.place == place
        await asyncio.sleep(0)
        clock.now += 10
    await log.desk.enter(Phase.BOOT)
    assert log.place == 0
    clock.now += 5
    await log.end()
    assert [event.get("position") for event in await collect(log)] == [1, None]
    assert [event.get("position") for event in await early][-2:] == [1, None]
    assert log.desk.durations_s == {}, "waiting for others teaches nothing"


async def test_a_place_is_told_again_when_what_was_said_of_the_time_does_not_hold_any_more():
    clock = Clock()
    log = StartLog("en", clock)
    log.desk.medians_s = MEDIANS
    told = asyncio.create_task(collect(log))
    for second in range(40):
        clock.now = second
        await log.desk.wait_in_queue(1, None if second > 20 else max(0.0, 20.0 - second))
        await asyncio.sleep(0)
    await log.end()
    assert [event["eta_s"] for event in await told] == [60.0, None]


def without_age(events):
    return [{**event, "age_s": None} for event in events]


async def collect(log):
    return [event async for event in log.replay()]
