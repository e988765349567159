"""Spectra: histograms of one or two axes that travel as JSON. Needs numpy and boost-histogram."""

from __future__ import annotations

import base64
import binascii
import math
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import boost_histogram as bh
import numpy as np
from numpy.typing import NDArray

from narval.errors import NarvalError

Counts = NDArray[np.uint32]

MAX_BYTES = 64 * 2**20
"""Of the counts of a spectrum that comes from elsewhere: four thousand bins square."""


@dataclass(frozen=True)
class Axis:
    """Bins of equal width."""

    label: str
    bins: int
    low: float
    high: float

    @property
    def width(self) -> float:
        """Of one bin."""
        return (self.high - self.low) / self.bins

    def edges(self) -> NDArray[np.float64]:
        """Return the limits of all bins, one more than there are bins."""
        return np.linspace(self.low, self.high, self.bins + 1)

    def centres(self) -> NDArray[np.float64]:
        """Return the middle of each bin."""
        edges = self.edges()
        return np.asarray((edges[:-1] + edges[1:]) / 2)

    def rebinned(self, factor: int) -> Axis:
        """Return the axis with so many bins joined to one; bins left over at its end are cut."""
        bins = self.bins // factor
        return Axis(self.label, bins, self.low, self.low + bins * factor * self.width)


@dataclass(frozen=True)
class Spectrum:
    """A histogram at one moment."""

    name: str
    axes: tuple[Axis, ...]
    counts: Counts  # one dimension for each axis
    entries: int  # all that was filled in
    outside: int  # of them, what no bin holds

    def rebinned(self, factor: int) -> Spectrum:
        """Return it with so many bins of each axis joined to one.

        Raises:
            NarvalError: there are not so many bins.
        """
        least = min(axis.bins for axis in self.axes)
        if not 1 <= factor <= least:
            raise NarvalError(f"{self.name}: rebin {factor} is not between 1 and {least} bins")
        counts = self.counts
        for index, axis in enumerate(self.axes):
            bins = axis.bins // factor
            kept = np.take(counts, range(bins * factor), axis=index)
            shape = (*kept.shape[:index], bins, factor, *kept.shape[index + 1 :])
            counts = kept.reshape(shape).sum(axis=index + 1, dtype=np.uint32)
        axes = tuple(axis.rebinned(factor) for axis in self.axes)
        outside = self.outside + int(self.counts.sum()) - int(counts.sum())
        return Spectrum(self.name, axes, counts, self.entries, outside)

    def to_json(self) -> dict[str, Any]:
        """Return it for `from_json`; the counts as compressed bytes, a tenth of their size."""
        data = zlib.compress(np.ascontiguousarray(self.counts, "<u4").tobytes(), 1)
        return {
            "name": self.name,
            "axes": [asdict(axis) for axis in self.axes],
            "counts": base64.b64encode(data).decode(),
            "entries": self.entries,
            "outside": self.outside,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Spectrum:
        """Return what `to_json` was called on.

        Raises:
            NarvalError: it is nothing of that kind.
        """
        try:
            axes = tuple(map(_read_axis, value["axes"]))
            size = 4 * math.prod(axis.bins for axis in axes)
            if size > MAX_BYTES:
                raise ValueError(f"{size} bytes of counts; at most {MAX_BYTES} are taken")
            # No more than the axes say: a message of a megabyte could unpack to a thousand.
            data = zlib.decompressobj().decompress(base64.b64decode(value["counts"]), size + 1)
            counts = np.frombuffer(data, "<u4").reshape([axis.bins for axis in axes])
            entries, outside = int(value["entries"]), int(value["outside"])
            return cls(str(value["name"]), axes, counts, entries, outside)
        except (KeyError, TypeError, ValueError, binascii.Error, zlib.error) as error:
            raise NarvalError(f"an answer that is not a spectrum: {error!r}") from error


def _read_axis(value: Mapping[str, Any]) -> Axis:
    """Return the axis; raises ValueError, KeyError or TypeError if it is not one."""
    axis = Axis(str(value["label"]), int(value["bins"]), float(value["low"]), float(value["high"]))
    if not (1 <= axis.bins <= MAX_BYTES and -math.inf < axis.low < axis.high < math.inf):
        raise ValueError(f"no axis: {axis}")
    return axis


class Histogram:
    """A histogram that is being filled.

    Args:
        axes: one or two.
    """

    def __init__(self, name: str, axes: Sequence[Axis]) -> None:
        self.name = name
        self.entries = 0
        self._axes = tuple(axes)
        self._filled = bh.Histogram(
            *(bh.axis.Regular(axis.bins, axis.low, axis.high) for axis in axes),
            storage=bh.storage.Int64(),
        )

    def fill(self, *values: NDArray[np.float64]) -> None:
        """Count entries: an array for each axis."""
        self._filled.fill(*values)
        self.entries += len(values[0])

    def snapshot(self) -> Spectrum:
        """Return what is in it now."""
        counts = self._filled.view().astype(np.uint32)
        outside = self.entries - int(self._filled.view().sum())
        return Spectrum(self.name, self._axes, counts, self.entries, outside)
