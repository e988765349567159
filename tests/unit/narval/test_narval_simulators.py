"""Simulated detectors: the physics, by fits with their errors; seeds are fixed."""

from __future__ import annotations

import math

import numpy as np
import pytest

from narval.actors.energy_frames import unpack_energies
from narval.actors.germanium import Response, compton_edge_kev, compton_table, parse_lines
from narval.actors.pace import RunClock
from narval.actors.simulated_digitiser import SimulatedDigitiser, pulse_shape
from narval.actors.simulated_germanium import SimulatedGermanium
from narval.errors import NarvalError
from narval.events import TICK_S, iterate_events, parse_pulse
from narval.notebook.fit import fit_peak
from narval.plugins.plugin import Run
from narval.spectra import Axis, Histogram

SIGMAS = 5  # what a right simulation misses once in two million tests


class Bench:
    """A simulator with a clock that the test moves."""

    def __init__(self, kind, tmp_path, **values):
        self.now_s = 0.0
        self.simulator = kind(RunClock(lambda: self.now_s))
        for name, value in values.items():
            self.simulator.set(name, str(value))
        self.simulator.initialise()
        self.simulator.start(Run(1, tmp_path))

    def run(self, seconds, step_s=0.5, buffer_bytes=4_000_000):
        """Return all that is written in so many seconds."""
        output, blocks = memoryview(bytearray(buffer_bytes)), []
        end_s = self.now_s + seconds
        while self.now_s < end_s - 1e-9:
            self.now_s += step_s
            while used := self.simulator.produce(output):
                blocks.append(bytes(output[:used]))
        return b"".join(blocks)


@pytest.fixture
def germanium(tmp_path):
    return lambda **values: Bench(SimulatedGermanium, tmp_path, **values)


@pytest.fixture
def digitiser(tmp_path):
    return lambda **values: Bench(SimulatedDigitiser, tmp_path, **values)


def within(measured, wanted, error):
    return abs(measured - wanted) < SIGMAS * error


@pytest.mark.parametrize("kev", [121.782, 661.657, 1332.492])
def test_peaks_stand_at_their_energy_with_the_resolution_of_germanium(germanium, kev):
    bench = germanium(lines=f"{kev}:1", peak_share=0.5, rate=20000, fwhm=2.0, noise=0.8)
    axis = Axis("energy (keV)", 8192, 0, 2048)
    histogram = Histogram("x", [axis])
    histogram.fill(unpack_energies(bench.run(2.0))[0].energies_kev)
    fit = fit_peak(axis, histogram.snapshot().counts, kev - 12, kev + 12)
    fwhm = math.sqrt(0.8**2 + (2.0**2 - 0.8**2) * kev / 1332.492)
    assert within(fit.centroid.value, kev, fit.centroid.error)
    assert within(fit.fwhm.value, fwhm, fit.fwhm.error)
    assert fit.fwhm.error < 0.02
    assert fit.chi2_per_dof < 2


def test_the_share_in_the_peaks_is_binomial_and_the_edge_is_comptons(germanium):
    kev, share = 1332.492, 0.25
    bench = germanium(lines=f"{kev}:1", peak_share=share, rate=20000)
    energies = unpack_energies(bench.run(2.0))[0].energies_kev
    edge = compton_edge_kev(kev)
    assert edge == pytest.approx(1118.1, abs=0.2)  # known of 60Co
    in_peak = (energies > kev - 10).sum()
    error = math.sqrt(len(energies) * share * (1 - share))
    assert within(in_peak, len(energies) * share, error)
    assert not ((energies > edge + 10) & (energies < kev - 10)).any()


def test_the_continuum_rises_towards_the_edge_as_klein_and_nishina_say():
    energies, cumulative = compton_table(1332.492)
    density = np.diff(cumulative)
    assert cumulative[0] == 0
    assert cumulative[-1] == 1
    assert 1.5 < density[-1] / density[len(density) // 2] < 5
    assert energies[-1] == pytest.approx(compton_edge_kev(1332.492))


def test_lines_of_a_source_come_by_their_intensities(germanium):
    bench = germanium(sources="152Eu", peak_share=1, rate=20000)
    energies = unpack_energies(bench.run(2.0))[0].energies_kev
    lines = parse_lines("152Eu", "")
    total = sum(intensity for _, intensity in lines)
    for kev, intensity in lines:
        count = (abs(energies - kev) < 8).sum()
        share = intensity / total
        assert within(count, len(energies) * share, math.sqrt(len(energies) * share * (1 - share)))


def test_events_come_as_poisson_says(germanium):
    rate, seconds = 5000.0, 20
    bench = germanium(rate=rate, dead_time_us=0, jitter_ns=0)
    times = unpack_energies(bench.run(seconds))[0].timestamps * TICK_S
    assert within(len(times), rate * seconds, math.sqrt(rate * seconds))
    counts = np.bincount((times * 100).astype(int), minlength=seconds * 100)[: seconds * 100]
    dispersion = counts.var(ddof=1) / counts.mean()
    assert within(dispersion, 1, math.sqrt(2 / (len(counts) - 1)))
    gaps = np.diff(times)
    assert within((gaps > 1 / rate).mean(), math.exp(-1), 0.5 / math.sqrt(len(gaps)))


def test_the_dead_time_is_not_paralysable(germanium):
    rate, dead_s, seconds = 40000.0, 20e-6, 3
    bench = germanium(rate=rate, dead_time_us=dead_s * 1e6, jitter_ns=0)
    times = unpack_energies(bench.run(seconds))[0].timestamps * TICK_S
    factor = 1 + rate * dead_s
    error = math.sqrt(rate * seconds / factor**3)  # of a renewal process
    assert within(len(times), rate * seconds / factor, error)
    assert np.diff(times).min() >= dead_s - 2 * TICK_S
    seen = bench.simulator.monitor()
    assert within(seen["events"] + seen["dead"], rate * seconds, math.sqrt(rate * seconds))


def test_the_seed_alone_decides_what_comes_out(germanium):
    slow, fast = (
        germanium(seed=7, detector=2, gather_ms=gather).run(2.0, step)
        for step, gather in ((0.5, 50), (0.02, 0))
    )
    assert slow == fast
    assert slow != germanium(seed=8, detector=2).run(2.0)
    numbers = [event.event_number for event in iterate_events(slow)]
    assert numbers == list(range(len(numbers)))


def write_for_a_second(bench, buffer_bytes=100_000):
    """Return the blocks that are written in a second by looks a millisecond apart."""
    blocks, output = [], memoryview(bytearray(buffer_bytes))
    for millisecond in range(1, 1001):
        bench.now_s = millisecond * 1e-3
        if used := bench.simulator.produce(output):
            blocks.append(bytes(output[:used]))
    return blocks


@pytest.mark.parametrize("kind", ["germanium", "digitiser"])
def test_events_of_50_ms_share_a_block(kind, request):
    make = request.getfixturevalue(kind)
    at_once = write_for_a_second(make(rate=1000, gather_ms=0))
    gathered = write_for_a_second(make(rate=1000))
    assert len(at_once) > 500
    assert len(gathered) <= 20
    assert b"".join(at_once).startswith(b"".join(gathered))
    assert len(b"".join(gathered)) > 0.9 * len(b"".join(at_once))


@pytest.mark.parametrize(("kind", "buffer_bytes"), [("germanium", 320), ("digitiser", 6000)])
def test_a_full_block_waits_for_nobody(kind, buffer_bytes, request):
    bench = request.getfixturevalue(kind)(rate=1000, gather_ms=500)
    blocks = write_for_a_second(bench, buffer_bytes)
    assert len(blocks) > 50
    assert bench.simulator.monitor()["lost"] == 0


def test_detectors_of_one_seed_see_the_same_decays_with_their_own_energies(germanium):
    first, second = (
        unpack_energies(germanium(seed=3, detector=detector).run(2.0))[0] for detector in (0, 1)
    )
    apart_s = (first.timestamps - second.timestamps) * TICK_S
    assert len(apart_s) > 1500
    assert within(apart_s.std(), math.sqrt(2) * 20e-9, 20e-9 / math.sqrt(len(apart_s)))
    assert (first.energies_kev != second.energies_kev).all()
    assert set(second.detectors.tolist()) == {1}


def test_timestamps_never_go_back(germanium):
    times = unpack_energies(germanium(rate=1e5, jitter_ns=10000).run(1.0))[0].timestamps
    assert (np.diff(times) >= 0).all()


def test_what_cannot_be_written_for_a_second_is_lost_told_and_counted(germanium, caplog):
    bench = germanium(rate=1000, dead_time_us=0)
    written = unpack_energies(bench.run(10.0, step_s=10.0))[0].timestamps * TICK_S
    assert written.min() > 9 - 1e-6
    assert "lost: it was full for longer than a second" in caplog.text
    lost = bench.simulator.monitor()["lost"]
    assert within(lost, 9000, math.sqrt(9000))


def test_a_pause_stops_the_detectors_clock(germanium):
    bench = germanium(rate=1000)
    before = bench.run(1.0)
    bench.simulator.pause()
    assert bench.run(5.0) == b""
    bench.simulator.resume()
    after = bench.run(1.0)
    assert before + after == germanium(rate=1000).run(2.0)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sources": "60Co,42Xx"}, "sources: '42Xx' is not known; known: 60Co"),
        ({"lines": "1000:1,abc"}, "lines: 'abc' is not a line"),
        ({"lines": "-5:1"}, "lines: '-5:1' is not a line"),
        ({"noise": "3", "fwhm": "2"}, r"noise 3\.0 keV is more than"),
    ],
)
def test_values_that_make_no_sense_are_told(germanium, values, message):
    with pytest.raises(NarvalError, match=message):
        germanium(**values)


def test_a_buffer_smaller_than_a_frame_is_told(germanium):
    with pytest.raises(NarvalError, match="a frame has 32 bytes, the buffer 16"):
        germanium().run(1.0, buffer_bytes=16)


def test_resolution_grows_with_the_energy():
    sigmas = Response().sigma_kev(np.array([0.0, 500.0, 1332.492]))
    assert (np.diff(sigmas) > 0).all()
    assert sigmas[-1] * 2 * math.sqrt(2 * math.log(2)) == pytest.approx(2.0)


def test_a_pulse_rises_and_decays_exponentially():
    shape = pulse_shape(2000, 100, rise=5.0, decay=100.0)
    assert shape[:101].max() == 0
    assert shape.max() == pytest.approx(1, abs=1e-3)
    assert shape[700] / shape[800] == pytest.approx(math.e, rel=1e-3)


def test_pulses_have_baseline_noise_and_height(digitiser):
    bench = digitiser(rate=1000, noise=4, baseline=500, amplitude=3000, spread=100)
    pulses = [parse_pulse(event) for event in iterate_events(bench.run(1.0))]
    samples = np.array([pulse.samples for pulse in pulses])
    before = samples[:, :32]
    assert within(before.mean(), 500, 4 / math.sqrt(before.size))
    noise = math.sqrt(4**2 + 1 / 12)  # rounding adds its own
    assert within(before.std(), noise, noise / math.sqrt(2 * before.size))
    heights = samples[:, 40:80].mean(axis=1) - 500
    level = pulse_shape(256, 32, 5, 100)[40:80].mean()
    assert within(heights.mean(), 3000 * level, 100 / math.sqrt(len(heights)))
    assert within(len(pulses), 1000, math.sqrt(1000))


def test_the_converter_saturates(digitiser):
    bench = digitiser(bits=8, amplitude=3000, baseline=100)
    pulses = [parse_pulse(event) for event in iterate_events(bench.run(1.0))]
    assert {max(pulse.samples) for pulse in pulses} == {255}


def test_the_digitiser_loses_what_it_cannot_write_and_its_seed_decides(digitiser):
    bench = digitiser(rate=200)
    bench.run(5.0, step_s=5.0)
    seen = bench.simulator.monitor()
    assert within(seen["lost"], 800, math.sqrt(800))
    assert digitiser(seed=4).run(1.0) == digitiser(seed=4).run(1.0, step_s=0.05)


def test_a_decay_shorter_than_the_rise_is_told(digitiser):
    with pytest.raises(NarvalError, match=r"decay_ns 40\.0 must be longer"):
        digitiser(decay_ns=40)
