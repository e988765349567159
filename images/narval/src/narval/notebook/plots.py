"""Pictures of spectra, drawn by the browser."""

from __future__ import annotations

from collections.abc import Callable

import bqplot
import numpy as np
from bqplot.interacts import BrushIntervalSelector
from numpy.typing import NDArray

from narval.notebook.fit import PeakFit
from narval.notebook.words import Language, phrase
from narval.spectra import Spectrum

_MARGIN = {"top": 12, "bottom": 48, "left": 68, "right": 16}
_LABEL_OFFSET = "50px"  # beyond the figures of the axis
_HALF_A_COUNT = 0.5  # where an empty bin stands on a logarithmic scale
_CURVE_POINTS = 200


class LinePlot:
    """A spectrum of one axis, with a fit over it.

    Args:
        chosen: is told the limits that were chosen by dragging.
    """

    def __init__(self, language: Language, chosen: Callable[[float, float], None]) -> None:
        self._language = language
        self._x, self._y = bqplot.LinearScale(), bqplot.LinearScale(min=0)
        scales = {"x": self._x, "y": self._y}
        self._line = bqplot.Lines(
            x=[0.0], y=[0.0], scales=scales, interpolation="step-after", stroke_width=1.2
        )
        self._fit = bqplot.Lines(x=[], y=[], scales=scales, colors=["#d95f02"], stroke_width=2.5)
        self._below = bqplot.Axis(scale=self._x)
        self._beside = bqplot.Axis(scale=self._y, side="left", label_offset=_LABEL_OFFSET)
        brush = BrushIntervalSelector(scale=self._x, color="#1b9e77")
        brush.observe(lambda change: _tell(change["new"], chosen), "selected")
        self.figure = bqplot.Figure(
            marks=[self._line, self._fit], axes=[self._below, self._beside],
            interaction=brush, fig_margin=_MARGIN,
        )  # fmt: skip
        self.figure.layout.height = "360px"

    def show(self, spectrum: Spectrum, fit: PeakFit | None, *, logarithmic: bool) -> None:
        """Show a spectrum; nothing is sent of what has not changed."""
        axis = spectrum.axes[0]
        heights = _scaled(spectrum.counts, logarithmic=logarithmic)
        places = axis.edges()[:-1].astype(np.float32)
        with self._line.hold_sync():
            _set(self._line, "x", places)
            _set(self._line, "y", heights)
        self._y.min = float(_scaled(np.zeros(1), logarithmic=logarithmic)[0])
        self._below.label = axis.label
        self._beside.label = phrase("counts_log" if logarithmic else "counts", self._language)
        points = 0 if fit is None else _CURVE_POINTS
        along = np.linspace(*((0.0, 0.0) if fit is None else (fit.low, fit.high)), points)
        expected = along if fit is None else fit.curve(along, axis.width)
        curve = _scaled(expected, logarithmic=logarithmic)
        with self._fit.hold_sync():
            _set(self._fit, "x", along)
            _set(self._fit, "y", curve)

    def zoom(self, low: float | None, high: float | None) -> None:
        """Show only this range; None: as far as there are bins."""
        self._x.min, self._x.max = low, high


class MatrixPlot:
    """A spectrum of two axes, as colours: on a logarithmic scale, or not."""

    def __init__(self, language: Language) -> None:
        self._language = language
        self._x, self._y = bqplot.LinearScale(), bqplot.LinearScale()
        colour = bqplot.ColorScale(scheme="viridis")
        self._map = bqplot.HeatMap(
            x=np.arange(2.0), y=np.arange(2.0), color=np.zeros((2, 2)),
            scales={"x": self._x, "y": self._y, "color": colour},
        )  # fmt: skip
        self._below = bqplot.Axis(scale=self._x)
        self._beside = bqplot.Axis(scale=self._y, side="left", label_offset=_LABEL_OFFSET)
        self._key = bqplot.ColorAxis(scale=colour, side="right", label_offset=_LABEL_OFFSET)
        self.figure = bqplot.Figure(
            marks=[self._map], axes=[self._below, self._beside, self._key],
            fig_margin={**_MARGIN, "right": 110},
        )  # fmt: skip
        self.figure.layout.height = "420px"

    def show(self, spectrum: Spectrum, *, logarithmic: bool) -> None:
        """Show a spectrum; nothing is sent of what has not changed."""
        across, up = spectrum.axes
        with self._map.hold_sync():
            _set(self._map, "x", across.centres().astype(np.float32))
            _set(self._map, "y", up.centres().astype(np.float32))
            _set(self._map, "color", _scaled(spectrum.counts.T, logarithmic=logarithmic))
        self._below.label, self._beside.label = across.label, up.label
        self._key.label = phrase("counts_log" if logarithmic else "counts", self._language)


def _scaled(counts: NDArray[np.generic], *, logarithmic: bool) -> NDArray[np.float32]:
    values = np.asarray(counts, np.float32)
    return np.log10(np.maximum(values, _HALF_A_COUNT)) if logarithmic else values


def _set(mark: bqplot.Mark, trait: str, values: NDArray[np.generic]) -> None:
    if not np.array_equal(getattr(mark, trait), values):
        setattr(mark, trait, np.ascontiguousarray(values))


def _tell(selected: object, chosen: Callable[[float, float], None]) -> None:
    limits = np.asarray(selected if selected is not None else [], dtype=float)
    if limits.shape == (2,):
        chosen(float(limits[0]), float(limits[1]))
