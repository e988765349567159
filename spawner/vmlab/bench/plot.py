"""Results as a picture: an SVG by hand, which needs no library and reads well in a diff. Pure.

Time on a logarithmic axis, because a boot takes a hundred times as long as the fastest start; for
each variant a dot at the median and a line to the last one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from html import escape

from vmlab.bench.facts import Report, Result, Variant, ready

_WIDTH, _LEFT, _RIGHT = 760, 150, 120
_ROW, _HEAD, _FOOT, _GAP = 26, 56, 40, 30
_TICKS_S = (0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000)
_COLOURS = {
    Variant.PROCESS: "#444444",
    Variant.PROCESS_LEAN: "#777777",
    Variant.CLONE: "#0072b2",
    Variant.POOL: "#009e73",
    Variant.SLIM_BOOT: "#e69f00",
    Variant.BOOT: "#d55e00",
    Variant.FAKE: "#999999",
}
_NAMES = {
    Variant.PROCESS: "local process",
    Variant.PROCESS_LEAN: "lean process",
    Variant.CLONE: "VM: clone",
    Variant.POOL: "VM: pool",
    Variant.SLIM_BOOT: "VM: slim boot",
    Variant.BOOT: "VM: plain boot",
    Variant.FAKE: "hub alone",
}


def make_svg(report: Report) -> str:
    """Return the picture of a report as the text of an SVG file."""
    shown = [r for r in report.results if ready(r).median is not None]
    groups = [(n, [r for r in shown if r.seats == n]) for n in report.all_seats]
    groups = [(seats, results) for seats, results in groups if results]
    height = _HEAD + _FOOT + sum(_GAP + _ROW * len(results) for _, results in groups)
    low, high = _limits(
        [value for r in shown for value in (ready(r).median, ready(r).max) if value]
    )
    axis = _Axis(low, high)
    lines = list(_frame(report, axis, height))
    y = _HEAD
    for seats, results in groups:
        y += _GAP
        title = "1 seat" if seats == 1 else f"{seats} seats at once"
        lines.append(_text(12, y - 8, title, bold=True))
        for result in results:
            lines += _row(result, axis, y)
            y += _ROW
    body = "\n".join(lines)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
        f'font-family="sans-serif" font-size="13" role="img" '
        f'aria-label="Time to the first answer of each variant">\n'
        f'<rect width="100%" height="100%" fill="#ffffff"/>\n{body}\n</svg>\n'
    )


class _Axis:
    """Seconds to places, logarithmic."""

    def __init__(self, low: float, high: float) -> None:
        self.low, self.high = low, high

    def x(self, seconds: float) -> float:
        span = math.log(self.high) - math.log(self.low)
        share = (math.log(max(seconds, self.low)) - math.log(self.low)) / span
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)


def _limits(values: list[float]) -> tuple[float, float]:
    """Return the ticks around all values."""
    low = max((t for t in _TICKS_S if t <= min(values, default=1)), default=_TICKS_S[0])
    high = min((t for t in _TICKS_S if t >= max(values, default=10)), default=_TICKS_S[-1])
    return low, max(high, low * 10)


def _frame(report: Report, axis: _Axis, height: int) -> Iterator[str]:
    how = {"tcg": "software emulation", "kvm": "KVM"}.get(report.accelerator, "no machines")
    yield _text(12, 22, "From the request to the first answer of the user's own server", bold=True)
    yield _text(12, 42, f"{how}, {report.cores} cores; dot: median, line: to the last one")
    for tick in _TICKS_S:
        if axis.low <= tick <= axis.high:
            x = axis.x(tick)
            yield f'<path d="M{x} {_HEAD}V{height - _FOOT + 6}" stroke="#dddddd"/>'
            yield _text(x, height - 16, f"{tick:g} s", anchor="middle")


def _row(result: Result, axis: _Axis, top: int) -> Iterator[str]:
    times, colour, middle = ready(result), _COLOURS[result.variant], top + _ROW // 2
    if times.median is None or times.max is None:
        return
    start, end = axis.x(times.median), axis.x(times.max)
    failed = f", {result.failures} failed" if result.failures else ""
    words = f"{times.median:.2g} s" if times.median < 10 else f"{times.median:.0f} s"
    yield _text(24, middle + 4, _NAMES[result.variant])
    yield f'<path d="M{start} {middle}H{end}" stroke="{colour}" stroke-width="4"/>'
    yield f'<circle cx="{start}" cy="{middle}" r="6" fill="{colour}"/>'
    yield _text(end + 12, middle + 4, words + failed)


def _text(x: float, y: float, words: str, *, bold: bool = False, anchor: str = "start") -> str:
    weight = ' font-weight="bold"' if bold else ""
    return f'<text x="{x}" y="{y}" text-anchor="{anchor}"{weight}>{escape(words)}</text>'
