"""The event builder: no frame is lost, events are those of a plain definition, in order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narval.actors.event_builder import EventBuilder
from narval.errors import NarvalError
from narval.events import FrameType, iterate_events, parse_members
from narval.mfm import Event, pack_event
from narval.plugins.plugin import Run

times = st.lists(st.integers(0, 300), max_size=25)
inputs = st.lists(times, min_size=1, max_size=4)


def make(source, timestamp, number=0):
    return pack_event(Event(0x4E01, timestamp, number, b"", source))


class Feed:
    """Does what an actor does: reads the inputs that are wanted, in any order and blocks."""

    def __init__(self, tmp_path, count, now=lambda: 0.0, **values):
        self.builder = EventBuilder(now)
        self.builder.inputs = count
        for name, value in values.items():
            self.builder.set(name, str(value))
        self.builder.initialise()
        self.builder.start(Run(1, tmp_path))
        self.output = memoryview(bytearray(4096))

    def give(self):
        events = []
        while used := self.builder.give(self.output):
            events += iterate_events(bytes(self.output[:used]))
        return events

    def play(self, inputs, draw):
        left = [list(enumerate(each)) for each in inputs]
        events = self.give()
        while wanted := self.builder.wanted():
            source = draw(st.sampled_from(list(wanted)))
            size = draw(st.integers(1, 4))
            block, left[source] = left[source][:size], left[source][size:]
            if block:
                data = b"".join(make(source, time, number) for number, time in block)
                self.builder.take(source, memoryview(data))
            else:
                self.builder.end(source)
            events += self.give()
        return events


def build_plainly(inputs, window, fold):
    """Return the events as sets of (source, number), by the definition."""
    hits = sorted((t, source, n) for source, each in enumerate(inputs) for n, t in enumerate(each))
    events = []
    while hits:
        until = hits[0][0] + window
        inside = [hit for hit in hits if hit[0] <= until]
        hits = hits[len(inside) :]
        if len(inside) >= fold:
            events.append([(source, number) for _, source, number in inside])
    return events


@given(st.data(), inputs, st.integers(0, 40), st.integers(1, 4))
def test_inputs_in_order_give_exactly_the_events_of_the_definition(
    tmp_path_factory, data, inputs, window, fold
):
    inputs = [sorted(each) for each in inputs]
    feed = Feed(tmp_path_factory.getbasetemp(), len(inputs), window=window, fold=fold)
    events = feed.play(inputs, data.draw)
    members = [[(m.data_source, m.event_number) for m in parse_members(each)] for each in events]
    assert members == build_plainly(inputs, window, fold)
    assert all(event.frame_type == FrameType.MERGED for event in events)
    seen = feed.builder.monitor()
    assert seen["late"] == seen["out_of_order"] == seen["timeouts"] == seen["waiting"] == 0
    assert seen["in_events"] + seen["below_fold"] == seen["frames"] == sum(map(len, inputs))


@given(st.data(), inputs, st.integers(0, 40), st.integers(1, 3))
def test_in_any_order_each_frame_is_in_one_event_or_counted(
    tmp_path_factory, data, inputs, window, fold
):
    feed = Feed(tmp_path_factory.getbasetemp(), len(inputs), window=window, fold=fold)
    events = feed.play(inputs, data.draw)
    seen = feed.builder.monitor()
    frames = [(m.data_source, m.event_number) for event in events for m in parse_members(event)]
    assert len(frames) == len(set(frames)) == seen["in_events"]
    thrown = seen["below_fold"] + seen["late"]
    assert seen["frames"] == sum(map(len, inputs)) == seen["in_events"] + thrown
    disorder = sum(t < max(each[:n], default=0) for each in inputs for n, t in enumerate(each))
    assert seen["out_of_order"] == disorder
    begins = [event.timestamp for event in events]
    assert begins == sorted(begins)
    for event in events:
        members = parse_members(event)
        assert len(members) >= fold
        assert all(0 <= m.timestamp - event.timestamp <= window for m in members)


def test_an_input_that_is_ahead_waits(tmp_path):
    feed = Feed(tmp_path, 2, window=10, fold=1)
    feed.builder.take(0, memoryview(make(0, 100) + make(0, 500)))
    assert feed.give() == []
    assert list(feed.builder.wanted()) == [1]
    feed.builder.take(1, memoryview(make(1, 105)))
    assert feed.give() == []  # there may be more until 110
    feed.builder.take(1, memoryview(make(1, 111)))
    assert [len(parse_members(event)) for event in feed.give()] == [2]


def test_a_silent_input_is_waited_for_no_longer_than_the_patience(tmp_path):
    now = [0.0]
    feed = Feed(tmp_path, 2, lambda: now[0], window=10, fold=1, patience_ms=1000)
    feed.builder.take(0, memoryview(make(0, 100)))
    feed.builder.end(0)
    for _ in range(10):
        assert feed.give() == []
        now[0] += 0.09
    now[0] += 60  # the builder itself was held up: that is nobody's silence
    assert feed.give() == []
    now[0] += 0.09
    assert len(feed.give()) == 1
    feed.builder.take(1, memoryview(make(1, 105) + make(1, 200)))
    seen = feed.builder.monitor()
    assert (seen["timeouts"], seen["late"], seen["waiting"]) == (1, 1, 1)


def test_events_that_do_not_fit_are_kept_for_the_next_block(tmp_path):
    feed = Feed(tmp_path, 1, window=0, fold=1)
    feed.output = memoryview(bytearray(100))  # two events of 50 bytes
    feed.builder.take(0, memoryview(b"".join(make(0, time) for time in range(5))))
    feed.builder.end(0)
    sizes = []
    while used := feed.builder.give(feed.output):
        sizes.append(used)
    assert sizes == [100, 100, 50]


def test_an_event_larger_than_the_buffer_is_told(tmp_path):
    feed = Feed(tmp_path, 1, window=0, fold=1)
    feed.builder.take(0, memoryview(make(0, 1)))
    feed.builder.end(0)
    with pytest.raises(
        NarvalError, match="an event of 50 bytes does not fit into the buffer of 32"
    ):
        feed.builder.give(memoryview(bytearray(32)))


def test_a_new_run_begins_with_nothing(tmp_path):
    feed = Feed(tmp_path, 1, window=0, fold=1)
    feed.builder.take(0, memoryview(make(0, 100)))
    feed.builder.start(Run(2, tmp_path))
    assert feed.builder.monitor()["frames"] == feed.builder.monitor()["waiting"] == 0
    feed.builder.take(0, memoryview(make(0, 5)))
    feed.builder.end(0)
    assert len(feed.give()) == 1
