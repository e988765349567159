"""How slow a reader may be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab.web.api.sending import Pace

PACE = Pace(stall_s=60, least_bytes_s=1000)


@pytest.mark.parametrize(
    ("elapsed_s", "sent", "limit_s"),
    [
        (0, 0, 60),
        (59, 0, 1),  # a piece that never begins
        (100, 100_000, 60),  # as slow as may be
        (100, 50_000, 10),  # slower: what is left of the minute
        (200, 100_000, -40),
        (10, 10**9, 60),  # a quick one may not stand still for longer
    ],
)
def test_a_reader_has_a_minute_and_a_least_rate(elapsed_s, sent, limit_s):
    assert PACE.piece_limit_s(elapsed_s, sent) == limit_s


@given(st.integers(0, 2**50))
def test_no_download_takes_longer_than_its_size_allows(sent):
    assert PACE.piece_limit_s(60 + sent / 1000 + 1, sent) < 0
