"""Targets and how they are shown."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree as ET

import pytest
from rich.console import Console

from vmlab.bench.facts import HubCost, Report, Result, Sample, Variant
from vmlab.bench.plot import make_svg
from vmlab.bench.table import failures_text, hub_table, results_table, targets_table
from vmlab.bench.targets import Target, find_targets


def result(variant: Variant, seats: int, *ready_s: float, **idle: Any) -> Result:
    timed = tuple(Sample(f"u{i}", s) for i, s in enumerate(ready_s))
    return Result(variant, seats, timed=timed, idle=(Sample("i", **idle),) if idle else ())


def by_name(report: Report) -> dict[str, Target]:
    return {target.what: target for target in find_targets(report)}


GOOD = Report(
    "tcg",
    2,
    {},
    (
        result(Variant.PROCESS, 1, 2.0),
        result(Variant.CLONE, 1, 2.0, pss_mib=120.0, disk_mib=2.0),
        result(Variant.POOL, 1, 0.5, pss_mib=140.0, disk_mib=3.0),
        result(Variant.BOOT, 1, 40.0),
        result(Variant.PROCESS, 20, *[20.0] * 20),
        result(Variant.CLONE, 20, *[30.0] * 20, pss_mib=60.0),
        result(Variant.POOL, 20, *[4.0] * 20),
    ),
    (HubCost(100, 30.0, 20.0, 1.0, 20.0), HubCost(500, 50.0, 20.0, 1.0, 49.0)),
)


def test_all_targets_reached():
    assert {target.reached for target in find_targets(GOOD)} == {True}


def test_nothing_measured_is_neither_reached_nor_missed():
    assert {target.reached for target in find_targets(Report("", 2, {}))} == {None}


@pytest.mark.parametrize(
    ("what", "bad"),
    [
        ("1 seat: clone, times a local process", result(Variant.CLONE, 1, 2.1)),
        ("1 seat: pool, times a local process", result(Variant.POOL, 1, 0.7)),
        ("1 seat: boot, times a clone", result(Variant.BOOT, 1, 29.0)),
        ("20 seats: last clone, times the last process", result(Variant.CLONE, 20, 1.0, 30.2)),
        (
            "20 seats: memory of an idle machine (PSS)",
            result(Variant.CLONE, 20, 1.0, pss_mib=151.0),
        ),
        ("disk of a new machine", result(Variant.POOL, 20, 1.0, disk_mib=10.1)),
    ],
)
def test_each_target_can_be_missed(what, bad):
    kept = tuple(r for r in GOOD.results if (r.variant, r.seats) != (bad.variant, bad.seats))
    report = Report("tcg", 2, {}, (*kept, bad), GOOD.hub)
    missed = [target.what for target in find_targets(report) if target.reached is False]
    assert missed == [what]


def test_one_failure_in_a_class_misses_its_target():
    bad = Result(Variant.CLONE, 20, timed=(Sample("a", 1.0), Sample("b", failure="why")))
    report = Report("tcg", 2, {}, (bad,))
    assert by_name(report)["20 seats: clone, failed"].reached is False


def test_the_hub_is_judged_by_its_worst_and_by_most_seats():
    report = Report(
        "", 2, {}, (), (HubCost(100, 51.0, 1.0, 1.0, 60.0), HubCost(500, 40.0, 1.0, 1.0, 40.0))
    )
    targets = by_name(report)
    assert targets["hub: a start"].reached is False
    assert targets["hub: loop blocked, 500 seats"].reached is True


def render(*tables) -> str:
    console = Console(width=200, record=True, file=None, force_terminal=False)
    with console.capture() as captured:
        for table in tables:
            console.print(table)
    return captured.get()


def test_tables_show_words_and_signs():
    text = render(results_table(GOOD), hub_table(GOOD.hub), targets_table(GOOD))
    assert "Targets" in text
    assert "✓ reached" in text
    assert "slim_boot" not in text
    missed = render(targets_table(Report("", 2, {}, (), (HubCost(9, 99.0, 1.0, 1.0, None),))))
    assert "✗ missed" in missed
    assert "· not measured" in missed


def test_reasons_and_wrong_origins_are_told():
    failed = Result(Variant.BOOT, 1, timed=(Sample("u", failure="no [kernel]"),))
    other = Result(Variant.POOL, 1, timed=(Sample("u", 1.0, origin="clone"),))
    right = Result(Variant.CLONE, 1, timed=(Sample("u", 1.0, origin="clone"),))
    cost = HubCost(9, 1.0, 1.0, 1.0, None, failures=1, reasons=("lost",))
    lines = failures_text((failed, other, right), (cost,))
    assert lines[0] == "boot, 1 seats: no [kernel]"
    assert "'clone': 1" in lines[1]
    assert lines[2:] == ["hub, 9 seats: lost"]


def test_the_picture_is_well_formed_and_names_what_it_shows():
    text = make_svg(GOOD)
    root = ET.fromstring(text)
    words = [element.text for element in root.iter() if element.text]
    assert "1 seat" in words
    assert "20 seats at once" in words
    assert "VM: pool" in words
    assert "0.5 s" in words


def test_a_picture_of_nothing_is_still_one():
    ET.fromstring(make_svg(Report("", 2, {})))


def test_a_longer_time_lies_further_right():
    circles = [
        float(element.attrib["cx"])
        for element in ET.fromstring(make_svg(GOOD)).iter()
        if element.tag.endswith("circle")
    ]
    process, clone, pool, boot = circles[:4]
    assert pool < process == clone < boot
