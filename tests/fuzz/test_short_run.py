"""A little fuzzing; `make fuzz` takes an hour."""

from __future__ import annotations

import pytest

from fuzz.run import NOT_PLAYED, fuzz, is_playable, make_table
from fuzz.target import HERE, Target, all_targets

LIMIT_S = 90  # 2 s for each target, which an idle machine does not need
MAX_INPUTS = 1000  # for each target
LEAST_INPUTS = 20_000  # for all of them


@pytest.mark.attack(
    "parsers.no-surprise", "inputs that coverage leads to, a thousand for each parser"
)
@pytest.mark.skipif(not is_playable(), reason=NOT_PLAYED)
@pytest.mark.timeout(600)
def test_a_thousand_inputs_for_each_target(tmp_path, tried):
    # Of the same inputs each time: what is new is for `make fuzz`, not for somebody's next change.
    limits = ("-seed=1", f"-runs={MAX_INPUTS}")
    outcomes = fuzz(list(all_targets().values()), LIMIT_S, tmp_path, HERE / "cases", limits=limits)
    broken = [f"{each.target}: {each.crash}\n{each.says}" for each in outcomes if each.crash]
    assert not broken, "\n".join(broken)
    inputs = sum(each.inputs for each in outcomes)
    tried(inputs)
    assert inputs >= LEAST_INPUTS, make_table(outcomes)


@pytest.mark.skipif(not is_playable(), reason=NOT_PLAYED)
@pytest.mark.parametrize("name", ["found", "hangs", "eats"])
def test_what_is_broken_is_found(name, tmp_path):
    """A crash, a hang and a hunger for memory end a target and leave the input."""
    broken = Target(name, "fuzz.broken", print, (), (), is_text=True, most_bytes=64)
    (outcome,) = fuzz([broken], 10, tmp_path / "work", tmp_path / "cases", hang_s=2)
    assert outcome.crash.startswith(str(tmp_path / "cases" / name)), outcome.says
