"""What was measured, as frozen facts, and as the JSON that docs/performance.md describes. Pure.

report = Report(...)
text = json.dumps(make_json(report))
again = parse_json(json.loads(text))
"""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from itertools import pairwise
from typing import Any

from vmlab.errors import ConfigError
from vmlab.system.outside import as_facts


class Variant(StrEnum):
    """What is compared."""

    PROCESS = "process"  # JupyterHub's own SimpleLocalProcessSpawner
    PROCESS_LEAN = "process_lean"  # the same without the packages that the image leaves out
    CLONE = "clone"  # a clone of the image's template
    POOL = "pool"  # a machine that was prepared ahead
    SLIM_BOOT = "slim_boot"  # a cold boot, made slim
    BOOT = "boot"  # a cold boot as the distribution has it
    FAKE = "fake"  # no machine: the hub's own cost


@dataclass(frozen=True)
class Spread:
    """Seconds over all starts that worked; None when none did."""

    median: float | None = None
    p95: float | None = None
    max: float | None = None


@dataclass(frozen=True)
class Sample:
    """One start. What was not reached or not measured is None."""

    user: str
    ready_s: float | None = None
    kernel_s: float | None = None
    cpu_s: float | None = None  # of the machine's processes, from the request to ready
    prepare_cpu_s: float | None = None  # of the same processes before the request
    pss_mib: float | None = None
    private_mib: float | None = None
    disk_mib: float | None = None
    origin: str = ""  # how the machine was started, where its record tells
    phases_s: Mapping[str, float] = field(default_factory=dict)  # when each phase began
    failure: str = ""


@dataclass(frozen=True)
class Result:
    """One variant with so many seats started at once."""

    variant: Variant
    seats: int
    timed: tuple[Sample, ...] = ()  # of all rounds
    idle: tuple[Sample, ...] = ()  # of the round before them, in which no kernel runs
    failure: str = ""  # why the variant could not be measured at all

    @property
    def failures(self) -> int:
        """Starts that did not get ready or gave no output, in all rounds."""
        if self.failure:
            return self.seats
        return sum(1 for sample in (*self.timed, *self.idle) if sample.failure)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why starts failed, each reason once."""
        found = [self.failure, *(sample.failure for sample in (*self.timed, *self.idle))]
        return tuple(dict.fromkeys(reason for reason in found if reason))


@dataclass(frozen=True)
class HubCost:
    """What starts cost the hub itself: machines that cost nothing, all at once."""

    seats: int
    ms_per_spawn: float  # wall time of all starts, by their number
    hub_cpu_ms_per_spawn: float
    proxy_cpu_ms_per_spawn: float
    loop_blocked_ms_max: float | None  # longest callback: nothing else of the hub could run
    loop_blocked_cpu_ms: float | None = None  # of it on a processor
    loop_blocked_by: str = ""  # which callback
    loop_late_ms_max: float | None = None  # latest timer: many short callbacks due at once
    failures: int = 0
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True)
class Report:
    """One run of the bench."""

    accelerator: str  # "kvm" or "tcg"; empty when no machine was started
    cores: int
    facts: Mapping[str, Any]  # date, versions, the host's processor, left out variants
    results: tuple[Result, ...] = ()
    hub: tuple[HubCost, ...] = ()

    def find(self, variant: Variant, seats: int) -> Result | None:
        """Return the result of a variant, or None."""
        found = (r for r in self.results if r.variant is variant and r.seats == seats)
        return next(found, None)

    @property
    def all_seats(self) -> tuple[int, ...]:
        """The numbers of seats that were measured, ascending."""
        return tuple(sorted({result.seats for result in self.results}))


def spread(values: Iterable[float | None]) -> Spread:
    """Return median, 95th percentile (nearest rank) and maximum; None is left out."""
    known = sorted(value for value in values if value is not None)
    if not known:
        return Spread()
    return Spread(
        median=round(statistics.median(known), 3),
        p95=round(known[math.ceil(0.95 * len(known)) - 1], 3),
        max=round(known[-1], 3),
    )


def median(values: Iterable[float | None]) -> float | None:
    """Return the median of what is known, or None."""
    return spread(values).median


def ready(result: Result | None) -> Spread:
    """Return the spread of the times to the first answer."""
    return spread(s.ready_s for s in result.timed) if result else Spread()


def count_origins(result: Result) -> dict[str, int]:
    """Return how many timed machines were started in which way."""
    return dict(Counter(sample.origin for sample in result.timed if sample.origin))


def phase_durations(result: Result) -> dict[str, float]:
    """Return the median seconds that machines spent in each phase, in order.

    The last phase, `ready`, lasts from the server's answer to the spawner until its first answer
    through the proxy.
    """
    spent: dict[str, list[float]] = {}
    for sample in result.timed:
        if sample.ready_s is None:
            continue
        begins = [*sample.phases_s.items(), ("", sample.ready_s)]
        for (phase, began), (_, ended) in pairwise(begins):
            spent.setdefault(phase, []).append(ended - began)
    return {phase: round(statistics.median(values), 3) for phase, values in spent.items()}


def ratios(report: Report, seats: int) -> dict[str, float | None]:
    """Return how many times as long one variant takes as another, by medians."""

    def ratio(one: Variant, other: Variant) -> float | None:
        above, below = ready(report.find(one, seats)), ready(report.find(other, seats))
        if above.median is None or not below.median:
            return None
        return round(above.median / below.median, 3)

    return {
        "clone_vs_process": ratio(Variant.CLONE, Variant.PROCESS),
        "pool_vs_process": ratio(Variant.POOL, Variant.PROCESS),
        "boot_vs_clone": ratio(Variant.BOOT, Variant.CLONE),
    }


def make_json(report: Report) -> dict[str, Any]:
    """Return the report as docs/performance.md describes it."""
    seats = report.all_seats
    largest = max(report.hub, key=lambda cost: cost.seats, default=None)
    return {
        "accelerator": report.accelerator,
        "cores": report.cores,
        "ratios": ratios(report, seats[0] if seats else 0),
        "hub": asdict(largest) if largest else None,
        "variants": [_make_result(result) for result in report.results],
        "ratios_by_seats": {str(count): ratios(report, count) for count in seats},
        "hub_runs": [asdict(cost) for cost in report.hub],
        "facts": dict(report.facts),
    }


def _make_result(result: Result) -> dict[str, Any]:
    return {
        "variant": result.variant.value,
        "seats": result.seats,
        "ready_s": asdict(ready(result)),
        "kernel_s": asdict(spread(s.kernel_s for s in result.timed)),
        "cpu_s": median(s.cpu_s for s in result.timed),
        "prepare_cpu_s": median(s.prepare_cpu_s for s in result.timed),
        "pss_mib": median(s.pss_mib for s in result.idle),
        "pss_kernel_mib": median(s.pss_mib for s in result.timed),
        "private_mib": median(s.private_mib for s in result.idle),
        "disk_mib": median(s.disk_mib for s in result.idle),
        "phases_s": phase_durations(result),
        "origins": count_origins(result),
        "failures": result.failures,
        "reasons": list(result.reasons),
        "failure": result.failure,
        "timed": [asdict(sample) for sample in result.timed],
        "idle": [asdict(sample) for sample in result.idle],
    }


def parse_json(data: Any, source: str) -> Report:
    """Return the report that `make_json` wrote.

    Raises:
        ConfigError: it is something else; names the source.
    """
    try:
        results = tuple(
            Result(
                Variant(entry["variant"]),
                int(entry["seats"]),
                timed=tuple(_read_sample(sample) for sample in entry["timed"]),
                idle=tuple(_read_sample(sample) for sample in entry["idle"]),
                failure=str(entry["failure"]),
            )
            for entry in data["variants"]
        )
        costs = (
            as_facts(HubCost, {**cost, "reasons": tuple(map(str, cost["reasons"]))})
            for cost in data["hub_runs"]
        )
        return Report(
            str(data["accelerator"]), int(data["cores"]), dict(data["facts"]), results, tuple(costs)
        )
    except (KeyError, TypeError, ValueError) as error:
        raise ConfigError(f"{source} is not a result of `vmlab bench`: {error!r}") from error


def _read_sample(entry: Any) -> Sample:
    """Return a sample; raises ValueError, KeyError or TypeError if it is not one."""
    sample = as_facts(Sample, entry)
    measured = [getattr(sample, each.name) for each in fields(Sample) if "None" in str(each.type)]
    times = [*dict(sample.phases_s).values(), *(value for value in measured if value is not None)]
    if not all(type(value) in {int, float} for value in times):
        raise ValueError("a sample holds other things than numbers")
    return sample
