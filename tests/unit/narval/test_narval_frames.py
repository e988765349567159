"""Blocks' headers, parameters of plugins, who works how: pure."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narval.actors.catalogue import CATALOGUE, make_plugin
from narval.errors import NarvalError
from narval.links.frame import HEADER, Kind, LinkCutError, parse_header
from narval.plugins.plugin import Parameter, Plugin


@given(st.sampled_from(Kind), st.integers(0, 2**20))
def test_a_header_comes_back(kind, length):
    length = length if kind is Kind.DATA else 0
    assert parse_header(HEADER.pack(length, kind), 2**20) == (kind, length)


@pytest.mark.parametrize(
    ("length", "kind", "words"),
    [(1001, 0, "1001 bytes"), (0, 7, "0x7"), (3, 1, "END"), (2**32 - 1, 0, "the buffer has 1000")],
)
def test_what_is_no_header_is_no_link_of_ours(length, kind, words):
    with pytest.raises(LinkCutError, match=words):
        parse_header(HEADER.pack(length, kind), 1000)


class Counter(Plugin):
    parameters = (
        Parameter("rate", 10.0, "a second", least=0, most=100),
        Parameter("count", 3, "how many", least=1),
        Parameter("loud", False, "whether"),
        Parameter("title", "x", "a name"),
    )


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("rate", "1e2", 100.0), ("count", "1_000", 1000), ("loud", "Yes", True),
        ("loud", "off", False), ("title", " a b", " a b"),
    ],
)  # fmt: skip
def test_a_parameter_is_set_from_text(name, text, value):
    plugin = Counter()
    plugin.set(name, text)
    assert plugin.values[name] == value


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("rate", "101", "a number from 0 up to 100"), ("rate", "nan", "a number"),
        ("count", "0", "a whole number from 1"), ("count", "1.5", "1.5"),
        ("loud", "maybe", "true or false"), ("rat", "1", "known: rate, count"),
    ],
)  # fmt: skip
def test_what_a_parameter_may_not_be_changes_nothing(name, text, words):
    plugin = Counter()
    before = dict(plugin.values)
    with pytest.raises(NarvalError, match=words):
        plugin.set(name, text)
    assert plugin.values == before


@pytest.mark.parametrize("program", CATALOGUE)
def test_every_program_can_be_made_and_describes_its_parameters(program):
    plugin = make_plugin(program)
    assert all(parameter.help for parameter in plugin.parameters)


def test_a_program_that_is_misspelt_is_guessed():
    with pytest.raises(NarvalError, match="did you mean generic_filter"):
        make_plugin("generic_filtre")
