"""A command in a machine: what may be asked for, and what its agent may say of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vmlab_protocol.commands import (
    MAX_COMMAND_BYTES,
    MAX_OUTPUT_CHARS,
    MAX_RUN_S,
    RunReport,
    RunRequest,
    clean_output,
    end_of_output,
    parse_report,
    parse_run,
)
from vmlab_protocol.errors import FormatError
from vmlab_protocol.messages import MAX_FROM_GUEST_BYTES, GuestMessageType, dump_line
from vmlab_protocol.messages import parse_guest_line as parse

ID = "0123456789abcdef"


def test_a_request_is_read():
    begin = {"id": ID, "command": "uname -a", "limit_s": 60}
    assert parse_run(begin) == RunRequest(ID, "uname -a", 60.0)
    assert parse_run({"id": ID}) == RunRequest(ID)
    assert parse_run({"id": ID, "stop": True}) == RunRequest(ID, stop=True)


WRONG = {
    "no id": ({"command": "true", "limit_s": 1}, "id None"),
    "another id": ({"id": "../../etc", "command": "true", "limit_s": 1}, "id '../../etc'"),
    "a list": ({"id": ID, "command": ["true"], "limit_s": 1}, "not a text"),
    "nothing": ({"id": ID, "command": "", "limit_s": 1}, "not a text"),
    "a zero byte": ({"id": ID, "command": "a\0b", "limit_s": 1}, "not a text"),
    "long": ({"id": ID, "command": "é" * MAX_COMMAND_BYTES, "limit_s": 1}, "more than 98304 bytes"),
    "no limit": ({"id": ID, "command": "true"}, "limit_s None is not a number"),
    "a yes": ({"id": ID, "command": "true", "limit_s": True}, "limit_s True is not a number"),
    "none at all": ({"id": ID, "command": "true", "limit_s": 0}, "not between"),
    "days": ({"id": ID, "command": "true", "limit_s": MAX_RUN_S + 1}, "not between"),
}


@pytest.mark.parametrize(("message", "told"), WRONG.values(), ids=WRONG)
def test_a_wrong_request_is_refused_with_what_is_wrong(message, told):
    with pytest.raises(FormatError, match=told):
        parse_run(message)


def test_a_refusal_shows_nothing_of_the_command():
    with pytest.raises(FormatError) as caught:
        parse_run({"id": ID, "command": "password=hunter2", "limit_s": -1})
    assert "hunter2" not in str(caught.value)


reports = st.builds(
    RunReport,
    id=st.text("0123456789abcdef", min_size=8, max_size=64),
    status=st.none() | st.integers(0, 255),
    output=st.text(max_size=200).map(clean_output),
    is_late=st.booleans(),
    refused=st.text(max_size=200).filter(str.isprintable),
)


@given(reports)
def test_a_report_is_read_as_it_was_written(report):
    said = parse(dump_line(GuestMessageType.RAN, **report.to_json()))
    assert said is not None
    assert said.report == report


NO_REPORTS: list[dict[str, Any]] = [
    {"status": 0},
    {"id": 5, "status": 0},
    {"id": "x" * 16, "status": 0},
    {"id": "0" * 65, "status": 0},
    {"id": ID, "status": -1},
    {"id": ID, "status": 256},
    {"id": ID, "status": True},
    {"id": ID, "status": 0.5},
    {"id": ID, "status": "0"},
    {"id": ID, "status": 10**18},
]


@pytest.mark.attack("jobs.own-machine", "an agent reports a command as no command ends")
def test_another_report_is_no_message(tried):
    for body in NO_REPORTS:
        assert parse_report(body) is None, body
        assert parse(json.dumps({"type": "ran", **body}).encode()) is None
    tried(len(NO_REPORTS))


@given(st.text(), st.text())
@example("\x1b[2J\u202e\r\n" * 5000, "\n" * 5000)
@example("\0", "\x7f")
def test_what_a_machine_prints_is_cut_and_cleaned(output, refused):
    report = parse_report({"id": ID, "output": output, "refused": refused, "late": "yes"})
    assert report is not None
    assert len(report.output) <= MAX_OUTPUT_CHARS
    assert report.output.replace("\n", "").isprintable()
    assert report.refused.isprintable()
    assert len(report.refused) <= 300
    assert report.is_late is False


def test_the_end_of_an_output_is_what_stays():
    assert clean_output("begin\n" + "x" * MAX_OUTPUT_CHARS).startswith("xxx")
    assert end_of_output(b"a\r\nb\tc\xff") == "a\nb c\ufffd"


@given(st.binary(max_size=4000))
@example(b"\xf0\x9f\x98\x80" * 10_000)  # each becomes twelve characters of JSON
@example(b"\n" * 70_000)
@example(b"\xff" * 70_000)
def test_a_report_always_fits_into_a_line(data):
    output = end_of_output(data)
    line = dump_line(GuestMessageType.RAN, **RunReport("0" * 64, 255, output).to_json())
    assert len(line) <= MAX_FROM_GUEST_BYTES
    said = parse(line)
    assert said is not None
    assert said.report is not None
    assert said.report.output == output
