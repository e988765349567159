"""What comes out of a machine is untrusted."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vmlab_protocol.messages import (
    ANSWERS,
    Activity,
    GuestMessage,
    GuestMessageType,
    HostMessageType,
    Reason,
    ServerTrouble,
    clean_text,
    dump_line,
    parse_guest_line,
)
from vmlab_protocol.phases import GUEST_PHASES, Phase

NEED_MORE = {GuestMessageType.PHASE, GuestMessageType.ACTIVITY, GuestMessageType.RAN}

json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.binary())
def test_any_bytes_give_a_message_or_nothing(line):
    assert parse_guest_line(line) is None or isinstance(parse_guest_line(line), GuestMessage)


@given(st.sampled_from(GuestMessageType), json_values, json_values, json_values)
def test_any_fields_give_clean_values(kind, phase, message, seeded):
    line = json.dumps({"type": kind, "phase": phase, "message": message, "seeded": seeded})
    parsed = parse_guest_line(line.encode())
    if parsed is None:
        assert kind in NEED_MORE
        return
    assert parsed.phase is None or parsed.phase in GUEST_PHASES
    assert len(parsed.text) <= 1000
    assert parsed.text.isprintable()
    assert isinstance(parsed.seeded, bool)


@pytest.mark.parametrize("phase", ["ready", "power", "queue", "x", 1, None, ["mounts"]])
def test_a_guest_may_not_claim_phases_of_the_host(phase):
    assert parse_guest_line(json.dumps({"type": "phase", "phase": phase}).encode()) is None


def test_a_phase_is_read():
    message = parse_guest_line(b'{"type":"phase","phase":"mounts"}')
    assert message == GuestMessage(GuestMessageType.PHASE, Phase.MOUNTS)


@given(json_values | st.integers(), json_values)
@example(10**400, [])
@example(10**4299, [])
@example(-(10**400), [])
@example(1e308, [])
def test_what_a_guest_says_of_its_activity_is_a_time_and_a_few_short_words(idle_s, why):
    line = json.dumps({"type": "activity", "idle_s": idle_s, "why": why}).encode()
    parsed = parse_guest_line(line)
    if parsed is None:
        return
    assert 0 <= parsed.activity.idle_s < 4e8  # ten years and some
    assert len(parsed.activity.why) <= 5
    assert all(word.isprintable() and len(word) <= 100 for word in parsed.activity.why)


def test_activity_is_read():
    line = b'{"type":"activity","idle_s":12,"why":["kernel"]}'
    assert parse_guest_line(line).activity == Activity(12, ("kernel",))


@given(json_values)
@example({"ends": 3, "plain": True, "line": "\x1b[2J<b>" * 1000})
@example({"ends": 10**15, "plain": 1, "line": None})
@example({"ends": True})
def test_what_a_guest_says_of_its_server_is_a_number_and_a_short_line(trouble):
    parsed = parse_guest_line(json.dumps({"type": "status", "trouble": trouble}).encode())
    assert parsed is not None
    if parsed.trouble is not None:
        assert 0 < parsed.trouble.ends <= 1000
        assert isinstance(parsed.trouble.is_plain, bool)
        assert len(parsed.trouble.line) <= 300
        assert parsed.trouble.line.isprintable()


def test_the_trouble_of_a_server_is_read():
    trouble = {"ends": 2, "plain": True, "line": "no such folder"}
    line = json.dumps({"type": "status", "trouble": trouble}).encode()
    parsed = parse_guest_line(line)
    assert parsed is not None
    assert parsed.trouble == ServerTrouble(2, is_plain=True, line="no such folder")
    assert parse_guest_line(b'{"type":"status"}').trouble is None


NO_TIMES = ["true", "-1", "NaN", "Infinity", '"1"', "null", "1e400", "[]", "9" * 400, "9" * 5000]


@pytest.mark.attack("jobs.own-machine", "an agent says numbers that no float takes")
def test_an_activity_of_no_time_is_no_message(tried):
    for idle_s in NO_TIMES:
        assert parse_guest_line(b'{"type":"activity","idle_s":%s}' % idle_s.encode()) is None
    tried(len(NO_TIMES))


DIGITS = b"9" * 400


RUBBISH = [
    b"[" * 15_000,
    b'{"type":' + b"[" * 990 + b"]" * 990 + b"}",
    b'{"type":"phase","phase":' + b"[" * 990 + b"]" * 990 + b"}",
    b'{"type":"phase","phase":%s}' % DIGITS,
    b'{"type":%s}' % DIGITS,
    b'{"type":"status","seeded":%s}' % (b"9" * 5000),
    b'{"type":{}}',
    b'{"type":"phase","phase":{}}',
    b'"type"',
    b"\xff\xfe",
    b'{"type":"error","message":"\\ud800"}',
]


@pytest.mark.attack("jobs.own-machine", "an agent says what breaks parsers")
def test_rubbish_is_no_message(tried):
    for line in RUBBISH:
        assert parse_guest_line(line) is None, line[:40]
    tried(len(RUBBISH))


def test_control_characters_become_blanks():
    assert clean_text("a\x1b[31mb\nc\u202ed") == "a [31mb c d"


@pytest.mark.parametrize("kind", HostMessageType)
def test_every_request_has_an_answer_of_its_own(kind):
    """But poweroff: what would answer is off."""
    assert (kind in ANSWERS) is (kind is not HostMessageType.POWEROFF)
    answers = list(ANSWERS.values())
    assert kind not in ANSWERS or answers.count(ANSWERS[kind]) == 1


@pytest.mark.parametrize("kind", sorted(set(GuestMessageType) - NEED_MORE))
def test_a_line_is_read_as_it_was_written(kind):
    assert parse_guest_line(dump_line(kind)) == GuestMessage(kind)
    assert parse_guest_line(dump_line(kind, phase=Phase.MOUNTS, message="so")) == GuestMessage(
        kind, Phase.MOUNTS, "so"
    )


@pytest.mark.parametrize(
    ("said", "reason"),
    [("home-away", Reason.HOME_AWAY), ("away", None), (None, None), (["home-away"], None)],
)
def test_a_reason_is_one_that_people_are_told(said, reason):
    line = dump_line(GuestMessageType.ERROR, phase="mounts", message="no", reason=said)
    message = parse_guest_line(line)
    assert message is not None
    assert message.reason is reason


@given(st.integers(1, 1000), st.booleans(), st.text(max_size=300).filter(str.isprintable))
def test_trouble_is_read_as_it_was_written(ends, is_plain, line):
    trouble = ServerTrouble(ends, is_plain, line)
    said = parse_guest_line(dump_line(GuestMessageType.STATUS, trouble=trouble.to_json()))
    assert said is not None
    assert said.trouble == trouble
