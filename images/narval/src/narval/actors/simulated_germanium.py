"""A producer that acts as a germanium detector with its electronics. Needs numpy."""

from __future__ import annotations

import time
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from narval.actors.energy_frames import FRAME, Floats, Integers, pack_energies
from narval.actors.germanium import Response, draw_energies, keep_live, parse_lines
from narval.actors.losses import FULL, Losses
from narval.actors.pace import GATHER_MS, Pace, RunClock
from narval.errors import NarvalError
from narval.events import TICK_S
from narval.plugins.plugin import Parameter, Producer, Run

_BATCH = (
    1024  # arrivals drawn at once: what comes out depends on the seed, not on the machine's pace
)
_KEPT_S = 1.0

_DRAWN = np.dtype([("time_s", "f8"), ("tick", "i8"), ("energy_kev", "f8"), ("dead_before", "i8")])


class SimulatedGermanium(Producer):
    """Writes one ENERGIES frame for each event that the detector takes, in real time.

    Detectors with the same seed see the same decays at the same times, each with its own energies
    and its own jitter: what an event builder needs. What cannot be written for longer than a second
    is lost, as in a full front end, and counted.
    """

    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("rate", 1000.0, "true events per second", least=1e-3, most=1e6),
        Parameter("seed", 1, "of the random numbers; the same gives the same events", least=0),
        Parameter("sources", "60Co,152Eu", "sources in front of the detector"),
        Parameter("lines", "", "gamma lines of your own instead: ENERGY_KEV:INTENSITY,..."),
        Parameter("fwhm", 2.0, "resolution at 1332.5 keV, in keV", least=0.01, most=1000),
        Parameter("noise", 1.0, "the part of it that the electronics give, in keV", least=0),
        Parameter("peak_share", 0.25, "share of events in the peaks", least=0, most=1),
        Parameter("dead_time_us", 10.0, "after each event taken, non-paralysable", least=0),
        Parameter("jitter_ns", 20.0, "standard deviation of the timestamps", least=0, most=1e6),
        Parameter("detector", 0, "dataSource of the frames", least=0, most=255),
        GATHER_MS,
    )

    def __init__(self, clock: RunClock | None = None) -> None:
        super().__init__()
        self._clock = clock or RunClock()
        self._taken = self._dead = 0
        self._losses = Losses(time.monotonic)
        self._waiting = np.empty(0, _DRAWN)  # what the detector takes and is not yet written

    def initialise(self) -> None:
        """Check what belongs together."""
        self._lines = parse_lines(str(self.values["sources"]), str(self.values["lines"]))
        fwhm, noise = self._number("fwhm"), self._number("noise")
        if noise > fwhm:
            raise NarvalError(f"noise {noise} keV is more than the whole resolution, {fwhm} keV")
        self._response = Response(fwhm, noise, self._number("peak_share"))

    def start(self, run: Run) -> None:  # noqa: ARG002
        """Begin at time zero with the first random number."""
        seed, detector = int(self._number("seed")), int(self._number("detector"))
        self._arrivals = np.random.default_rng(seed)
        self._measured = np.random.default_rng([seed, detector])
        self._taken = self._dead = 0
        self._losses = Losses(time.monotonic)
        self._drawn_s = self._busy_until_s = 0.0
        self._drawn_dead = self._last_tick = 0
        self._waiting = np.empty(0, _DRAWN)
        self._pace = Pace(self._number("gather_ms") * 1e-3)
        self._clock.start()

    def pause(self) -> None:
        """Take nothing for a while."""
        self._clock.pause()

    def resume(self) -> None:
        """Go on."""
        self._clock.resume()

    def produce(self, output: memoryview) -> int:
        """Write the events that have happened by now, as many as fit."""
        now_s = self._clock.elapsed_s()
        while self._drawn_s <= now_s:
            self._draw()
        if lost := len(self._take(now_s - _KEPT_S, len(self._waiting))):
            self._losses.note("lost", "buffer", FULL, lost)
        room = len(output) // FRAME.itemsize
        if not room:
            raise NarvalError(f"a frame has {FRAME.itemsize} bytes, the buffer {len(output)}")
        if not self._pace.is_due(now_s, self._count(now_s) / room):
            return 0
        events = self._take(now_s, room)
        if not len(events):
            return 0
        data = pack_energies(
            events["tick"],
            events["energy_kev"],
            detector=int(self._number("detector")),
            first_number=self._taken,
        )
        output[: len(data)] = data
        self._taken += len(events)
        return len(data)

    def monitor(self) -> dict[str, Any] | None:
        """Return what was taken, what came in the dead time and what could not be written."""
        return {
            "events": self._taken,
            "dead": self._dead,
            "lost": self._losses.count("lost"),
        }

    def _draw(self) -> None:
        gaps = self._arrivals.exponential(1 / self._number("rate"), _BATCH)
        times_s = self._drawn_s + np.cumsum(gaps)
        self._drawn_s = float(times_s[-1])
        dead_s = self._number("dead_time_us") * 1e-6
        kept, self._busy_until_s = keep_live(times_s, dead_s, self._busy_until_s)
        drawn = np.empty(_BATCH, _DRAWN)
        drawn["time_s"] = times_s
        drawn["tick"] = self._make_ticks(times_s)
        drawn["energy_kev"] = draw_energies(self._measured, self._lines, self._response, _BATCH)
        drawn["dead_before"] = self._drawn_dead + np.cumsum(~kept)
        self._drawn_dead = int(drawn["dead_before"][-1])
        self._waiting = np.concatenate((self._waiting, drawn[kept]))

    def _make_ticks(self, times_s: Floats) -> Integers:
        """Return timestamps with jitter, each at least the one before."""
        jitter_s = self._measured.normal(0.0, self._number("jitter_ns") * 1e-9, len(times_s))
        ticks = np.round((times_s + jitter_s) / TICK_S).astype(np.int64)
        ticks = np.maximum.accumulate(np.maximum(ticks, self._last_tick))
        self._last_tick = int(ticks[-1])
        return ticks

    def _take(self, until_s: float, most: int) -> NDArray[np.void]:
        """Remove and return the events that have happened by then."""
        count = min(self._count(until_s), most)
        events, self._waiting = self._waiting[:count], self._waiting[count:]
        if count:
            self._dead = int(events["dead_before"][-1])
        return events

    def _count(self, until_s: float) -> int:
        return int(np.searchsorted(self._waiting["time_s"], until_s, side="right"))

    def _number(self, name: str) -> float:
        return float(self.values[name])
