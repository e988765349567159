"""What is compared, and what each variant's hub is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer

from vmlab.bench.facts import Variant
from vmlab.bench.peer import make_constraints
from vmlab.bench.variants import (
    COMPARED,
    HubPlan,
    choose_idle_seats,
    choose_rounds,
    choose_variants,
    make_config,
    make_groups,
    make_lab,
)
from vmlab.cli.bench import parse_seats, parse_variants
from vmlab.images.recipe import load_recipe
from vmlab.lab.lab import parse_lab

PROJECT = Path(__file__).parents[3]
PLAN = HubPlan(
    variant=Variant.CLONE,
    seats=5,
    folder=Path("/state"),
    cache=Path("/cache"),
    project=Path("/project"),
    image="desk",
    port=8123,
    token="secret",
    peer=Path("/peer"),
)


def test_without_a_wish_a_clone_alone_is_measured():
    assert choose_variants(1, compare=False) == (Variant.CLONE,)


def test_a_class_is_compared_without_boots():
    assert choose_variants(1, compare=True) == COMPARED
    processes = (Variant.PROCESS, Variant.PROCESS_LEAN)
    assert choose_variants(20, compare=True) == (*processes, Variant.CLONE, Variant.POOL)


def test_one_seat_has_several_rounds_and_a_class_one():
    assert choose_rounds(Variant.CLONE, 1) == 5
    assert choose_rounds(Variant.BOOT, 1) == 3
    assert choose_rounds(Variant.CLONE, 20) == 1


def test_memory_of_clones_is_measured_with_as_many_as_share_it():
    assert choose_idle_seats(Variant.CLONE, 20) == 20
    assert choose_idle_seats(Variant.BOOT, 20) == 1


@pytest.mark.parametrize("variant", list(Variant))
def test_every_variant_has_a_lab_that_can_be_read_and_a_config_that_compiles(variant):
    plan = replace(PLAN, variant=variant)
    lab = parse_lab(make_lab(plan), Path("lab.toml"))
    machines = variant not in {Variant.PROCESS, Variant.PROCESS_LEAN, Variant.FAKE}
    assert lab.provider.name == ("qemu" if machines else "fake")
    assert lab.hub.port == 8123
    compile(make_config(plan), "config", "exec")


def test_only_the_pool_is_filled():
    sizes = {variant: options(variant).get("pool", 0) for variant in Variant}
    assert sizes.pop(Variant.POOL) == 5
    assert set(sizes.values()) == {0}


def test_styles_are_those_of_the_provider():
    styles = {Variant.CLONE: "clone", Variant.SLIM_BOOT: "boot", Variant.BOOT: "plain"}
    assert {variant: options(variant)["start_style"] for variant in styles} == styles


def options(variant: Variant) -> dict[str, Any]:
    """Return what a variant's lab tells the provider."""
    lab = parse_lab(make_lab(replace(PLAN, variant=variant)), Path("lab.toml"))
    return dict(lab.provider.options)


def test_the_local_process_is_the_stock_spawner():
    text = make_config(replace(PLAN, variant=Variant.PROCESS))
    assert "c.JupyterHub.spawner_class = 'simple'" in text
    assert "'/peer/bin/jupyterhub-singleuser'" in text


def test_the_local_process_gets_the_versions_of_the_image():
    text = make_constraints(load_recipe("desk", PROJECT))
    assert "\njupyterlab==" in text
    assert "lark" not in text
    assert "hash" not in text


def test_many_seats_are_measured_one_variant_after_the_other():
    variants = (Variant.PROCESS, Variant.CLONE)
    assert make_groups(5, variants) == [variants]
    assert make_groups(6, variants) == [[Variant.PROCESS], [Variant.CLONE]]


def test_seats_on_the_command_line():
    assert parse_seats("20,1, 5") == (1, 5, 20)
    for wrong in ("", "0", "-1", "x", "1,,2", "1.5", "99999"):
        with pytest.raises(typer.BadParameter):
            parse_seats(wrong)


def test_variants_on_the_command_line():
    assert parse_variants("") == ()
    assert parse_variants("clone, process,clone") == (Variant.CLONE, Variant.PROCESS)
    with pytest.raises(typer.BadParameter, match=r"clown.*slim_boot"):
        parse_variants("clown")
