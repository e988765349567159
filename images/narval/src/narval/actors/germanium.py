"""What a germanium detector measures of gamma rays. Pure; needs numpy.

Each decay that is seen gives one gamma ray of the sources, chosen by intensity. It leaves all its
energy (the full-energy peak) or scatters once and escapes (the continuum below the Compton edge, by
Klein and Nishina's cross section). The efficiency is the same at all energies.

ref: intensities: Decay Data Evaluation Project; resolution: G. F. Knoll, Radiation Detection and
Measurement, ch. 12 (FWHM² = noise² + statistics, the latter growing with the energy).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from narval.errors import NarvalError

Floats = NDArray[np.float64]

FWHM_PER_SIGMA = 2 * math.sqrt(2 * math.log(2))
ELECTRON_KEV = 510.99895
REFERENCE_KEV = 1332.492
"""The line of 60Co at which the resolution of germanium is given."""

SOURCES: dict[str, tuple[tuple[float, float], ...]] = {  # energy in keV, gammas per 100 decays
    "60Co": ((1173.228, 99.85), (1332.492, 99.98)),
    "137Cs": ((661.657, 85.0),),
    "152Eu": (
        (121.782, 28.41), (244.697, 7.55), (344.279, 26.59), (411.117, 2.24), (443.965, 2.83),
        (778.905, 12.97), (867.380, 4.24), (964.079, 14.50), (1085.837, 10.13), (1112.076, 13.41),
        (1212.948, 1.42), (1299.142, 1.63), (1408.013, 20.85),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Response:
    """What the detector makes of a gamma ray."""

    fwhm_kev: float = 2.0  # at REFERENCE_KEV
    noise_kev: float = 1.0  # the width that the electronics give alone
    peak_share: float = 0.25  # of the gamma rays that are in the full-energy peak

    def sigma_kev(self, energies_kev: Floats) -> Floats:
        """Return the standard deviation of what is measured at these energies."""
        statistics = self.fwhm_kev**2 - self.noise_kev**2
        squares = self.noise_kev**2 + statistics * energies_kev / REFERENCE_KEV
        return np.asarray(np.sqrt(squares) / FWHM_PER_SIGMA)


def parse_lines(sources: str, lines: str) -> tuple[tuple[float, float], ...]:
    """Return energies in keV and relative intensities.

    Args:
        sources: names of `SOURCES`, comma between; equally active.
        lines: `ENERGY:INTENSITY`, comma between; if there are any, the sources are not looked at.

    Raises:
        NarvalError: a source is not known, or a line is not one.
    """
    if lines.strip():
        return tuple(_parse_line(text.strip()) for text in lines.split(","))
    found: list[tuple[float, float]] = []
    for name in (name.strip() for name in sources.split(",")):
        if name not in SOURCES:
            raise NarvalError(f"sources: {name!r} is not known; known: {', '.join(SOURCES)}")
        found += SOURCES[name]
    return tuple(found)


def draw_energies(
    generator: np.random.Generator,
    lines: Sequence[tuple[float, float]],
    response: Response,
    count: int,
) -> Floats:
    """Return that many measured energies in keV; none is below zero."""
    intensities = np.array([intensity for _, intensity in lines])
    which = generator.choice(len(lines), size=count, p=intensities / intensities.sum())
    energies = np.array([energy for energy, _ in lines])[which]
    scattered = generator.random(count) >= response.peak_share
    chances = generator.random(count)
    for index, (energy, _) in enumerate(lines):
        chosen = scattered & (which == index)
        grid, cumulative = compton_table(energy)
        energies[chosen] = np.interp(chances[chosen], cumulative, grid)
    measured = energies + generator.standard_normal(count) * response.sigma_kev(energies)
    return np.maximum(measured, 0.0)


def compton_edge_kev(energy_kev: float) -> float:
    """Return the most that a gamma ray leaves when it scatters once and escapes."""
    ratio = energy_kev / ELECTRON_KEV
    return energy_kev * 2 * ratio / (1 + 2 * ratio)


@cache
def compton_table(energy_kev: float, points: int = 512) -> tuple[Floats, Floats]:
    """Return energies left in the detector and their cumulative share, by Klein and Nishina."""
    ratio = energy_kev / ELECTRON_KEV
    left = np.linspace(0.0, compton_edge_kev(energy_kev), points)
    share = left / energy_kev
    density = 2 + (share / (ratio * (1 - share))) ** 2 + share / (1 - share) * (share - 2 / ratio)
    steps = (density[1:] + density[:-1]) / 2
    cumulative = np.concatenate(([0.0], np.cumsum(steps)))
    return left, cumulative / cumulative[-1]


def keep_live(
    times_s: Floats, dead_s: float, busy_until_s: float
) -> tuple[NDArray[np.bool_], float]:
    """Tell which arrivals a non-paralysable detector takes, and until when it is busy.

    Args:
        times_s: arrivals in order.
        busy_until_s: what the call for the arrivals before returned.
    """
    kept = np.ones(len(times_s), dtype=bool)
    if dead_s <= 0:
        return kept, busy_until_s
    for index, time_s in enumerate(times_s.tolist()):
        if time_s < busy_until_s:
            kept[index] = False
        else:
            busy_until_s = time_s + dead_s
    return kept, busy_until_s


def _parse_line(text: str) -> tuple[float, float]:
    energy, _, intensity = text.partition(":")
    try:
        line = float(energy), float(intensity or 1)
    except ValueError:
        line = 0.0, 0.0
    if not (0 < line[0] < math.inf and 0 < line[1] < math.inf):
        raise NarvalError(
            f"lines: {text!r} is not a line; write ENERGY_KEV:INTENSITY, such as 1173.2:1"
        )
    return line
