"""What once broke a parser, and what fuzzing begins with, is read or refused in words."""

from __future__ import annotations

import logging
import warnings

import pytest

from fuzz.target import all_targets


@pytest.fixture(autouse=True)
def _quiet():
    """What is damaged is logged, thousands of times."""
    logging.disable()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Python that is parsed, not run
        yield
    logging.disable(logging.NOTSET)


@pytest.mark.attack("parsers.once-broken", "replays what once broke a parser")
@pytest.mark.timeout(60)  # some of them once took for ever
@pytest.mark.parametrize("name", [name for name, each in all_targets().items() if each.cases])
def test_what_once_broke_it_breaks_it_no_more(name, tried):
    for case in all_targets()[name].cases:
        all_targets()[name].run(case.read_bytes())
    tried(len(all_targets()[name].cases))


@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", all_targets())
def test_what_fuzzing_begins_with_is_right_for_the_most_part(name):
    found = all_targets()[name]
    taken = [found.run(path.read_bytes()) for path in found.corpus]
    assert any(taken)
    assert all(path.stat().st_size <= found.most_bytes for path in found.corpus)
