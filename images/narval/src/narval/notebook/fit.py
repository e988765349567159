"""The fit of a peak: a Gaussian on a straight background. Pure; needs numpy and iminuit.

Binned, extended maximum likelihood: right for few counts too, and each bin is compared with the
integral over its width.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from iminuit import Minuit
from iminuit.cost import ExtendedBinnedNLL
from numpy.typing import NDArray

from narval.errors import NarvalError
from narval.spectra import Axis

Floats = NDArray[np.float64]

LEAST_BINS = 8
LEAST_COUNTS = 20
FWHM_PER_SIGMA = 2 * math.sqrt(2 * math.log(2))

_LEAST_SIGNIFICANCE = 3.0  # area in units of its error
_EDGE_SHARE = 8  # the background is guessed from this part of the range at each end


class FitProblem(StrEnum):
    """Why there is no fit; the value names the sentence in `narval.notebook.words`."""

    RANGE = "fit_range"
    FEW = "fit_few"
    NO_PEAK = "fit_no_peak"
    UNSTABLE = "fit_unstable"


class FitError(NarvalError):
    """There is no fit."""

    def __init__(self, problem: FitProblem, **facts: object) -> None:
        self.problem = problem
        self.facts = facts
        super().__init__(f"{problem.name.lower().replace('_', ' ')}: {facts}")


@dataclass(frozen=True)
class Measured:
    """A value with its standard error."""

    value: float
    error: float

    def __str__(self) -> str:
        """Return both with as many decimals as two digits of the error need."""
        if not (math.isfinite(self.error) and self.error > 0):
            return f"{self.value:g}"
        decimals = max(0, 1 - math.floor(math.log10(self.error)))
        return f"{self.value:.{decimals}f} ± {self.error:.{decimals}f}"


@dataclass(frozen=True)
class PeakFit:
    """A peak; positions and widths in the axis' unit."""

    centroid: Measured
    fwhm: Measured
    area: Measured  # counts above the background
    background: tuple[float, float]  # counts per unit at both ends of the range
    low: float
    high: float
    chi2_per_dof: float

    def curve(self, places: Floats, bin_width: float) -> Floats:
        """Return the expected counts of bins of this width at these places."""
        sigma = self.fwhm.value / FWHM_PER_SIGMA
        height = self.area.value / (sigma * math.sqrt(2 * math.pi))
        gaussian = height * np.exp(-(((places - self.centroid.value) / sigma) ** 2) / 2)
        left, right = self.background
        straight = left + (right - left) * (places - self.low) / (self.high - self.low)
        return np.asarray((gaussian + straight) * bin_width)


def fit_peak(axis: Axis, counts: NDArray[np.integer], low: float, high: float) -> PeakFit:
    """Return the peak between two limits; whole bins are taken.

    Raises:
        FitError: there is none, or too little to tell.
    """
    edges = axis.edges()
    first, last = np.searchsorted(edges, sorted((low, high)))
    edges, chosen = edges[first : last + 1], counts[first:last].astype(np.float64)
    edges = edges[: len(chosen) + 1]
    if len(chosen) < LEAST_BINS:
        raise FitError(FitProblem.RANGE, least=LEAST_BINS, bins=len(chosen))
    if chosen.sum() < LEAST_COUNTS:
        raise FitError(FitProblem.FEW, counts=int(chosen.sum()))
    cost = ExtendedBinnedNLL(chosen, edges, CumulativeModel(float(edges[0]), float(edges[-1])))
    minuit = Minuit(cost, **_guess(edges, chosen))
    width = float(edges[-1] - edges[0])
    minuit.limits["area"] = (0, 2 * chosen.sum())
    minuit.limits["centroid"] = (edges[0], edges[-1])
    minuit.limits["sigma"] = (axis.width / 10, width)
    minuit.limits["left"] = minuit.limits["right"] = (0, None)
    minuit.migrad()
    minuit.hesse()
    return _judge(minuit, float(edges[0]), float(edges[-1]))


class CumulativeModel:
    """Counts everything below an edge: what iminuit compares with the bins.

    Args:
        low, high: the range of the fit, where the background has its values `left` and `right`.
    """

    def __init__(self, low: float, high: float) -> None:
        self._low, self._span = low, high - low

    def __call__(
        self,
        edges: Floats,
        area: float,
        centroid: float,
        sigma: float,
        left: float,
        right: float,
    ) -> Floats:
        """Return the expected counts below each edge, up to a constant."""
        scaled = (edges - centroid) / (sigma * math.sqrt(2))
        gaussian = np.fromiter(map(math.erf, scaled.tolist()), float, len(scaled)) / 2
        passed = edges - self._low
        straight = left * passed + (right - left) * passed**2 / (2 * self._span)
        return np.asarray(area * gaussian + straight)


def _guess(edges: Floats, counts: Floats) -> dict[str, float]:
    """Return where the fit begins: background from both ends, the rest from what is above it."""
    part = max(len(counts) // _EDGE_SHARE, 1)
    width = float(edges[1] - edges[0])
    left, right = float(counts[:part].mean()), float(counts[-part:].mean())
    above = counts - np.linspace(left, right, len(counts))
    smooth = np.convolve(above, np.ones(3) / 3, mode="same")
    top = int(smooth.argmax())
    area = max(float(above.sum()), 1.0)
    sigma = area * width / (max(float(smooth[top]), 1.0) * math.sqrt(2 * math.pi))
    span = float(edges[-1] - edges[0])
    return {
        "area": area,
        "centroid": float(edges[top] + edges[top + 1]) / 2,
        "sigma": min(max(sigma, width / 2), span / 4),
        "left": max(left / width, 1e-3),
        "right": max(right / width, 1e-3),
    }


def _judge(minuit: Minuit, low: float, high: float) -> PeakFit:
    """Return what the fit found, where it can be believed."""
    found = {name: Measured(minuit.values[name], minuit.errors[name]) for name in minuit.parameters}
    area, sigma = found["area"], found["sigma"]
    if not minuit.valid or not all(math.isfinite(each.error) for each in found.values()):
        raise FitError(FitProblem.UNSTABLE)
    if area.value < _LEAST_SIGNIFICANCE * area.error:
        raise FitError(FitProblem.NO_PEAK)
    if found["centroid"].error > (high - low) / 4 or sigma.value > (high - low) / 2:
        raise FitError(FitProblem.UNSTABLE)
    return PeakFit(
        centroid=found["centroid"],
        fwhm=Measured(sigma.value * FWHM_PER_SIGMA, sigma.error * FWHM_PER_SIGMA),
        area=area,
        background=(found["left"].value, found["right"].value),
        low=low,
        high=high,
        chi2_per_dof=float(minuit.fmin.reduced_chi2),
    )
