"""Results for a terminal. Pure: makes tables, prints nothing."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from vmlab.bench.facts import (
    HubCost,
    Report,
    Result,
    count_origins,
    make_json,
    phase_durations,
)
from vmlab.bench.targets import Target, find_targets
from vmlab.bench.variants import expected_origin

SIGNS = {True: ("✓ reached", "green"), False: ("✗ missed", "red"), None: ("· not measured", "dim")}


def results_table(report: Report) -> Table:
    """Return one line for each variant and number of seats."""
    table = Table(
        title=f"Starts, {report.accelerator or 'no machines'}, {report.cores} cores",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("variant", no_wrap=True)
    for title in ("seats", "ready s", "p95", "max", "kernel s", "max", "CPU s", "PSS MiB"):
        table.add_column(title, justify="right")
    table.add_column("disk MiB", justify="right")
    table.add_column("failed", justify="right")
    for entry in make_json(report)["variants"]:
        time, kernel = entry["ready_s"], entry["kernel_s"]
        table.add_row(
            entry["variant"],
            str(entry["seats"]),
            *(number(time[key], 2) for key in ("median", "p95", "max")),
            *(number(kernel[key], 2) for key in ("median", "max")),
            number(entry["cpu_s"], 2),
            number(entry["pss_mib"], 0),
            number(entry["disk_mib"], 1),
            str(entry["failures"]),
        )
    return table


def phases_table(report: Report) -> Table | None:
    """Return where the time to ready goes, or None where nothing told of phases."""
    rows = [(result, found) for result in report.results if (found := phase_durations(result))]
    if not rows:
        return None
    phases = list(dict.fromkeys(phase for _, found in rows for phase in found))
    table = Table(
        title="Seconds in each phase, medians", title_justify="left", box=None, pad_edge=False
    )
    table.add_column("variant", no_wrap=True)
    for title in ("seats", *phases):
        table.add_column(title, justify="right")
    for result, found in rows:
        cells = (number(found.get(phase), 2) for phase in phases)
        table.add_row(result.variant, str(result.seats), *cells)
    return table


def hub_table(costs: tuple[HubCost, ...]) -> Table:
    """Return what starts cost the hub itself."""
    table = Table(title="The hub's own cost", title_justify="left", box=None, pad_edge=False)
    titles = (
        "seats",
        "ms a start",
        "hub CPU ms",
        "proxy CPU ms",
        "loop blocked ms",
        "late ms",
        "failed",
    )
    for title in titles:
        table.add_column(title, justify="right")
    for cost in costs:
        table.add_row(
            str(cost.seats),
            number(cost.ms_per_spawn, 1),
            number(cost.hub_cpu_ms_per_spawn, 1),
            number(cost.proxy_cpu_ms_per_spawn, 1),
            number(cost.loop_blocked_ms_max, 1),
            number(cost.loop_late_ms_max, 1),
            str(cost.failures),
        )
    return table


def targets_table(report: Report) -> Table:
    """Return each target with a word and a sign, never a colour alone."""
    table = Table(title="Targets", title_justify="left", box=None, pad_edge=False)
    for title, side in (("", "left"), ("target", "left"), ("limit", "right"), ("found", "right")):
        table.add_column(title, justify="right" if side == "right" else "left")
    for target in find_targets(report):
        words, style = SIGNS[target.reached]
        table.add_row(Text(words, style), target.what, _limit(target), _value(target))
    return table


def failures_text(results: tuple[Result, ...], costs: tuple[HubCost, ...]) -> list[str]:
    """Return a line for each reason for which starts failed."""
    lines = [
        f"{result.variant}, {result.seats} seats: {reason}"
        for result in results
        for reason in result.reasons
    ]
    lines += [
        f"{result.variant}, {result.seats} seats: not all were started as expected: {origins}"
        for result in results
        if (origins := count_origins(result)) and set(origins) != {expected_origin(result.variant)}
    ]
    return lines + [
        f"hub, {cost.seats} seats: {reason}" for cost in costs for reason in cost.reasons
    ]


def number(value: float | None, digits: int) -> str:
    """Return a number for a column; a dash when it was not measured."""
    return "-" if value is None else f"{value:.{digits}f}"


def _limit(target: Target) -> str:
    return f"{'≥' if target.at_least else '≤'} {target.limit:g} {target.unit}".rstrip()


def _value(target: Target) -> str:
    return "-" if target.value is None else f"{target.value:.3g} {target.unit}".rstrip()
