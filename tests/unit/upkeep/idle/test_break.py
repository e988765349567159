"""Breaks: what a person writes, and the file."""

from __future__ import annotations

import contextlib
import math
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab.errors import ConfigError, HostError
from vmlab.upkeep.idle.break_file import break_path, declare_break, parse_until, read_break

NOON = datetime(2026, 11, 27, 12, 0).astimezone()


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("13:30", 1.5),
        ("12:00", 24),
        ("11:00", 23),
        ("2026-11-27 18:00", 6),
        ("2026-11-28T12:00", 24),
    ],
)
def test_times_as_people_write_them(text, hours):
    assert parse_until(text, NOON) == NOON.timestamp() + hours * 3600


@pytest.mark.parametrize(
    "text", ["", "soon", "25:00", "12:60", "1:2:3", "2026-11-27 11:00", ":", "0001-01-01T00:00"]
)
def test_other_texts_are_refused_with_an_example(text):
    with pytest.raises(ConfigError, match=r"time|past") as caught:
        parse_until(text, NOON)
    assert "14:30" in caught.value.hint


@given(text=st.text(max_size=30))
def test_any_text_gives_a_time_ahead_or_an_error_of_ours(text):
    with contextlib.suppress(ConfigError):
        assert parse_until(text, NOON) > NOON.timestamp()


def test_a_break_is_kept_and_ends(tmp_path):
    assert read_break(tmp_path).over_for_s(0) == math.inf
    declare_break(tmp_path, 5000, now=1000)
    found = read_break(tmp_path)
    assert found.is_on(4999)
    assert not found.is_on(5000)
    assert found.over_for_s(5100) == 100
    declare_break(tmp_path, 2000, now=2000)
    assert not read_break(tmp_path).is_on(2000)


@pytest.mark.parametrize("until", [math.inf, math.nan, 1000 + 32 * 86400])
def test_a_break_without_an_end_is_refused(tmp_path, until):
    with pytest.raises(ConfigError, match="31 days"):
        declare_break(tmp_path, until, now=1000)
    assert not break_path(tmp_path).exists()


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"until": "x"}', '{"until": NaN}'])
def test_a_damaged_file_is_an_error_that_names_it(tmp_path, text):
    break_path(tmp_path).write_text(text)
    with pytest.raises(HostError, match=r"idle\.json"):
        read_break(tmp_path)
