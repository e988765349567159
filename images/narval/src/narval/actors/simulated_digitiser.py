"""A producer that acts as a digitiser's channel behind a preamplifier. Needs numpy."""

from __future__ import annotations

import time
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from narval.actors.losses import FULL, Losses
from narval.actors.pace import GATHER_MS, Pace, RunClock
from narval.errors import NarvalError
from narval.events import TICK_S, FrameType, Pulse, pack_pulse
from narval.mfm import EVENT_HEADER_BYTES, Event, pack_event
from narval.plugins.plugin import Parameter, Producer, Run

_BEFORE_SHARE = 0.125  # of the samples, before the pulse begins
_KEPT_S = 1.0


def pulse_shape(samples: int, begin: int, rise: float, decay: float) -> NDArray[np.float64]:
    """Return a pulse of height 1: exponential rise and decay.

    Args:
        begin: the sample in which it begins.
        rise: time constant, in samples.
        decay: time constant, in samples; longer than the rise's.
    """
    times = np.maximum(np.arange(samples) - begin, 0)
    shape = np.exp(-times / decay) - np.exp(-times / rise)
    peak = rise * decay / (decay - rise) * np.log(decay / rise)
    return np.asarray(shape / (np.exp(-peak / decay) - np.exp(-peak / rise)))


class SimulatedDigitiser(Producer):
    """Writes one PULSE frame for each pulse, in real time, at random times.

    Pulses that cannot be written for longer than a second are lost and counted.
    """

    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("rate", 100.0, "pulses per second", least=1e-3, most=1e5),
        Parameter("seed", 1, "of the random numbers; the same gives the same pulses", least=0),
        Parameter("samples", 256, "samples of a pulse", least=16, most=65536),
        Parameter("period_ns", 10, "time between samples", least=1, most=65535),
        Parameter("rise_ns", 50.0, "time constant of the rise", least=1),
        Parameter("decay_ns", 1000.0, "time constant of the decay", least=1),
        Parameter("amplitude", 4000.0, "mean height of pulses, in channels", least=0),
        Parameter("spread", 400.0, "standard deviation of their heights", least=0),
        Parameter("baseline", 1000.0, "level without a pulse, in channels", least=0),
        Parameter("noise", 5.0, "standard deviation of each sample", least=0),
        Parameter("bits", 14, "of the converter, which saturates beyond", least=1, most=16),
        Parameter("channel", 0, "channel in the frames", least=0, most=65535),
        Parameter("detector", 0, "dataSource of the frames", least=0, most=255),
        GATHER_MS,
    )

    def __init__(self, clock: RunClock | None = None) -> None:
        super().__init__()
        self._clock = clock or RunClock()
        self._written = 0
        self._losses = Losses(time.monotonic)

    def initialise(self) -> None:
        """Make the shape of the pulses."""
        period, rise, decay = map(self._number, ("period_ns", "rise_ns", "decay_ns"))
        if decay <= rise:
            raise NarvalError(f"decay_ns {decay} must be longer than rise_ns {rise}")
        samples = int(self._number("samples"))
        begin = int(samples * _BEFORE_SHARE)
        self._shape = pulse_shape(samples, begin, rise / period, decay / period)

    def start(self, run: Run) -> None:  # noqa: ARG002
        """Begin at time zero with the first random number."""
        self._random = np.random.default_rng(int(self._number("seed")))
        self._written = 0
        self._losses = Losses(time.monotonic)
        self._next_s = self._gap_s()
        self._pace = Pace(self._number("gather_ms") * 1e-3)
        self._clock.start()

    def pause(self) -> None:
        """Write nothing for a while."""
        self._clock.pause()

    def resume(self) -> None:
        """Go on."""
        self._clock.resume()

    def produce(self, output: memoryview) -> int:
        """Write the pulses that have come by now, as many as fit."""
        frame_bytes = EVENT_HEADER_BYTES + 4 + 2 * len(self._shape)
        if frame_bytes > len(output):
            raise NarvalError(f"a frame has {frame_bytes} bytes, the buffer {len(output)}")
        now_s, used = self._clock.elapsed_s(), 0
        expected = (now_s - self._next_s) * self._number("rate")
        if not self._pace.is_due(now_s, 2 * expected * frame_bytes / len(output)):
            return 0
        while self._next_s <= now_s and used + frame_bytes <= len(output):
            samples = self._draw()  # also of a lost one: those after it are the same
            if self._next_s < now_s - _KEPT_S:
                self._losses.note("lost", "buffer", FULL)
            else:
                output[used : used + frame_bytes] = self._pack(samples)
                used += frame_bytes
            self._next_s += self._gap_s()
        return used

    def monitor(self) -> dict[str, Any] | None:
        """Return what was written and what could not be."""
        return {"pulses": self._written, "lost": self._losses.count("lost")}

    def _pack(self, samples: NDArray[np.int64]) -> bytes:
        channel, period = int(self._number("channel")), int(self._number("period_ns"))
        payload = pack_pulse(Pulse(channel, period, samples.tolist()))
        ticks = round(self._next_s / TICK_S)
        number, detector = self._written, int(self._number("detector"))
        self._written += 1
        return pack_event(Event(FrameType.PULSE, ticks, number, payload, detector))

    def _draw(self) -> NDArray[np.int64]:
        height = self._random.normal(self._number("amplitude"), self._number("spread"))
        level = self._number("baseline") + max(height, 0.0) * self._shape
        noisy = level + self._random.normal(0.0, self._number("noise"), len(level))
        most = 2 ** int(self._number("bits")) - 1
        return np.asarray(np.clip(np.round(noisy), 0, most).astype(np.int64))

    def _gap_s(self) -> float:
        return float(self._random.exponential(1 / self._number("rate")))

    def _number(self, name: str) -> float:
        return float(self.values[name])
