"""Figures as people read them."""

from __future__ import annotations

RATE_WINDOW_S = 5.0
"""Rates are those of the last so many seconds: detectors may deliver in batches."""

_PREFIXES = ("", "k", "M", "G", "T", "P")


def format_bytes(count: float) -> str:
    """Return bytes with a decimal prefix and three digits: `65.5 kB`."""
    value, index = float(count), 0
    while abs(value) >= 999.5 and index < len(_PREFIXES) - 1:
        value, index = value / 1000, index + 1
    return f"{value:.3g} {_PREFIXES[index]}B"


def format_byte_rate(bytes_per_s: float) -> str:
    """Return a rate with a decimal prefix and three digits: `65.5 kB/s`."""
    return f"{format_bytes(bytes_per_s)}/s"
