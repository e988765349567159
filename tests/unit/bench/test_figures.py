"""Figures, their marks, and what is written down of them."""

from __future__ import annotations

import json

import pytest

from vmlab.bench.facts import Variant
from vmlab.bench.figures import Figure, figures_json, figures_table, network_figures, ratio
from vmlab.bench.group import FILES, NODES
from vmlab.bench.variants import HubPlan, make_lab
from vmlab.groups.rules import group_rules
from vmlab.lab.lab import parse_lab
from vmlab.providers.facts import LinkSpeed, NamesSpeed, NetworkCost

COST = NetworkCost(
    trainees=20,
    memory_mib=23.4,
    idle_cpu_ms_per_s=0.0,
    join_ms=31.0,
    names=NamesSpeed(200, 12_000, 8.0, 40.0),
    link=LinkSpeed(950.0, 45.0),
    loopback=LinkSpeed(9_000.0, 20.0),
)


@pytest.mark.parametrize(
    ("value", "most", "reached"),
    [(2.5, 2.5, True), (2.51, 2.5, False), (None, 2.5, None), (1.0, None, None)],
)
def test_a_mark_is_kept_or_not(value, most, reached):
    assert Figure("x", value, "s", most).reached is reached


def test_how_many_times_as_long():
    assert ratio("x", 10.0, 4.0, 2.5) == Figure("x", 2.5, "times", 2.5)
    assert ratio("x", None, 4.0, 2.5).value is None
    assert ratio("x", 10.0, None, 2.5).value is None
    assert ratio("x", 10.0, 0.0, 2.5).value is None


def test_what_a_network_costs_has_the_marks_of_the_issue():
    marked = {each.what: each.reached for each in network_figures(COST) if each.most is not None}
    assert marked == {
        "network of 20 trainees: memory": True,
        "the same: processor while idle": True,
    }


def test_figures_are_shown_and_written_down():
    figures = network_figures(COST)
    assert figures_table("x", figures).row_count == len(figures)
    written = json.loads(json.dumps(figures_json(figures, {"cores": 2})))
    assert written["facts"] == {"cores": 2}
    assert written["figures"][0] == {
        "what": "network of 20 trainees: memory",
        "value": 23.4,
        "unit": "MiB",
        "most": 60.0,
        "reached": True,
    }


@pytest.mark.parametrize(("lines", "machines"), [("", 1), (NODES, 4), (NODES + FILES, 4)])
def test_the_lab_of_a_group(tmp_path, lines, machines):
    plan = HubPlan(
        Variant.CLONE, 1, tmp_path, tmp_path, tmp_path, "desk", 8000, "x", None, lab_lines=lines
    )
    rules = group_rules(parse_lab(make_lab(plan), tmp_path / "lab.toml"))
    assert rules.machines == machines
    assert (rules.server is not None) == (FILES in lines)
