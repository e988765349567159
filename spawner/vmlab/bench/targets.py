"""The targets that the lab should reach under software emulation on 2 cores. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from vmlab.bench.facts import Report, Result, Variant, median, ratios, ready

CLASS = 20
"""Seats of the targets for a whole class that starts at once."""

_FAST = (Variant.CLONE, Variant.POOL)


@dataclass(frozen=True)
class Target:
    """One target. `reached` is None when the run did not measure it."""

    what: str
    limit: float
    value: float | None
    at_least: bool = False
    unit: str = ""

    @property
    def reached(self) -> bool | None:
        """Whether the value keeps the limit."""
        if self.value is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit


def find_targets(report: Report) -> list[Target]:
    """Return every target with what this run measured for it."""
    one = ratios(report, 1)
    return [
        Target("1 seat: clone, times a local process", 1.0, one["clone_vs_process"]),
        Target("1 seat: pool, times a local process", 0.3, one["pool_vs_process"]),
        Target("1 seat: boot, times a clone", 15.0, one["boot_vs_clone"], at_least=True),
        *_class_targets(report),
        *_machine_targets(report),
        *_hub_targets(report),
    ]


def _class_targets(report: Report) -> Iterable[Target]:
    process = ready(report.find(Variant.PROCESS, CLASS)).max
    for variant in _FAST:
        result = report.find(variant, CLASS)
        last = ready(result).max
        failed = None if result is None else float(result.failures)
        yield Target(f"{CLASS} seats: {variant}, failed", 0.0, failed)
        times = round(last / process, 3) if last is not None and process else None
        yield Target(f"{CLASS} seats: last {variant}, times the last process", 1.5, times)


def _machine_targets(report: Report) -> Iterable[Target]:
    machines = [r for r in report.results if r.variant in _FAST]
    # One alone bears all that clones share; the more there are, the less it is for each.
    for seats in sorted({r.seats for r in machines}) or [1]:
        found = _worst(_pss(r) for r in machines if r.seats == seats)
        yield Target(f"{_seats(seats)}: memory of an idle machine (PSS)", 150.0, found, unit="MiB")
    disk = _worst(_disk(r) for r in machines)
    yield Target("disk of a new machine", 10.0, disk, unit="MiB")


def _seats(count: int) -> str:
    return "1 seat" if count == 1 else f"{count} seats"


def _hub_targets(report: Report) -> Iterable[Target]:
    costs = {cost.seats: cost for cost in report.hub}
    slowest = _worst(cost.ms_per_spawn for cost in costs.values())
    yield Target("hub: a start", 50.0, slowest, unit="ms")
    most = costs[max(costs)] if costs else None
    what = f"hub: loop blocked, {most.seats if most else 500} seats"
    yield Target(what, 50.0, most.loop_blocked_ms_max if most else None, unit="ms")


def _pss(result: Result) -> float | None:
    return median(s.pss_mib for s in result.idle)


def _disk(result: Result) -> float | None:
    return median(s.disk_mib for s in result.idle)


def _worst(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
