"""Spectra: what is counted where, rebinned, sent and read again."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from narval.actors.histogrammer import Histogrammer
from narval.errors import NarvalError
from narval.events import FrameType, Hit, pack_hits
from narval.mfm import Event, pack_event
from narval.plugins.plugin import Run
from narval.spectra import Axis, Histogram, Spectrum

values = st.lists(st.floats(-50, 150, width=32) | st.integers(-50, 150).map(float), max_size=60)


def frame(detector, kev, timestamp=0):
    return pack_event(Event(FrameType.ENERGIES, timestamp, 0, pack_hits([Hit(0, kev)]), detector))


def built(*members):
    return pack_event(Event(FrameType.BUILT, 0, 0, b"".join(members)))


@pytest.fixture
def histogrammer(tmp_path):
    actor = Histogrammer()
    actor.initialise()
    actor.start(Run(1, tmp_path))
    return actor


def spectra_of(actor, **with_):
    answer = json.loads(json.dumps(actor.ask("spectra", with_)))  # as it travels
    return {name: Spectrum.from_json(value) for name, value in answer.items()}


@given(values, st.sampled_from([2, 8, 64]))
def test_a_bin_has_its_lower_limit_and_not_its_upper_one(entries, bins):
    histogram = Histogram("x", [Axis("e", bins, 0.0, 128.0)])
    histogram.fill(np.array(entries))
    seen = histogram.snapshot()
    inside = [each for each in entries if 0 <= each < 128]
    places = np.floor(np.array(inside) / (128 / bins)).astype(int)
    assert seen.counts.tolist() == np.bincount(places, minlength=bins).tolist()
    assert (seen.entries, seen.outside) == (len(entries), len(entries) - len(inside))


@given(values, st.integers(1, 8))
def test_rebinning_keeps_all_entries(entries, factor):
    histogram = Histogram("x", [Axis("e", 20, 0.0, 100.0)] * 2)
    histogram.fill(np.array(entries), np.array(entries[::-1]))
    seen = histogram.snapshot().rebinned(factor)
    assert int(seen.counts.sum()) + seen.outside == seen.entries == len(entries)
    assert seen.counts.shape == (20 // factor, 20 // factor)
    assert seen.axes[0].width == pytest.approx(5.0 * factor)
    back = Spectrum.from_json(json.loads(json.dumps(seen.to_json())))
    assert (back.counts == seen.counts).all()
    assert back.axes == seen.axes


def test_each_detector_has_a_spectrum(histogrammer):
    histogrammer.consume(memoryview(frame(0, 100.2) + frame(3, 1332.5) + frame(3, 1332.6)))
    found = spectra_of(histogrammer)
    assert (
        sorted(found)
        == histogrammer.ask("names", {})
        == ["detector_0", "detector_3", "energy_time"]
    )
    assert found["detector_3"].counts[2665] == 2
    assert found["detector_0"].counts.nonzero()[0].tolist() == [200]
    assert histogrammer.monitor() == {"detector_0": 1, "detector_3": 2, "energy_time": 3}


def test_built_events_give_pairs_of_energies(histogrammer):
    histogrammer.consume(memoryview(built(frame(1, 1332.5), frame(0, 1173.2))))
    histogrammer.consume(memoryview(built(frame(0, 10.0))))
    matrix = spectra_of(histogrammer, names=["coincidences"])["coincidences"]
    assert np.argwhere(matrix.counts).tolist() == [[146, 166]]  # bins of 8 keV, by detector
    assert histogrammer.monitor()["detector_0"] == 2


def test_energies_stand_at_their_time(histogrammer):
    histogrammer.consume(memoryview(frame(0, 100.0, timestamp=30 * 10**8)))
    matrix = spectra_of(histogrammer, names=["energy_time"])["energy_time"]
    assert np.argwhere(matrix.counts).tolist() == [[12, 12]]  # bins of 2.5 s and 8 keV


def test_only_what_is_named_is_sent_and_rebinned(histogrammer):
    histogrammer.consume(memoryview(frame(0, 100.2)))
    found = spectra_of(histogrammer, names=["detector_0"], rebin=8)
    assert list(found) == ["detector_0"]
    assert found["detector_0"].axes[0].bins == 512


def test_spectra_fit_into_a_line_of_the_control_protocol(histogrammer, tmp_path):
    generator = np.random.default_rng(1)
    histogram = Histogram("x", [Axis("e", 512, 0, 1)] * 2)
    histogram.fill(generator.random(500_000), generator.random(500_000))
    assert len(json.dumps(histogram.snapshot().to_json())) < 2**20 / 2


@pytest.mark.parametrize(
    ("what", "with_", "message"),
    [
        ("spectra", {"names": ["x"]}, "no spectrum 'x'; there are: detector_0, energy_time"),
        ("spectra", {"rebin": 0}, "rebin 0 is not between"),
        ("gain", {}, "knows no 'gain'; ask names, spectra or clear"),
    ],
)
def test_what_cannot_be_asked_is_told(histogrammer, what, with_, message):
    histogrammer.consume(memoryview(frame(0, 1.0)))
    with pytest.raises(NarvalError, match=message):
        histogrammer.ask(what, with_)


def test_spectra_are_emptied_by_a_start_and_on_demand(histogrammer, tmp_path):
    for empty in (
        lambda: histogrammer.ask("clear", {}),
        lambda: histogrammer.start(Run(2, tmp_path)),
    ):
        histogrammer.consume(memoryview(frame(0, 1.0)))
        assert histogrammer.ask("names", {})
        empty()
        assert histogrammer.ask("names", {}) == []


def test_an_empty_range_is_told():
    actor = Histogrammer()
    actor.set("low", "3000")
    with pytest.raises(NarvalError, match=r"low 3000\.0 keV is not below high 2048\.0 keV"):
        actor.initialise()


@pytest.mark.parametrize("value", [{}, {"axes": [], "counts": "!"}, {"axes": [{"x": 1}]}])
def test_an_answer_that_is_no_spectrum_is_told(value):
    with pytest.raises(NarvalError, match="not a spectrum"):
        Spectrum.from_json(value)
