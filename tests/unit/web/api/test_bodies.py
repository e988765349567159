"""What requests say: taken as it is, or refused with a sentence that names the field."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab.errors import ConfigError
from vmlab.upkeep.idle.break_file import declare_break
from vmlab.web.api.bodies import (
    BodyError,
    parse_break,
    parse_progress,
    parse_receipt,
    parse_renewal,
)
from vmlab_protocol.courses import MAX_VERSION
from vmlab_protocol.outside import load_json
from vmlab_protocol.receipts import MAX_FILES_TOLD

RECEIPT = {"course": "first-steps", "version": 2, "kept": ["01-who/exercise.ipynb"]}
PROGRESS = {"course": "first-steps", "exercise": "01-who", "step": "user", "passed": True}

_ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)


def test_right_bodies_are_taken_as_they_are():
    receipt = parse_receipt(RECEIPT)
    assert (receipt.course, receipt.version, list(receipt.kept)) == tuple(RECEIPT.values())
    assert asdict(parse_progress(PROGRESS)) == PROGRESS
    assert parse_break({"until": 1764400000}) == 1764400000.0
    assert [parse_renewal({}), parse_renewal({"start": False})] == [True, False]


@pytest.mark.parametrize(
    ("parse", "body", "field"),
    [
        (parse_receipt, {**RECEIPT, "version": True}, "version"),
        (parse_receipt, {**RECEIPT, "version": 0}, "version"),
        (parse_receipt, {**RECEIPT, "version": MAX_VERSION + 1}, "version"),
        (parse_receipt, {**RECEIPT, "version": 1.0}, "version"),
        (parse_receipt, {**RECEIPT, "kept": ["../x"]}, "kept"),
        (parse_receipt, {**RECEIPT, "kept": ["a\0b"]}, "kept"),
        (parse_receipt, {**RECEIPT, "kept": ["a\ud800"]}, "kept"),
        (parse_receipt, {**RECEIPT, "kept": ["a"] * (MAX_FILES_TOLD + 1)}, "kept"),
        (parse_progress, {**PROGRESS, "step": "user\n"}, "step"),
        (parse_progress, {**PROGRESS, "exercise": ["01-who"]}, "exercise"),
        (parse_progress, {**PROGRESS, "passed": 1}, "passed"),
        (parse_break, {"until": True}, "until"),
        (parse_break, {"until": "1"}, "until"),
        (parse_break, {}, "until"),
        (parse_renewal, {"start": None}, "start"),
    ],
)
def test_what_is_wrong_is_named(parse, body, field):
    with pytest.raises(BodyError, match=field):
        parse(body)


@given(st.dictionaries(st.sampled_from([*RECEIPT, *PROGRESS, "until", "start"]), _ANYTHING))
def test_any_object_is_read_or_refused_in_words(body):
    for parse in (parse_receipt, parse_progress, parse_renewal):
        try:
            parse(body)
        except BodyError as error:
            error.message.encode()


@pytest.mark.parametrize("text", ['{"until": %s}' % ("9" * 400), '{"until": 1e400}', "[" * 30_000])
def test_a_time_that_no_clock_shows_is_no_json(text):
    with pytest.raises(ValueError, match=r"digits|large|deep"):
        load_json(text)


@given(st.integers(-(2**63) + 1, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False))
def test_any_time_ends_a_break_or_is_too_far(tmp_path_factory, until):
    wanted = parse_break(load_json(json.dumps({"until": until})))
    try:
        declared = declare_break(tmp_path_factory.getbasetemp(), wanted, 1e9)
    except ConfigError:
        assert wanted > 1e9
    else:
        assert declared.until == max(wanted, 0.0)
