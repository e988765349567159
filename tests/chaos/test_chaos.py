"""A short run of chaos, and the parts of the suite that could hide a loss."""

from __future__ import annotations

import itertools
import json
import os
from dataclasses import asdict
from pathlib import Path

import pytest

from chaos.journal import parse_journal
from chaos.plan import HOST_WEIGHTS, TRAINEE_WEIGHTS, make_plan
from chaos.run import run_chaos

SEED = int(os.environ.get("VMLAB_CHAOS_SEED", "1"))
MINUTES = float(os.environ.get("VMLAB_CHAOS_MINUTES", "2"))


def first(seed: int, who: str, weights, count: int = 40):
    return list(itertools.islice(make_plan(seed, who, weights), count))


def test_a_seed_is_the_same_run_again():
    assert first(7, "ada", TRAINEE_WEIGHTS) == first(7, "ada", TRAINEE_WEIGHTS)
    assert first(7, "ada", TRAINEE_WEIGHTS) != first(8, "ada", TRAINEE_WEIGHTS)
    assert first(7, "ada", TRAINEE_WEIGHTS) != first(7, "bob", TRAINEE_WEIGHTS)


@pytest.mark.parametrize("weights", [TRAINEE_WEIGHTS, HOST_WEIGHTS])
def test_every_kind_of_deed_comes_before_one_comes_twice(weights):
    deeds = [step.deed for step in first(1, "ada", weights, len(weights))]
    assert set(deeds) == set(weights)


def test_a_journal_shows_what_is_not_its_owners():
    content = parse_journal("ada 1\nada 2\nbob 1\nada 3", "ada")
    assert content.numbers == {1, 2, 3}
    assert content.foreign == ("bob 1",)


@pytest.mark.vm
@pytest.mark.timeout(2400)
@pytest.mark.skipif(os.geteuid() != 0, reason="a small disk for the lab needs root to make")
def test_nothing_is_lost_and_nothing_is_left(desk_image):
    report = run_chaos(SEED, MINUTES)
    Path("artifacts/chaos.json").write_text(json.dumps(asdict(report), indent=1))
    assert report.good, report.summary()
    assert report.faults > 0
    assert report.acknowledged_writes > 0
