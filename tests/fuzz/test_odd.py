"""Every target with tokens and bytes that have broken parsers before; played by every Python."""

from __future__ import annotations

import logging
import warnings

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fuzz.odd_tokens import replace_token
from fuzz.target import all_targets

EXAMPLES = 25


@pytest.fixture(autouse=True)
def _quiet():
    logging.disable()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
    logging.disable(logging.NOTSET)


@pytest.mark.attack("parsers.no-surprise", "odd numbers, brackets and characters in right inputs")
@pytest.mark.parametrize("name", all_targets())
def test_odd_tokens_are_read_or_refused_in_words(name, tried):
    found = all_targets()[name]
    corpus = [path.read_bytes() for path in found.corpus]

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(corpus), st.lists(st.integers(0, 2**32), min_size=1, max_size=4))
    def play(data, seeds):
        for seed in seeds:
            data = replace_token(data, seed, found.most_bytes)
        found.run(data)

    play()
    tried(EXAMPLES)


@pytest.mark.parametrize("name", all_targets())
def test_any_bytes_are_read_or_refused_in_words(name):
    found = all_targets()[name]

    @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
    @given(st.binary(max_size=600) | st.text(max_size=200).map(str.encode))
    def play(data):
        found.run(data)

    play()
