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
    thrown = seen["below_fold"] + sum(feed.builder.losses().values())
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


EXACT = 2**48
PERIOD = 1_000_000  # 10 ms


def members_of(events):
    return [[(m.data_source, m.event_number) for m in parse_members(each)] for each in events]


def play_alike(tmp_path, caplog, times, *, other=None):
    """Two detectors with these times, frame by frame in turn; returns the feed and the events."""
    caplog.set_level("INFO")
    feed = Feed(tmp_path, 2, window=PERIOD // 2, fold=2)
    feed.builder.names = ("a", "b")
    feed.builder.start(Run(1, tmp_path))
    left = {0: list(enumerate(times)), 1: list(enumerate(other or times))}
    events = []
    while wanted := feed.builder.wanted():
        for source in wanted:
            if left[source]:
                number, time = left[source].pop(0)
                feed.builder.take(source, memoryview(make(source, time, number)))
            else:
                feed.builder.end(source)
            events += feed.give()
    feed.builder.stop()
    return feed, members_of(events)


def together(numbers):
    return [[(0, number), (1, number)] for number in numbers]


@pytest.mark.parametrize("bad", [2**47, 2**47 + 5_000 * PERIOD, 2**40, 0, EXACT - 1])
@pytest.mark.parametrize("at", [1, 50, 98])
def test_one_bad_time_costs_its_frame_and_is_told(tmp_path, caplog, bad, at):
    times = [(1_000 + n) * PERIOD for n in range(100)]
    wrong = [*times[:at], bad, *times[at + 1 :]]
    feed, events = play_alike(tmp_path, caplog, wrong, other=times)
    assert events == together(n for n in range(100) if n != at)
    assert feed.builder.losses() == {"late": 0, "bad_time": 1, "astray": 0, "timeless": 0}
    assert f"a: 1 frame lost: the time {bad} is far from those" in caplog.text
    assert "199 frames" not in caplog.text
    assert "200 frames, 99 events, 1 below the fold; 1 frame lost (1 bad time)" in caplog.text


def test_a_bad_time_at_the_very_beginning_costs_no_more(tmp_path, caplog):
    times = [(1_000 + n) * PERIOD for n in range(100)]
    _, events = play_alike(tmp_path, caplog, [2**47, *times[1:]], other=times)
    assert events == together(range(1, 100))
    assert "a: its clock has jumped" in caplog.text


def test_clocks_that_begin_again_lose_nothing(tmp_path, caplog):
    times = [(EXACT - 100 * PERIOD + n * PERIOD) % EXACT for n in range(330)]
    _, events = play_alike(tmp_path, caplog, times)
    assert events == together(range(330))
    assert "660 frames, 330 events, 0 below the fold; none lost" in caplog.text


def test_clocks_that_begin_again_between_the_first_frames_of_two_inputs(tmp_path, caplog):
    _, events = play_alike(tmp_path, caplog, [EXACT - 10, PERIOD], other=[5, PERIOD + 3])
    assert events == together(range(2))


@pytest.mark.parametrize("back", [100 * PERIOD, 10_000 * PERIOD])
def test_clocks_that_all_go_back_go_on_together(tmp_path, caplog, back):
    times = [back + n * PERIOD for n in range(100)]
    times += [time - back + 5 for time in times]
    feed, events = play_alike(tmp_path, caplog, times)
    assert events == together(range(200))
    assert sum(feed.builder.losses().values()) == 0
    for name in ("a", "b"):
        assert f"{name}: its clock has jumped" in caplog.text


def test_a_clock_that_goes_back_alone_stops_nobody_and_is_told(tmp_path, caplog):
    times = [(100_000 + n) * PERIOD for n in range(400)]
    alone = [*times[:100], *(time - 90_000 * PERIOD for time in times[100:300]), *times[300:]]
    feed, events = play_alike(tmp_path, caplog, alone, other=times)
    again = len(times) - (len(events) - 100)  # those of b went on meanwhile
    assert 300 <= again < 360
    assert events == together([*range(100), *range(again, 400)])
    assert sum(feed.builder.losses().values()) == again - 100
    assert "a: its clock has jumped 899.99 s back" in caplog.text
    assert "lost: its clock went back and the others' did not" in caplog.text


def test_gaps_in_the_data_are_no_mistakes(tmp_path, caplog):
    times = [n * 100 * 60 * PERIOD for n in range(50)]  # one each minute, from a file
    feed, events = play_alike(tmp_path, caplog, times)
    assert events == together(range(50))
    assert sum(feed.builder.losses().values()) == 0


def test_what_is_late_is_told_at_once_and_then_in_sums(tmp_path, caplog):
    now = [0.0]
    feed = Feed(tmp_path, 2, lambda: now[0], window=10, fold=1, patience_ms=50)
    feed.builder.names = ("a", "b")
    feed.builder.start(Run(1, tmp_path))
    feed.builder.take(0, memoryview(make(0, 1000) + make(0, 2000)))
    for _ in range(3):
        feed.give()
        now[0] += 0.09
    assert "b: nothing came for 0.05 s (patience_ms): events go on without it" in caplog.text
    feed.builder.take(1, memoryview(b"".join(make(1, time) for time in range(900, 905))))
    assert "b: 1 frame lost: events after it had been built" in caplog.text
    now[0] += 11
    feed.builder.take(1, memoryview(make(1, 905)))
    assert "b: 5 frames lost: events after it had been built" in caplog.text
    assert feed.builder.losses()["late"] == feed.builder.monitor()["late"] == 6


def test_the_patience_that_is_declared_is_longer_than_a_detector_that_sends_every_3_s():
    patience = {each.name: each.default for each in EventBuilder.parameters}["patience_ms"]
    assert patience > 2 * 3000


@given(
    st.data(),
    st.lists(st.lists(st.integers(0, EXACT - 1), max_size=12), min_size=1, max_size=4),
    st.integers(0, 2**47),
)
def test_whatever_the_times_are_each_frame_is_counted_and_nobody_waits_for_ever(
    tmp_path_factory, data, inputs, jump
):
    feed = Feed(tmp_path_factory.getbasetemp(), len(inputs), window=1000, fold=1, jump=jump)
    events = members_of(feed.play(inputs, data.draw))
    seen = feed.builder.monitor()
    frames = [member for event in events for member in event]
    assert len(frames) == len(set(frames)) == seen["in_events"]
    lost = sum(feed.builder.losses().values())
    assert seen["frames"] == sum(map(len, inputs)) == seen["in_events"] + lost
    assert seen["waiting"] == 0
