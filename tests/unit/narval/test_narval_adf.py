"""AGATA's frames: keys, built events, whole files through the reader and the writer."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narval.actors.file_reader import FileReader
from narval.actors.file_writer import FileWriter
from narval.adf import Key, iterate_keys, iterate_members, parse_key, whole_frames_bytes
from narval.errors import NarvalError
from narval.frames import FrameError
from narval.plugins.plugin import EndOfData, Run


def frame(payload=b"", frame_type=0xFA010102, number=7, timestamp=2**40 + 5):
    return struct.pack("<IIIQ", 20 + len(payload), frame_type, number, timestamp) + payload


def test_a_key_by_hand():
    data = bytes.fromhex("18000000 020101fa 07000000 0500000000010000 deadbeef")
    assert parse_key(data) == Key(24, 0xFA010102, 7, 2**40 + 5)
    assert parse_key(data).name == "data:psa"
    assert parse_key(frame(frame_type=0x12345678)).name == "0x12345678"


@given(st.lists(st.binary(max_size=30), max_size=5), st.binary(max_size=19))
def test_whole_frames_are_counted_and_found(payloads, rest):
    data = b"".join(map(frame, payloads))
    found = [data[at + 20 : at + key.size_bytes] for at, key in iterate_keys(data)]
    assert found == payloads
    assert whole_frames_bytes(data + rest) == len(data)


def test_a_built_event_holds_frames_with_keys_of_their_own():
    built = frame(frame(b"one") + frame(b"two", number=8), frame_type=0xCA010102)
    data = frame() + built
    members = [(key.event_number, data[at + 20 : at + key.size_bytes])
               for at, key in iterate_members(data, 20)]  # fmt: skip
    assert members == [(7, b"one"), (8, b"two")]
    with pytest.raises(FrameError, match="byte 0: a frame of type data:psa is not a built event"):
        list(iterate_members(data))
    damaged = frame(frame(b"one") + b"123", frame_type=0xCA010102)
    with pytest.raises(FrameError, match="byte 43: a key has 20 bytes, 3 are left"):
        list(iterate_members(damaged))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (frame()[:19], "byte 0: a key has 20 bytes, 19 are left"),
        (b"\x13" + frame()[1:], "byte 0: a frame of 19 bytes is shorter than its key"),
        (frame(b"abc")[:-1], "byte 0: a frame of 23 bytes, 22 are left"),
    ],
)
def test_what_is_no_frame_is_told(data, message):
    with pytest.raises(FrameError, match=message):
        list(iterate_keys(data))


def play(place, **values):
    reader = FileReader()
    for name, value in {"file": str(place), **values}.items():
        reader.set(name, value)
    reader.initialise()
    reader.start(Run(1, place))
    output, blocks = memoryview(bytearray(64)), []
    try:
        while True:
            blocks.append(bytes(output[: reader.produce(output)]))
    except EndOfData:
        return blocks
    finally:
        reader.stop()


@given(st.lists(st.binary(max_size=44), min_size=1, max_size=9))
def test_files_are_written_and_read_in_whole_frames(tmp_path_factory, payloads):
    folder = tmp_path_factory.mktemp("run")
    writer = FileWriter()
    writer.set("format", "adf")
    writer.start(Run(1, folder))
    for payload in payloads:
        writer.consume(memoryview(frame(payload)))
    writer.stop()
    assert [file.name for file in folder.iterdir()] == ["data-000.adf"]
    blocks = play(folder)
    assert b"".join(blocks) == b"".join(map(frame, payloads))
    assert all(whole_frames_bytes(block) == len(block) for block in blocks)


def test_the_format_is_that_of_the_name_unless_it_is_said(tmp_path):
    named, other = tmp_path / "psa_0000.adf", tmp_path / "Global.dat"
    for file in (named, other):
        file.write_bytes(frame(b"abcd"))
    assert play(named) == [frame(b"abcd")] == play(other, format="adf")
    with pytest.raises(NarvalError, match=r"Global\.dat: damaged at byte 0"):
        play(other)
    with pytest.raises(NarvalError, match="format: 'root' is not auto or mfm or adf"):
        play(other, format="root")


def test_a_writer_refuses_the_other_format(tmp_path):
    writer = FileWriter()
    writer.start(Run(1, tmp_path))
    with pytest.raises(NarvalError, match="no MFM frame: byte 0"):
        writer.consume(memoryview(frame(b"abcd")))
