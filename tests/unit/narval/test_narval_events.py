"""What our frames carry: byte by byte, round trips, and what is something else."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narval.actors.energy_frames import pack_energies, unpack_energies
from narval.events import (
    FrameType,
    Hit,
    Pulse,
    iterate_events,
    pack_hits,
    pack_merged,
    pack_pulse,
    parse_hits,
    parse_members,
    parse_pulse,
)
from narval.mfm import Event, FrameError, pack_event, parse_event, whole_frames_bytes

hits = st.builds(Hit, st.integers(0, 65535), st.floats(0, 1e4, width=32))


def energies(timestamp, *kev, detector=0):
    payload = pack_hits([Hit(0, each) for each in kev])
    return Event(FrameType.ENERGIES, timestamp, 0, payload, detector)


def test_an_energy_byte_by_byte():
    assert pack_hits([Hit(3, 1332.5)]).hex(" ") == "03 00 00 00 00 90 a6 44"


@given(st.lists(hits, max_size=5))
def test_hits_come_back(wanted):
    assert list(parse_hits(Event(FrameType.ENERGIES, 0, 0, pack_hits(wanted)))) == wanted


@given(st.integers(0, 65535), st.lists(st.integers(0, 65535), max_size=20))
def test_pulses_come_back(channel, samples):
    pulse = parse_pulse(Event(FrameType.PULSE, 0, 0, pack_pulse(Pulse(channel, 10, samples))))
    assert (pulse.channel, pulse.period_ns, list(pulse.samples)) == (channel, 10, samples)


@pytest.mark.parametrize("parse", [parse_hits, parse_pulse, parse_members])
def test_another_frame_is_told(parse):
    with pytest.raises(FrameError, match="0x0007 COBOT with 5 bytes"):
        parse(Event(7, 0, 0, b"12345"))


@given(st.lists(st.tuples(st.integers(0, 2**48 - 1), st.floats(0, 1e4, width=32)), max_size=20))
def test_arrays_write_the_same_frames_as_one_by_one(events):
    ticks = np.array([tick for tick, _ in events], np.int64)
    kev = np.array([energy for _, energy in events])
    packed = pack_energies(ticks, kev, detector=5, first_number=9)
    assert packed == b"".join(
        pack_event(Event(FrameType.ENERGIES, tick, 9 + n, pack_hits([Hit(0, energy)]), 5))
        for n, (tick, energy) in enumerate(events)
    )
    found, pairs = unpack_energies(packed)
    assert found.timestamps.tolist() == ticks.tolist()
    assert found.energies_kev.tolist() == kev.tolist()
    assert set(found.detectors.tolist()) <= {5}
    assert pairs == []


def test_mixed_blocks_are_read_too():
    members = b"".join(
        pack_event(energies(7, kev, detector=d)) for d, kev in ((2, 20.0), (1, 10.0))
    )
    data = b"".join(
        pack_event(event)
        for event in (
            energies(5, 1.0, 2.0, detector=3),
            Event(FrameType.PULSE, 6, 0, b"0000"),
            Event(FrameType.BUILT, 7, 0, members),
        )
    )
    found, pairs = unpack_energies(data)
    assert found.detectors.tolist() == [3, 3, 2, 1]
    assert found.energies_kev.tolist() == [1.0, 2.0, 20.0, 10.0]
    assert pairs == [(10.0, 20.0)]  # by detector, not by arrival
    assert [event.timestamp for event in iterate_events(data)] == [5, 6, 7]


def test_a_cut_block_is_told():
    data = pack_event(energies(5, 1.0))
    with pytest.raises(FrameError, match="byte 32: a header has 8 bytes"):
        unpack_energies(data + data[:6])


@given(st.lists(st.binary(max_size=9), max_size=4), st.integers(0, 60))
def test_whole_frames_are_counted_wherever_the_data_end(payloads, cut):
    frames = [pack_event(Event(0x4EFF, 0, 0, payload)) for payload in payloads]
    data = b"".join(frames)
    left = data[: max(len(data) - cut, 0)]
    ends = [sum(map(len, frames[:count])) for count in range(len(frames) + 1)]
    assert whole_frames_bytes(left) == max(end for end in ends if end <= len(left))


def test_a_payload_longer_than_its_frame_is_damage_and_not_an_end():
    data = bytearray(pack_event(Event(0x4EFF, 0, 0, b"abcd")) * 2)
    data[28 + 20] = 99
    with pytest.raises(FrameError, match="byte 28: a payload of 99 bytes"):
        whole_frames_bytes(bytes(data))


@given(st.lists(st.binary(max_size=9), max_size=4), st.integers(0, 2**40), st.integers(0, 2**33))
def test_a_merge_frame_has_its_frames_its_time_and_its_span(payloads, first, span):
    members = [Event(0x4EFF, first + n, n, payload) for n, payload in enumerate(payloads)]
    data = pack_merged([pack_event(member) for member in members], first, span)
    assert data[4:8] == b"\0\x02\xff\1"
    # headerSize in blocks of two bytes, itemSize, nItems; the time; the span
    assert struct.unpack_from("<HHI", data, 8) == (13, 0, len(members))
    assert int.from_bytes(data[16:22], "little") == first
    assert int.from_bytes(data[22:26], "little") == min(span, 2**32 - 1)
    event = parse_event(data)
    assert (event.timestamp, event.event_number) == (first, None)
    assert list(parse_members(event)) == members


def test_members_of_odd_sizes_leave_a_byte_that_is_none(tmp_path):
    odd = bytes.fromhex("c0 09 00 00 00 34 12 01 ff")  # a type of somebody's, nine bytes
    event = parse_event(pack_merged([odd], 5, 0))
    assert [(each.frame_type, each.payload) for each in parse_members(event)] == [(0x1234, b"\xff")]


def test_events_that_others_have_merged_by_number_are_read():
    member = pack_event(Event(0x4ADF, 7, 8, b"abc"))
    blocks = (20 + len(member)) // 2
    data = (  # big-endian; the member is not
        b"\x01" + blocks.to_bytes(3, "big") + struct.pack(">BHB", 0, 0xFF01, 1)
        + struct.pack(">HHI", 10, 0, 1) + struct.pack(">I", 4711) + member
    )  # fmt: skip
    event = parse_event(data)
    assert (event.timestamp, event.event_number, event.items) == (None, 4711, 1)
    assert parse_members(event) == (Event(0x4ADF, 7, 8, b"abc"),)


def test_a_merge_frame_that_has_fewer_frames_than_it_says_is_told():
    data = bytearray(pack_merged([pack_event(Event(0x4EFF, 1, 1, b""))], 1, 0))
    data[12] = 2
    with pytest.raises(FrameError, match="a header has 8 bytes, 0 are left"):
        parse_members(parse_event(bytes(data)))


@pytest.mark.parametrize(("first", "span"), [(-1, 0), (2**48, 0), (5, -1)])
def test_times_that_cannot_be_merged_are_refused(first, span):
    with pytest.raises(FrameError, match="48 bits"):
        pack_merged([], first, span)
