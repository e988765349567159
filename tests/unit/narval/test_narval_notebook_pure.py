"""What the widgets say and when they alarm, without a widget."""

from __future__ import annotations

import string
import time
import xml.etree.ElementTree as ET
from itertools import pairwise

import pytest

from narval.control.log_record import LogRecord
from narval.errors import NarvalError
from narval.notebook.alarms import Alarm, AlarmKind, AlarmWatch
from narval.notebook.fit import FitProblem
from narval.notebook.html import make_actors_table, make_alarms, make_log, make_sentence
from narval.notebook.live import Live
from narval.notebook.words import PHRASES, Language, find_language, phrase
from narval.topology.model import LogLevel

BUFFER = {"name": "data", "reader": "b", "size_bytes": 1000}


def running(filled=0, rate=1e6):
    buffers = [{**BUFFER, "filled_bytes": filled}]
    return {"state": "Running", "bytes_per_s_out": rate, "buffers": buffers}


@pytest.mark.parametrize("name", PHRASES)
def test_both_languages_tell_the_same_facts(name):
    en, fr = (
        {field for _, field, _, _ in string.Formatter().parse(text) if field}
        for text in PHRASES[name]
    )
    assert en == fr


@pytest.mark.parametrize("name", [*AlarmKind, *FitProblem])
def test_each_alarm_and_each_reason_has_a_sentence(name):
    assert name in PHRASES


@pytest.mark.parametrize(
    ("environment", "language"),
    [
        ({"LANG": "fr_FR.UTF-8"}, Language.FR),
        ({"VMLAB_LANGUAGE": "en", "LANG": "fr_FR.UTF-8"}, Language.EN),
        ({"LANG": "C.UTF-8"}, Language.EN),
        ({}, Language.EN),
    ],
)
def test_the_language_is_the_trainees(environment, language, tmp_path):
    assert find_language({**environment, "VMLAB_ROOT": str(tmp_path)}) is language


def test_a_full_buffer_alarms_once_it_has_lasted():
    watch = AlarmWatch(patience_s=5)
    full = {"a": running(filled=980)}
    assert watch.look(None, full, 0) == ()
    assert watch.look(None, full, 4.9) == ()
    assert watch.look(None, full, 6) == (Alarm(AlarmKind.BUFFER_FULL, "a", "data → b", 6),)
    assert watch.look(None, {"a": running(filled=10)}, 7) == ()
    assert watch.look(None, full, 8) == ()  # it begins again


def test_an_actor_without_data_alarms_only_while_it_runs():
    watch = AlarmWatch(patience_s=5)
    silent = {"a": running(rate=0)}
    watch.look(None, silent, 0)
    assert watch.look(None, silent, 5) == (Alarm(AlarmKind.NO_DATA, "a", "", 5),)
    assert watch.look(None, {"a": {**silent["a"], "state": "Stopped"}}, 6) == ()


def test_a_death_alarms_at_once_and_is_not_told_twice():
    dead = {"a": {"state": "Error", "error": "killed by SIGSEGV in process_block"}}
    seen = AlarmWatch().look("a: killed by SIGSEGV in process_block", dead, 0)
    assert seen == (Alarm(AlarmKind.DIED, "a", "killed by SIGSEGV in process_block"),)
    seen = AlarmWatch().look("the topology is gone", {}, 0)
    assert seen == (Alarm(AlarmKind.SUB_SYSTEM, "", "the topology is gone"),)


def test_all_html_is_well_formed_and_holds_text_as_text():
    evil = "<script>&\"'"
    alarms = [Alarm(kind, evil, evil, 7) for kind in AlarmKind]
    log = [LogRecord("2026-01-02T03:04:05+00:00", LogLevel.WARN, evil, evil, evil, evil)]
    for language in Language:
        for text in (
            make_sentence(evil),
            make_actors_table(evil, {evil: running(filled=500)}, language),
            make_alarms(alarms, language),
            make_log(log, language),
        ):
            root = ET.fromstring(text)
            assert not list(root.iter("script"))
            assert evil in "".join(root.itertext())


def test_the_table_has_rates_and_the_fullest_buffer():
    root = ET.fromstring(make_actors_table("tandem", {"a": running(filled=500)}, Language.EN))
    cells = [cell.text for cell in root.find("tbody/tr")]
    assert cells == ["a", "▶ Running", "0 B/s", "1 MB/s", "0 / 0", "50%"]
    assert [head.get("scope") for head in root.iter("th")] == ["col"] * 6 + ["row"]


def test_alarms_are_said_at_once_and_in_the_language():
    root = ET.fromstring(make_alarms([Alarm(AlarmKind.NO_DATA, "a", "", 9)], Language.FR))
    assert root.get("role") == "alert"
    assert "a\u202f: pas de données depuis 9 s" in "".join(root.itertext())
    assert ET.fromstring(make_alarms([], Language.FR)).text == phrase("no_alarms", Language.FR)


def wait_until(condition, deadline_s=60.0):
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.005)


def test_live_leaves_most_of_the_time_to_what_it_looks_at():
    looks = []

    def update():
        began = time.monotonic()
        while time.monotonic() < began + 0.05:
            pass
        looks.append((began, time.monotonic()))

    live = Live(update, pytest.fail, period_s=0.001)
    live.start()
    wait_until(lambda: len(looks) > 3)
    live.stop()
    for (began, ended), (again, _) in pairwise(looks):
        assert again - ended >= 3.9 * (ended - began)


def test_live_goes_on_after_an_error_and_stops():
    calls, told = [], []

    def update():
        calls.append(1)
        if len(calls) == 2:
            raise NarvalError("the coordinator\nis gone")

    live = Live(update, told.append, period_s=0.001)
    live.start()
    live.start()
    wait_until(lambda: len(calls) > 3)
    live.stop()
    live.stop()
    count = len(calls)
    assert not live.is_running
    assert told == ["the coordinator is gone"]
    live.start()
    wait_until(lambda: len(calls) > count)
    live.stop()
