"""JSON from outside: any bytes give a value that the rest can handle, or one kind of error."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab_protocol.outside import load_json

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63) + 1, 2**63 - 1)
    | st.floats(width=32)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


def finite(value: object) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(map(finite, value.values()))
    return all(map(finite, value)) if isinstance(value, list) else True


@given(values)
def test_what_is_usual_comes_through_as_it_is(value):
    text = json.dumps(value)
    if finite(value):
        assert load_json(text) == load_json(text.encode()) == value
    else:
        with pytest.raises(ValueError, match="is not a number"):
            load_json(text)


@given(st.binary())
def test_any_bytes_are_a_value_or_a_value_error(data):
    try:
        load_json(data)
    except ValueError:
        return


STRANGE = {
    "400 digits": b"9" * 400,
    "5000 digits": b"-" + b"9" * 5000,
    "64 bits": str(2**63).encode(),
    "large": b"1e400",
    "NaN": b"NaN",
    "Infinity": b"[-Infinity]",
    "deep": b"[" * 100_000 + b"]" * 100_000,
    "deep names": b'{"a":' * 100_000,
    "half a character": b'["\\ud800"]',
    "half a name": b'{"\\uDFFF": 1}',
    "latin": b'"\xe9"',
    "UTF-16": '"é"'.encode("utf-16"),
    "nothing": b"",
}


@pytest.mark.parametrize("data", STRANGE.values(), ids=STRANGE)
def test_what_breaks_programs_is_refused(data):
    with pytest.raises(ValueError):  # noqa: PT011 - that it is this kind is the promise
        load_json(data)


def test_a_whole_character_in_two_halves_is_one():
    assert load_json(b'"\\ud83d\\ude00"') == "\N{GRINNING FACE}"
