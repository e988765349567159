"""Single figures of a bench, each with its mark where it has one. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich.table import Table
from rich.text import Text

from vmlab.bench.table import SIGNS, number
from vmlab.providers.facts import LinkSpeed, NetworkCost

_NETWORK_MIB, _IDLE_MS = 60.0, 1.0
_DIGITS = 2


@dataclass(frozen=True)
class Figure:
    """One measured value."""

    what: str
    value: float | None  # None: it was not measured
    unit: str
    most: float | None = None  # the mark; None: it has none

    @property
    def reached(self) -> bool | None:
        """Whether the value keeps the mark; None: there is none, or it was not measured."""
        if self.value is None or self.most is None:
            return None
        return self.value <= self.most


def network_figures(cost: NetworkCost) -> list[Figure]:
    """Return what `vmlab bench network` shows."""
    names = cost.names
    return [
        Figure(
            f"network of {cost.trainees} trainees: memory", cost.memory_mib, "MiB", _NETWORK_MIB
        ),
        Figure("the same: processor while idle", cost.idle_cpu_ms_per_s, "ms/s", _IDLE_MS),
        Figure("the same: a machine joins", cost.join_ms, "ms"),
        Figure(f"names for {names.clients} clients at once", names.answers_per_s, "answers/s"),
        Figure("the same: an answer, median", names.median_ms, "ms"),
        Figure("the same: the slowest answer", names.max_ms, "ms"),
        *link_figures("two processes, the network's bridge", cost.link),
        *link_figures("two processes, loopback", cost.loopback),
    ]


def link_figures(what: str, speed: LinkSpeed) -> list[Figure]:
    """Return throughput and round trip of a link."""
    return [
        Figure(f"{what}: throughput", speed.mbit_s, "Mbit/s"),
        Figure(f"{what}: round trip", speed.round_trip_us, "µs"),
    ]


def ratio(what: str, above: float | None, below: float | None, most: float | None) -> Figure:
    """Return how many times as long one thing takes as another."""
    value = round(above / below, _DIGITS) if above is not None and below else None
    return Figure(what, value, "times", most)


def figures_table(title: str, figures: Sequence[Figure]) -> Table:
    """Return one line for each figure."""
    table = Table(title=title, title_justify="left", box=None, pad_edge=False)
    table.add_column("what")
    table.add_column("value", justify="right")
    table.add_column("", no_wrap=True)
    table.add_column("mark", justify="right")
    table.add_column("", no_wrap=True)
    for each in figures:
        mark = "" if each.most is None else f"≤ {each.most:g}"
        sign = Text(*SIGNS[each.reached]) if each.most is not None else Text()
        table.add_row(each.what, number(each.value, _DIGITS), each.unit, mark, sign)
    return table


def figures_json(figures: Sequence[Figure], facts: dict[str, Any]) -> dict[str, Any]:
    """Return figures and what they depend on, for a file."""
    return {
        "figures": [{**asdict(each), "reached": each.reached} for each in figures],
        "facts": facts,
    }
