"""Statistics, ratios and the JSON of the bench."""

from __future__ import annotations

import json

import pytest

from vmlab.bench.facts import (
    HubCost,
    Report,
    Result,
    Sample,
    Spread,
    Variant,
    count_origins,
    make_json,
    median,
    parse_json,
    phase_durations,
    ratios,
    spread,
)
from vmlab.errors import ConfigError


def result(variant: Variant, *ready_s: float | None, seats: int = 1) -> Result:
    return Result(variant, seats, timed=tuple(Sample(f"u{i}", s) for i, s in enumerate(ready_s)))


REPORT = Report(
    accelerator="tcg",
    cores=2,
    facts={"date": "2026-01-01", "left_out": {"1": ["boot"]}},
    results=(
        result(Variant.PROCESS, 4.0, 2.0, 3.0),
        result(Variant.CLONE, 1.5, 1.5),
        result(Variant.POOL, 0.6),
        result(Variant.BOOT, 60.0),
        result(Variant.CLONE, 9.0, 10.0, seats=2),
    ),
    hub=(
        HubCost(100, 41.0, 30.0, 2.0, 12.0),
        HubCost(500, 45.0, 31.0, 2.0, None, failures=1, reasons=("why",)),
    ),
)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], Spread(None, None, None)),
        ([None, None], Spread(None, None, None)),
        ([2.0], Spread(2.0, 2.0, 2.0)),
        ([3.0, None, 1.0], Spread(2.0, 3.0, 3.0)),
        (list(range(1, 21)), Spread(10.5, 19, 20)),
        (list(range(1, 101)), Spread(50.5, 95, 100)),
    ],
)
def test_spread_leaves_out_what_is_not_known(values, expected):
    assert spread(values) == expected


def test_median_of_nothing_is_nothing():
    assert median([None]) is None


def test_ratios_are_those_of_the_medians():
    assert ratios(REPORT, 1) == {
        "clone_vs_process": 0.5,
        "pool_vs_process": 0.2,
        "boot_vs_clone": 40.0,
    }


def test_a_ratio_without_both_sides_is_null():
    assert set(ratios(REPORT, 2).values()) == {None}
    assert set(ratios(REPORT, 7).values()) == {None}


def test_the_json_has_the_keys_that_the_documents_promise():
    data = make_json(REPORT)
    assert {"accelerator", "cores", "ratios", "hub", "variants"} <= data.keys()
    assert data["ratios"]["clone_vs_process"] == 0.5
    assert data["hub"]["seats"] == 500  # the largest, which the target is about
    assert {"seats", "ms_per_spawn", "loop_blocked_ms_max"} <= data["hub"].keys()
    first = data["variants"][0]
    assert (first["variant"], first["seats"]) == ("process", 1)
    assert first["ready_s"] == {"median": 3.0, "p95": 4.0, "max": 4.0}
    assert set(first["kernel_s"]) == {"median", "p95", "max"}
    assert {"cpu_s", "pss_mib", "disk_mib", "failures"} <= first.keys()


def test_json_and_back():
    again = parse_json(json.loads(json.dumps(make_json(REPORT))), "here")
    assert again == REPORT


@pytest.mark.parametrize("data", [{}, [], {"variants": [{}]}, {"variants": [{"variant": "x"}]}])
def test_other_json_is_refused_with_its_source(data):
    with pytest.raises(ConfigError, match=r"some\.json"):
        parse_json(data, "some.json")


def test_failures_count_starts_of_all_rounds_and_name_each_reason_once():
    bad = Sample("u", failure="it fell")
    made = Result(Variant.CLONE, 2, timed=(bad, Sample("v", 1.0), bad), idle=(bad,))
    assert made.failures == 3
    assert made.reasons == ("it fell",)


def test_a_variant_that_could_not_be_measured_failed_for_every_seat():
    made = Result(Variant.POOL, 20, timed=(Sample("v", 1.0),), failure="no hub")
    assert made.failures == 20
    assert make_json(Report("", 2, {}, (made,)))["variants"][0]["reasons"] == ["no hub"]


def test_memory_and_disk_come_from_the_round_without_kernels():
    made = Result(
        Variant.CLONE,
        1,
        timed=(Sample("u", 1.0, pss_mib=200.0, disk_mib=50.0),),
        idle=(Sample("v", 1.0, pss_mib=100.0, disk_mib=5.0),),
    )
    entry = make_json(Report("tcg", 2, {}, (made,)))["variants"][0]
    assert (entry["pss_mib"], entry["pss_kernel_mib"], entry["disk_mib"]) == (100.0, 200.0, 5.0)


def test_origins_are_counted():
    samples = tuple(Sample("u", 1.0, origin=origin) for origin in ("pool", "clone", "pool", ""))
    assert count_origins(Result(Variant.POOL, 4, timed=samples)) == {"pool": 2, "clone": 1}


def test_phases_last_until_the_next_one_and_the_last_until_ready():
    samples = (
        Sample("a", 4.0, phases_s={"power": 0.5, "server": 1.0, "ready": 3.0}),
        Sample("b", 6.0, phases_s={"power": 0.5, "server": 2.0, "ready": 5.0}),
        Sample("c", None, phases_s={"power": 0.5}, failure="it fell"),
    )
    made = Result(Variant.CLONE, 3, timed=samples)
    assert phase_durations(made) == {"power": 1.0, "server": 2.5, "ready": 1.0}
    assert phase_durations(Result(Variant.PROCESS, 1, timed=(Sample("p", 2.0),))) == {}
