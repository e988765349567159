"""MFM frames: the worked example byte by byte, round trips, and what is not a frame."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narval.frame_types import OWN_TYPES
from narval.mfm import Event, FrameError, iterate_frames, pack_event, parse_event, parse_header

events = st.builds(
    Event,
    frame_type=st.sampled_from([0x4ADF, *OWN_TYPES]),
    timestamp=st.integers(0, 2**48 - 1),
    event_number=st.integers(0, 2**32 - 1),
    payload=st.binary(max_size=100),
    data_source=st.integers(0, 255),
)


def test_the_worked_example_byte_by_byte():
    data = pack_event(Event(0x4ADF, 0x0102030405, 7, b"abc"))
    assert data.hex(" ") == (
        "c1 0e 00 00 00 df 4a 01 05 04 03 02 01 00 07 00 00 00 00 00 03 00 00 00 61 62 63 00"
    )
    header = parse_header(data)
    assert (header.size_bytes, header.frame_type, header.revision) == (28, 0x4ADF, 1)


@given(st.lists(events, max_size=5))
def test_events_come_back(wanted):
    data = b"".join(map(pack_event, wanted))
    assert [parse_event(data, at) for at, _ in iterate_frames(data)] == wanted


@given(events, st.integers(1, 200))
def test_a_cut_frame_is_told(event, cut):
    data = pack_event(event)[:-cut]
    if data:
        with pytest.raises(FrameError, match="byte 0"):
            list(iterate_frames(data))


@given(st.binary(max_size=60))
def test_any_bytes_are_frames_or_an_error(data):
    try:
        for at, _ in iterate_frames(data):
            parse_event(data, at)
    except FrameError:
        pass


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"timestamp": 2**48}, "48 bits"),
        ({"event_number": -1}, "32 bits"),
        ({"timestamp": None}, "timestamp None"),
        ({"frame_type": 1}, "0x0001 COBO has another layout .* 0x4e00 to 0x4eff"),
        ({"frame_type": 0x1234}, "0x1234 has another layout"),
    ],
)
def test_values_that_do_not_fit_are_refused(changes, message):
    fields = {"frame_type": 0x4E01, "timestamp": 0, "event_number": 0, "payload": b"", **changes}
    with pytest.raises(FrameError, match=message):
        pack_event(Event(**fields))


def test_big_endian_headers_are_read():
    header = parse_header(bytes.fromhex("01 00 00 04 02 00 0a 03"))
    assert not header.is_little_endian
    assert (header.size_bytes, header.data_source, header.frame_type) == (8, 2, 10)
