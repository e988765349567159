"""A spectrum as the histogram that physicists work on with: `hist.Hist`."""

from __future__ import annotations

from typing import Any

import hist

from narval.spectra import Spectrum


def to_hist(spectrum: Spectrum) -> hist.Hist[Any]:
    """Return a copy of a spectrum; what was outside its bins is not in it."""
    axes = [
        hist.axis.Regular(axis.bins, axis.low, axis.high, label=axis.label)
        for axis in spectrum.axes
    ]
    filled = hist.Hist(*axes, storage=hist.storage.Int64(), name=spectrum.name)
    filled.view()[...] = spectrum.counts
    return filled
