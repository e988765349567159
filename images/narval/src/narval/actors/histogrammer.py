"""A consumer that sorts energies into spectra. Needs numpy and boost-histogram."""

from __future__ import annotations

from collections.abc import Mapping
from threading import Lock
from typing import Any, ClassVar

import numpy as np

from narval.actors.energy_frames import unpack_energies
from narval.errors import NarvalError
from narval.events import TICK_S
from narval.plugins.plugin import Consumer, Parameter, Run
from narval.spectra import Axis, Histogram

COINCIDENCES = "coincidences"
ENERGY_TIME = "energy_time"

_TIME_BINS = 240


class Histogrammer(Consumer):
    """Sorts ENERGIES frames, and those in built events, and passes over others.

    Its spectra: `detector_N`, the energies of each detector; `energy_time`, energies against the
    time of the run; `coincidences`, energies against each other for each pair in a built event.
    `ask("spectra", {"names": [...], "rebin": 4})` returns some or all (`narval.spectra`),
    `ask("names", {})` their names, `ask("clear", {})` empties them.
    """

    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("bins", 4096, "bins of the energy", least=2, most=65536),
        Parameter("low", 0.0, "lowest energy, in keV"),
        Parameter("high", 2048.0, "highest energy, in keV"),
        Parameter("matrix_bins", 256, "bins of the energies in two dimensions", least=2, most=512),
        Parameter("duration", 600.0, "longest time in energy_time, in seconds", least=1),
    )

    def __init__(self) -> None:
        super().__init__()
        self._lock = Lock()
        self._histograms: dict[str, Histogram] = {}

    def initialise(self) -> None:
        """Check the range of energies.

        Raises:
            NarvalError: it is empty.
        """
        low, high = float(self.values["low"]), float(self.values["high"])
        if low >= high:
            raise NarvalError(f"low {low} keV is not below high {high} keV")

    def start(self, run: Run) -> None:  # noqa: ARG002
        """Begin with empty spectra."""
        self._clear()

    def consume(self, data: memoryview) -> None:
        """Sort a block.

        Raises:
            FrameError: it holds something else than whole frames.
        """
        found, pairs = unpack_energies(data)
        with self._lock:
            for detector in np.unique(found.detectors).tolist():
                energies = found.energies_kev[found.detectors == detector]
                self._histogram(f"detector_{detector}").fill(energies)
            if len(found.timestamps):
                times_s = found.timestamps.astype(np.float64) * TICK_S
                self._histogram(ENERGY_TIME).fill(times_s, found.energies_kev)
            if pairs:
                columns = np.array(pairs)
                self._histogram(COINCIDENCES).fill(columns[:, 0], columns[:, 1])

    def monitor(self) -> dict[str, Any] | None:
        """Return how much is in each spectrum."""
        with self._lock:
            return {name: each.entries for name, each in self._histograms.items()}

    def ask(self, what: str, with_: Mapping[str, Any]) -> Any:
        """Return spectra or their names, or empty them; from any thread.

        Raises:
            NarvalError: there is no such spectrum, or nothing of the kind can be asked.
        """
        if what == "names":
            return sorted(self._histograms)
        if what == "clear":
            return self._clear()
        if what != "spectra":
            raise NarvalError(f"a histogrammer knows no {what!r}; ask names, spectra or clear")
        with self._lock:
            names = with_.get("names") or sorted(self._histograms)
            missing = [name for name in names if name not in self._histograms]
            if missing:
                there = ", ".join(sorted(self._histograms)) or "none yet"
                raise NarvalError(f"there is no spectrum {missing[0]!r}; there are: {there}")
            spectra = [self._histograms[name].snapshot() for name in names]
        factor = int(with_.get("rebin", 1))
        return {each.name: each.rebinned(factor).to_json() for each in spectra}

    def _clear(self) -> None:
        with self._lock:
            self._histograms = {}

    def _histogram(self, name: str) -> Histogram:
        if name not in self._histograms:
            self._histograms[name] = Histogram(name, self._axes(name))
        return self._histograms[name]

    def _axes(self, name: str) -> list[Axis]:
        low, high = float(self.values["low"]), float(self.values["high"])
        coarse = Axis("energy (keV)", int(self.values["matrix_bins"]), low, high)
        if name == ENERGY_TIME:
            return [Axis("time (s)", _TIME_BINS, 0.0, float(self.values["duration"])), coarse]
        if name == COINCIDENCES:
            return [coarse, coarse]
        return [Axis("energy (keV)", int(self.values["bins"]), low, high)]
