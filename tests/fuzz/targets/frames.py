"""Frames of data: MFM, what our own actors put into it, spectra, and blocks on links."""

from __future__ import annotations

import os
from pathlib import Path

from fuzz.target import check, scratch, target
from narval import adf
from narval.actors.energy_frames import unpack_energies
from narval.actors.event_builder import EventBuilder
from narval.actors.file_reader import FileReader
from narval.control.wire import decode
from narval.errors import NarvalError
from narval.events import iterate_events, parse_hits, parse_members, parse_pulse
from narval.formats import Format
from narval.frame_types import TRANSMITTER, layout_of
from narval.links.frame import HEADER_BYTES, parse_header
from narval.links.reader import LinkReader
from narval.mfm import FrameError, iterate_frames, pack_event, parse_event, whole_frames_bytes
from narval.plugins.plugin import EndOfData, Run
from narval.spectra import MAX_BYTES, Spectrum

RUN = Run(1, Path("/"))


@target("mfm", FrameError, parsers=(
    "narval.mfm:parse_header", "narval.mfm:parse_event", "narval.mfm:iterate_frames",
    "narval.mfm:whole_frames_bytes", "narval.mfm:frame_size", "narval.mfm:_payload"),
    is_text=False)  # fmt: skip
def mfm(data: bytes) -> None:
    whole = whole_frames_bytes(data)
    check(sum(header.size_bytes for _, header in iterate_frames(data[:whole])) == whole, whole)
    event = parse_event(data)
    if layout_of(event.frame_type) is TRANSMITTER:
        check(parse_event(pack_event(event)) == event, "another event")


@target("adf", FrameError, parsers=(
    "narval.adf:parse_key", "narval.adf:iterate_keys", "narval.adf:iterate_members",
    "narval.adf:whole_frames_bytes"), is_text=False)  # fmt: skip
def adf_frames(data: bytes) -> None:
    whole = adf.whole_frames_bytes(data)
    check(sum(key.size_bytes for _, key in adf.iterate_keys(data[:whole])) == whole, whole)
    for at, key in adf.iterate_members(data):
        check(adf.parse_key(data, at) == key, "another key")


@target("events", FrameError, parsers=(
    "narval.events:parse_hits", "narval.events:parse_pulse", "narval.events:parse_members",
    "narval.actors.energy_frames:unpack_energies"), is_text=False)  # fmt: skip
def events(data: bytes) -> None:
    for event in iterate_events(data):
        for parse in (parse_hits, parse_pulse, parse_members):
            try:
                parse(event)
            except FrameError:  # it is of another type
                continue
    energies, _ = unpack_energies(data)
    check(len(energies.timestamps) == len(energies.energies_kev), "columns of different lengths")


@target("event-builder", NarvalError, parsers=("narval.actors.event_builder:EventBuilder.take",),
        is_text=False)  # fmt: skip
def event_builder(data: bytes) -> None:
    builder = EventBuilder(lambda: 0.0)
    builder.inputs = 2
    builder.start(RUN)
    for source in range(2):
        builder.take(source, memoryview(data))
        builder.end(source)
    output = memoryview(bytearray(64 * 1024))
    while used := builder.give(output):
        whole = whole_frames_bytes(output[:used])
        check(whole == used, "half a frame was built")


@target("run-data", NarvalError, parsers=("narval.actors.file_reader:FileReader.produce",),
        is_text=False)  # fmt: skip
def run_data(data: bytes) -> None:
    """A file of a run, in both formats; each refuses some, and what both refuse is not a file."""
    refused = []
    for of in Format:
        try:
            _play(data, of)
        except NarvalError as error:
            refused.append(error)
    if len(refused) == len(Format):
        raise refused[0]


def _play(data: bytes, of: Format) -> None:
    """Play a file; what the reader gives out are its bytes, from the first on."""
    path = scratch("data") / "run.data"
    path.write_bytes(data)
    reader = FileReader()
    reader.set("file", str(path))
    reader.set("format", of)
    reader.start(RUN)
    output = memoryview(bytearray(4096))
    at = 0
    try:
        while used := reader.produce(output):
            check(output[:used] == data[at : at + used], f"other bytes at {at}")
            at += used
    except EndOfData:
        check(at == len(data), "not all was read")
        return
    finally:
        reader.stop()


@target("link-blocks", NarvalError, parsers=(
    "narval.links.frame:parse_header", "narval.links.reader:LinkReader.receive"),
    is_text=False)  # fmt: skip
def link_blocks(data: bytes) -> None:
    """What comes through a link; a length is never believed further than the buffer goes."""
    got, give = os.pipe2(os.O_NONBLOCK)
    reader = LinkReader(got, "a", 1024)
    reader.begin_run()
    try:
        os.write(give, data)
        os.close(give)
        while not reader.has_ended:
            block = reader.receive()
            check(block is None or len(block) <= 1024, "larger than its buffer")
    finally:
        reader.close()


@target("link-header", NarvalError, parsers=("narval.links.frame:parse_header",), is_text=False,
        most_bytes=8)  # fmt: skip
def link_header(data: bytes) -> None:
    _, length = parse_header(data[:HEADER_BYTES].ljust(HEADER_BYTES, b"\0"), 4096)
    check(length <= 4096, length)


@target("spectrum", NarvalError, parsers=("narval.spectra:Spectrum.from_json",))
def spectrum(data: bytes) -> None:
    found = Spectrum.from_json(decode(data))
    check(found.counts.nbytes <= MAX_BYTES, "more counts than a message can hold")
    again = Spectrum.from_json(found.to_json())
    check((again.axes, again.entries) == (found.axes, found.entries), "another spectrum")
    check((again.counts == found.counts).all(), "other counts")
    for axis in found.axes:
        check(len(axis.edges()) == axis.bins + 1, axis)
