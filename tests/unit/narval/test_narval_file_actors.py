"""Files of a run: written, split, damaged, read again."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from narval.actors.file_reader import FileReader
from narval.actors.file_writer import FileWriter
from narval.errors import NarvalError
from narval.frame_types import XML_FILE_HEADER
from narval.mfm import Event, iterate_frames, pack_event, parse_event, parse_header
from narval.plugins.plugin import EndOfData, Run


def frame(number, payload=b"12345678"):
    return pack_event(Event(0x4E01, number, number, payload))  # 32 bytes with eight of payload


def read_file(path):
    """The header of a file of a run, and what comes after it."""
    written = path.read_bytes()
    header = parse_header(written)
    return header, written[header.size_bytes :]


def writer_in(folder, **values):
    writer = FileWriter()
    for name, value in values.items():
        writer.set(name, str(value))
    writer.start(Run(1, folder))
    return writer


def read_all(place, buffer_bytes=4096):
    reader = FileReader()
    reader.set("file", str(place))
    reader.initialise()
    reader.start(Run(1, place))
    output, blocks = memoryview(bytearray(buffer_bytes)), []
    try:
        while True:
            blocks.append(bytes(output[: reader.produce(output)]))
    except EndOfData:
        return blocks
    finally:
        reader.stop()


def test_a_file_is_partial_until_all_of_it_is_written(tmp_path):
    writer = writer_in(tmp_path)
    writer.consume(memoryview(frame(1)))
    assert [file.name for file in tmp_path.iterdir()] == ["data-000.mfm.partial"]
    writer.stop()
    writer.stop()
    assert [file.name for file in tmp_path.iterdir()] == ["data-000.mfm"]
    header, data = read_file(tmp_path / "data-000.mfm")
    assert data == frame(1)
    assert header.frame_type == XML_FILE_HEADER


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.binary(max_size=40), min_size=1, max_size=12),
    st.integers(700, 1000),
    st.integers(640, 900),
)
def test_what_was_written_comes_back_whatever_the_sizes(
    tmp_path_factory, payloads, split_bytes, buffer_bytes
):
    folder = tmp_path_factory.mktemp("run")
    writer = writer_in(folder, split_bytes=split_bytes)
    frames = [frame(number, payload) for number, payload in enumerate(payloads)]
    for each in frames:
        writer.consume(memoryview(each))
    writer.stop()
    sizes = [file.stat().st_size for file in folder.iterdir()]
    assert all(size <= split_bytes for size in sizes)
    assert writer.monitor()["files"] == len(sizes)
    played = b"".join(read_all(folder, buffer_bytes))
    events = [played[at : at + each.size_bytes] for at, each in iterate_frames(played)
              if each.frame_type != XML_FILE_HEADER]  # fmt: skip
    assert events == frames
    assert len(played) == sum(sizes)


def test_blocks_are_as_full_as_frames_allow(tmp_path):
    file = tmp_path / "x.mfm"
    file.write_bytes(frame(0) * 5)
    assert [len(block) for block in read_all(file, 70)] == [64, 64, 32]


def test_two_writers_of_a_run_need_two_names(tmp_path):
    writer_in(tmp_path)
    with pytest.raises(NarvalError, match=r"data-000\.mfm\.partial cannot be made: File exists"):
        writer_in(tmp_path)
    writer_in(tmp_path, file="other").stop()
    with pytest.raises(NarvalError, match="another writer"):
        writer_in(tmp_path, file="other")


def test_what_is_no_frame_is_refused_with_its_place(tmp_path):
    writer = writer_in(tmp_path)
    writer.consume(memoryview(frame(1)))
    with pytest.raises(NarvalError, match="no MFM frame: byte 64: a frame of 0 bytes"):
        writer.consume(memoryview(frame(2) + bytes(16)))
    unchecked = writer_in(tmp_path, check="false", file="raw")
    unchecked.consume(memoryview(b"*00001*\0"))
    unchecked.stop()
    assert (tmp_path / "raw-000.mfm").read_bytes() == b"*00001*\0"


def test_a_name_cannot_lead_elsewhere(tmp_path):
    with pytest.raises(NarvalError, match=r"file: '\.\./x'"):
        writer_in(tmp_path / "run", file="../x")


@pytest.mark.parametrize("buffer_bytes", [32, 4096])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda data: data[:-3], "damaged at byte 64: a frame of 32 bytes, 29 are left"),
        (lambda data: data[:68], "damaged at byte 64: a header has 8 bytes, 4 are left"),
        (lambda data: data[:32] + bytes(32) + data[64:], "damaged at byte 32: a frame of 0 bytes"),
    ],
)
def test_the_byte_of_damage_is_told_and_what_is_before_it_is_read(
    tmp_path, change, message, buffer_bytes
):
    file = tmp_path / "x.mfm"
    data = frame(0) + frame(1) + frame(2)
    file.write_bytes(change(data))
    reader = FileReader()
    reader.set("file", str(file))
    reader.start(Run(1, tmp_path))
    output, read = memoryview(bytearray(buffer_bytes)), b""
    with pytest.raises(NarvalError, match=message):  # noqa: PT012
        while True:
            read += output[: reader.produce(output)]
    reader.stop()
    assert read == data[: int(re.search(r"byte (\d+)", message)[1])]


@pytest.mark.parametrize("left", [1, 8, 31])
@pytest.mark.parametrize("buffer_bytes", [32, 4096])
def test_of_a_partial_file_the_torn_end_is_left_out(tmp_path, left, buffer_bytes, caplog):
    (tmp_path / "data-000.mfm.partial").write_bytes(frame(0) + frame(1)[:left])
    (tmp_path / "other-000.mfm").write_bytes(frame(2))
    assert b"".join(read_all(tmp_path, buffer_bytes)) == frame(0) + frame(2)
    assert f"data-000.mfm.partial ends within a frame: its last {left} bytes" in caplog.text


def test_a_frame_that_does_not_fit_the_buffer_is_told(tmp_path):
    file = tmp_path / "x.mfm"
    file.write_bytes(frame(0))
    with pytest.raises(NarvalError, match="byte 0: a frame of 32 bytes does not fit"):
        read_all(file, 24)


@pytest.mark.parametrize("place", ["", "absent.mfm", "."])
def test_nothing_to_read_is_told_before_the_start(tmp_path, place, monkeypatch):
    monkeypatch.chdir(tmp_path)
    reader = FileReader()
    reader.set("file", place)
    with pytest.raises(NarvalError, match="file: "):
        reader.initialise()


def test_a_file_begins_with_the_description_of_its_run(tmp_path):
    folder = tmp_path / "tandem" / "run-0042"
    writer = FileWriter()
    writer.set("split_bytes", "64")
    writer.start(Run(42, folder))
    writer.consume(memoryview(frame(1)))
    writer.consume(memoryview(frame(2)))
    writer.stop()
    for index, name in enumerate(("data-000.mfm", "data-001.mfm")):
        data = (folder / name).read_bytes()
        # little-endian blob, dataSource of a computer, GANIL's type of a file's header
        assert (data[0] & 0xC0, data[4:7]) == (0xC0, b"\xff\x11\xff")
        text = parse_event(data).payload.rstrip(b"\0")
        root = ET.fromstring(text)
        assert root.tag == "File_Header"
        found = {each.tag: each.text for each in root.iter() if each.text}
        assert (found["data_format"], found["name"], found["run_number"]) == (
            "mfm", "tandem", "0042")  # fmt: skip
        assert (found["index"], found["file_name"]) == (str(index), name)
        assert re.fullmatch(r"\d\d-\d\d-\d\d_\d\dh\d\dm\d\ds", found["run_start_time"])
        assert read_file(folder / name)[1] == frame(index + 1)


@given(st.binary(max_size=60) | st.binary(max_size=40).map(lambda rest: frame(1) + rest))
def test_what_the_writer_takes_the_reader_gives(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("run")
    writer = writer_in(folder)
    try:
        writer.consume(memoryview(data))
    except NarvalError:
        return
    writer.stop()
    assert b"".join(read_all(folder)).endswith(data)


def test_the_thousandth_file_comes_after_the_one_before(tmp_path):
    for number in (0, 999, 1000, 1001):
        (tmp_path / f"data-{number:03d}.mfm").write_bytes(frame(number))
    (tmp_path / "more-000.mfm.partial").write_bytes(frame(5))
    played = b"".join(read_all(tmp_path))
    assert played == b"".join(map(frame, (0, 999, 1000, 1001, 5)))
