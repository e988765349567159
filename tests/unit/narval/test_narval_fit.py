"""The fit of a peak: right on average, with right errors; and a sentence where there is none."""

from __future__ import annotations

import math

import numpy as np
import pytest

from narval.notebook.fit import CumulativeModel, FitError, FitProblem, Measured, fit_peak
from narval.spectra import Axis

AXIS = Axis("energy (keV)", 2048, 0, 1024)
FWHM = 2 * math.sqrt(2 * math.log(2))


def draw(generator, area=2000.0, centroid=600.0, sigma=1.5, level=20.0, slope=0.0):
    """Return counts of a peak on a background; level and slope per keV, at the centroid."""
    centres = AXIS.centres()
    peak = np.exp(-(((centres - centroid) / sigma) ** 2) / 2)
    expected = area * AXIS.width / (sigma * math.sqrt(2 * math.pi)) * peak
    expected += np.maximum(level + slope * (centres - centroid), 0) * AXIS.width
    return generator.poisson(expected)


@pytest.mark.parametrize(("area", "level"), [(5000, 100), (300, 2)])
def test_values_and_errors_are_right_over_many_spectra(area, level):
    generator = np.random.default_rng(11)
    pulls = []
    for _ in range(60):
        fit = fit_peak(AXIS, draw(generator, area=area, level=level, slope=-level / 40), 585, 615)
        wanted = ((fit.centroid, 600.0), (fit.fwhm, 1.5 * FWHM), (fit.area, area))
        pulls.append([(measured.value - true) / measured.error for measured, true in wanted])
    means, spreads = np.mean(pulls, axis=0), np.std(pulls, axis=0)
    assert (abs(means) < 5 / math.sqrt(60)).all()
    assert (abs(spreads - 1) < 5 / math.sqrt(120)).all()


def test_the_fit_describes_the_spectrum():
    fit = fit_peak(AXIS, draw(np.random.default_rng(2)), 585, 615)
    assert 0.5 < fit.chi2_per_dof < 1.6
    top = fit.curve(np.array([600.0]), AXIS.width)[0]
    assert top == pytest.approx(2000 * 0.5 / (1.5 * math.sqrt(2 * math.pi)) + 10, rel=0.1)
    left, right = fit.background
    assert left == pytest.approx(20, abs=5 * math.sqrt(20 / 5))
    assert right == pytest.approx(20, abs=5 * math.sqrt(20 / 5))


def test_the_model_integrates_the_line_and_the_peak():
    edges = np.linspace(10.0, 30.0, 2001)
    model = CumulativeModel(10.0, 30.0)
    straight = np.diff(model(edges, 0.0, 20.0, 1.0, 4.0, 10.0)) / 0.01
    assert straight == pytest.approx(np.interp((edges[:-1] + edges[1:]) / 2, [10, 30], [4, 10]))
    peak = np.diff(model(edges, 500.0, 20.0, 1.5, 0.0, 0.0))
    centres = (edges[:-1] + edges[1:]) / 2
    assert peak.sum() == pytest.approx(500)
    assert (peak * centres).sum() / 500 == pytest.approx(20)
    assert (peak * (centres - 20) ** 2).sum() / 500 == pytest.approx(1.5**2, rel=1e-4)


def test_limits_may_stand_the_other_way_round():
    counts = draw(np.random.default_rng(2))
    assert fit_peak(AXIS, counts, 615, 585) == fit_peak(AXIS, counts, 585, 615)


@pytest.mark.parametrize(
    ("changes", "limits", "problem"),
    [
        ({}, (599, 602), FitProblem.RANGE),
        ({}, (2000, 3000), FitProblem.RANGE),
        ({"area": 3, "level": 0.1}, (585, 615), FitProblem.FEW),
        ({"area": 0, "level": 100}, (585, 615), FitProblem.NO_PEAK),
    ],
)
def test_where_there_is_no_peak_the_reason_is_told(changes, limits, problem):
    counts = draw(np.random.default_rng(5), **changes)
    with pytest.raises(FitError) as caught:
        fit_peak(AXIS, counts, *limits)
    assert caught.value.problem == problem


def test_a_flat_background_is_hardly_ever_taken_for_a_peak():
    generator = np.random.default_rng(6)
    found = 0
    for _ in range(40):
        try:
            fit_peak(AXIS, draw(generator, area=0, level=50), 585, 615)
        except FitError as error:
            assert error.problem in {FitProblem.NO_PEAK, FitProblem.UNSTABLE}  # noqa: PT017
        else:
            found += 1
    assert found <= 6


@pytest.mark.parametrize(
    ("measured", "text"),
    [
        (Measured(1332.4921, 0.0123), "1332.492 ± 0.012"),
        (Measured(2034.6, 47.2), "2035 ± 47"),
        (Measured(5.0, math.nan), "5"),
    ],
)
def test_values_have_as_many_decimals_as_their_error(measured, text):
    assert str(measured) == text
