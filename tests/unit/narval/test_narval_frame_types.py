"""Each of GANIL's frame types gives its own time and number, in both orders of bytes."""

from __future__ import annotations

import re
import struct
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narval.actors.energy_frames import unpack_energies
from narval.actors.event_builder import EventBuilder
from narval.actors.file_reader import FileReader
from narval.errors import NarvalError
from narval.frame_types import KINDS, OWN_TYPES, name_of
from narval.frames import FrameError
from narval.mfm import Event, pack_event, parse_event, whole_frames_bytes
from narval.plugins.plugin import EndOfData, Run

TIME, NUMBER = 0x61671D848C34, 123_456_789

# What the structures of GANIL's library say: the fields in their order, written down by hand.
NUMBER_TIME, TIME_NUMBER = "number time", "time number"
TYPES = {
    0x01: ("items", TIME_NUMBER), 0x02: ("items", TIME_NUMBER), 0x07: ("blob", ""),
    0x08: ("blob", TIME_NUMBER), 0x09: ("blob", TIME_NUMBER), 0x0A: ("blob", TIME_NUMBER),
    0x0B: ("blob", TIME_NUMBER), 0x10: ("blob", NUMBER_TIME), 0x11: ("items", ""),
    0x12: ("items", "place number time"), 0x13: ("blob", NUMBER_TIME),
    0x14: ("blob", NUMBER_TIME), 0x15: ("blob", NUMBER_TIME), 0x16: ("blob", NUMBER_TIME),
    0x17: ("blob", NUMBER_TIME), 0x18: ("blob", NUMBER_TIME), 0x19: ("blob", NUMBER_TIME),
    0x1A: ("blob", NUMBER_TIME), 0x1B: ("blob", NUMBER_TIME), 0x1C: ("blob", NUMBER_TIME),
    0x1D: ("blob", NUMBER_TIME), 0x1E: ("blob", NUMBER_TIME), 0x20: ("items", "number"),
    0x21: ("items", "time"), 0x22: ("items", NUMBER_TIME), 0x23: ("blob", ""),
    0x24: ("items", TIME_NUMBER), 0x30: ("blob", TIME_NUMBER), 0x40: ("blob", TIME_NUMBER),
    0x60: ("blob", TIME_NUMBER), 0x70: ("items", "place number time"),
    0x71: ("items", "place number time"), 0x80: ("blob", NUMBER_TIME),
    0x90: ("blob", NUMBER_TIME), 0xA0: ("blob", TIME_NUMBER), 0xA1: ("blob", TIME_NUMBER),
    0xFF00: ("blob", TIME_NUMBER), 0xFF01: ("items", "number"), 0xFF02: ("items", "time"),
    0xFF10: ("blob", ""), 0xFF11: ("blob", ""),
    0x1234: ("blob", ""),  # of nobody that we know
}  # fmt: skip

REST = b"what the experiment measured, 32"


def make_frame(frame_type, order="little", unit_log=2, rest=REST, revision=1):
    """A frame of the type with TIME, NUMBER and a rest; returns it and what it must read as."""
    form, fields = TYPES[frame_type]
    sign = "<" if order == "little" else ">"
    place = struct.pack(f"{sign}H", 77)
    parts = {"time": TIME.to_bytes(6, order), "number": NUMBER.to_bytes(4, order), "place": place}
    inside = b"".join(parts[word] for word in fields.split())
    if form == "items":
        header = 16 + len(inside)
        header += -header % 2**unit_log  # items begin at a whole block
        inside = inside.ljust(header - 16, b"\0")
        inside = struct.pack(f"{sign}HHI", header >> unit_log, 1, len(rest)) + inside
    size = 8 + len(inside) + len(rest)
    filled = inside + rest + bytes(-size % 2**unit_log)
    meta = (0x80 if order == "little" else 0) | (0x40 if form == "blob" else 0) | unit_log
    blocks = ((8 + len(filled)) >> unit_log).to_bytes(3, order)
    data = bytes([meta]) + blocks + struct.pack(f"{sign}BHB", 0xFF, frame_type, revision) + filled
    return data, (TIME if "time" in fields else None, NUMBER if "number" in fields else None)


def test_every_type_of_the_table_is_tried():
    assert set(TYPES) - {0x1234} == set(KINDS) - set(OWN_TYPES) - {0x4ADF}


@pytest.mark.parametrize("order", ["little", "big"])
@pytest.mark.parametrize("frame_type", TYPES, ids=hex)
def test_time_and_number_are_where_the_type_has_them(frame_type, order):
    data, wanted = make_frame(frame_type, order)
    event = parse_event(data)
    assert (event.timestamp, event.event_number) == wanted
    assert event.payload.startswith(REST)
    assert event.data_source == 0xFF
    assert whole_frames_bytes(data * 3) == len(data) * 3


@pytest.mark.parametrize("frame_type", [0x12, 0x71])
def test_the_odd_order_of_revision_0(frame_type):
    # As the library reads it: the lowest byte of the time is the second that is stored.
    stored = bytes((TIME >> 8 * place) & 0xFF for place in (1, 0, 5, 4, 3, 2))
    data, _ = make_frame(frame_type, revision=0)
    at = data.index(TIME.to_bytes(6, "little"))
    event = parse_event(data[:at] + stored + data[at + 6 :])
    assert (event.timestamp, event.event_number) == (TIME, NUMBER)


@given(st.sampled_from(sorted(TYPES)), st.binary(max_size=60), st.integers(0, 6))
def test_any_frame_is_passed_on_by_its_size_alone(frame_type, rest, unit_log):
    data, _ = make_frame(frame_type, unit_log=unit_log, rest=rest)
    assert whole_frames_bytes(data) == len(data)
    short = bytes([0xC0, 8, 0, 0, 0]) + frame_type.to_bytes(2, "little") + b"\1"
    assert whole_frames_bytes(short) == 8  # its inside concerns only its reader


@pytest.mark.parametrize("frame_type", [kind for kind, (_, fields) in TYPES.items() if fields])
def test_a_frame_too_short_for_its_type_is_told_with_its_type(frame_type):
    short = bytes([0xC0, 10, 0, 0, 0]) + frame_type.to_bytes(2, "little") + b"\1\0\0"
    with pytest.raises(FrameError, match=f"10 bytes are too few.*type {name_of(frame_type)}"):
        parse_event(short)


def test_a_header_that_its_frame_cannot_hold_is_told():
    data = bytearray(make_frame(0x20)[0])
    data[8] = 0  # headerSize
    with pytest.raises(FrameError, match="a payload from byte 0"):
        parse_event(bytes(data))
    data[8] = 0xFF
    with pytest.raises(FrameError, match="a payload from byte 1020"):
        parse_event(bytes(data))


def play(path):
    reader = FileReader()
    reader.set("file", str(path))
    reader.initialise()
    reader.start(Run(1, path.parent))
    output, played = memoryview(bytearray(300)), b""
    try:
        while True:
            played += output[: reader.produce(output)]
    except EndOfData:
        return played
    finally:
        reader.stop()


def test_a_file_of_all_types_is_played_byte_by_byte(tmp_path):
    file = tmp_path / "all.mfm"
    own = pack_event(Event(0x4E01, 1, 2, b"12345678"))
    frames = [make_frame(each, order)[0] for each in TYPES for order in ("little", "big")]
    file.write_bytes(b"".join([own, *frames, own]))
    assert play(file) == file.read_bytes()


def test_frames_of_others_are_built_by_their_own_times(tmp_path, caplog):
    builder = EventBuilder(lambda: 0.0)
    builder.inputs = 2
    builder.set("window", "10")
    builder.start(Run(1, tmp_path))
    rea, wanted = make_frame(0x1C)
    builder.take(0, memoryview(make_frame(0xFF11)[0] + rea + make_frame(0x20)[0] * 2))
    builder.take(1, memoryview(make_frame(0x01)[0]))
    for source in range(2):
        builder.end(source)
    output = memoryview(bytearray(4096))
    event = parse_event(output[: builder.give(output)])
    assert (event.timestamp, event.items) == (wanted[0], 2)
    seen = builder.monitor()
    assert (seen["frames"], seen["in_events"]) == (5, 2)
    assert (seen["timeless"], seen["descriptions"]) == (2, 1)
    told = [record.getMessage() for record in caplog.records]
    assert told == ["input 0: 1 frame lost: frames of type 0x0020 EBY_EN have no time"]


def test_spectra_pass_over_the_frames_of_others():
    data = b"".join(make_frame(each)[0] for each in TYPES if each not in {0xFF01, 0xFF02})
    energies, pairs = unpack_energies(data)
    assert (len(energies.timestamps), pairs) == (0, [])


def test_what_only_pretends_to_be_ours_is_told_whatever_comes_behind(tmp_path):
    file = tmp_path / "bad.mfm"
    file.write_bytes(bytes.fromhex("c1 05 00 00 00 01 4e 01 00 00"))
    with pytest.raises(NarvalError, match="damaged at byte 0: a payload of 0 bytes"):
        play(file)


def test_the_document_has_every_type():
    text = (Path(__file__).parents[3] / "docs" / "acquisition.md").read_text(encoding="utf-8")
    table = text[text.index("| after the common header |") : text.index("In Python,")]
    found = {int(word, 16) for word in re.findall(r"0x[0-9A-F]+", table)}
    assert found == (set(KINDS) - set(OWN_TYPES)) | {OWN_TYPES.start, OWN_TYPES.stop - 1}
