"""How doctor knows its own hub."""

from __future__ import annotations

import json
from dataclasses import asdict

from hypothesis import given
from hypothesis import strategies as st

from vmlab.hub.hello import Heard, is_nonce, make_proof, read_heard

words = st.text(st.characters(exclude_categories=["Cs"]))
heard = st.builds(Heard, words, words, words, words)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(heard)
def test_an_answer_is_read_as_it_was_given(answer: Heard) -> None:
    assert read_heard(json.dumps(asdict(answer))) == answer


@given(st.text() | st.binary() | json_values.map(json.dumps))
def test_whatever_else_answers_is_told_apart(text: str | bytes) -> None:
    assert read_heard(text) is None


@given(st.text(), st.text())
def test_a_proof_is_for_one_secret_and_one_number(one: str, other: str) -> None:
    proof = make_proof("secret", "0" * 32)
    assert len(proof) == 64
    assert (make_proof(f"secret{one}", f"{'0' * 32}{other}") == proof) is (one == other == "")


@given(st.text())
def test_what_is_a_number(text: str) -> None:
    assert is_nonce("0123456789abcdef" * 2)
    assert not is_nonce(text) or len(text) == 32
