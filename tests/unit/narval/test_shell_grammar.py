"""The shell's grammar and answers: the wiki's own examples, and lines that are none."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narval.shell.answers import (
    Answer,
    Message,
    OkSpelling,
    error_answer,
    format_answer,
    help_answer,
)
from narval.shell.grammar import (
    FORMS,
    Verb,
    forms_of,
    parse_command,
)
from narval.shell.lines import SyntaxRefusedError, fill_in


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("launch toto localhost local", {"sub_system_name": "toto", "host_name": "localhost"}),
        ("get sub_systems", {}),
        ("get arguments toto", {"sub_system_name": "toto"}),
        ("get rate toto reader",
         {"argument_name": "rate", "sub_system_name": "toto", "actor_name": "reader"}),
        ("set action start toto", {"action": "start", "sub_system_name": "toto"}),
        ("set configuration_file 'my topology.xml' mysubsystem",
         {"file_name": "my topology.xml", "sub_system_name": "mysubsystem"}),
        ("set library libproduce.so toto data_transmitter",
         {"file_name": "libproduce.so", "sub_system_name": "toto",
          "actor_name": "data_transmitter"}),
        ("set rate 5 toto", {"argument_name": "rate", "value": "5", "sub_system_name": "toto"}),
        ("help get  # a comment", {"command": "get"}),
    ],
)  # fmt: skip
def test_lines_are_understood(line, values):
    command = parse_command(line)
    assert command is not None
    assert command.values == values


@pytest.mark.parametrize("line", ["", "   ", "# only a comment"])
def test_nothing_is_asked(line):
    assert parse_command(line) is None


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("lanch toto here", "did you mean launch"),
        ("launch toto", "launch is not used like this"),
        ("launch 'toto", "unreadable line"),
        ("get" + " x" * 5000, "at most"),
    ],
)
def test_what_is_no_command_is_refused(line, message):
    with pytest.raises(SyntaxRefusedError, match=message):
        parse_command(line)


def test_help_answers_as_the_wiki_shows_it():
    text = format_answer(help_answer(forms_of(Verb.GET)))
    root = ET.fromstring(text)
    assert root.attrib == {"cmd": "get", "status": "OK"}
    assert {e.text for e in root.iter("syntax")} == {
        "get argument_name sub_system_name",
        "get argument_name sub_system_name actor_name",
        "get arguments sub_system_name",
        "get arguments sub_system_name actor_name",
        "get sub_systems",
        "get actors sub_system_name",
    }


def test_a_scripts_parameters():
    line = fill_in("set library libproduce.so $1 data_transmitter", ["my sub"])
    assert parse_command(line).values["sub_system_name"] == "my sub"
    with pytest.raises(SyntaxRefusedError, match=r"uses \$2, but was given 1"):
        fill_in("launch $2 localhost", ["toto"])


def test_both_spellings_and_an_error():
    answer = Answer("launch", True, {"sub_system_name": "toto"})
    assert ET.fromstring(format_answer(answer, OkSpelling.LOWER)).get("status") == "ok"
    refused = ET.fromstring(format_answer(error_answer("launch", "no\nway", FORMS[:1])))
    assert refused.get("status") == "ERROR"
    assert [e.text for e in refused.iter("text")] == ["no", "way"]


@given(st.text(max_size=200))
def test_any_line_is_a_command_nothing_or_refused(line):
    try:
        parse_command(line)
    except SyntaxRefusedError as error:
        ET.fromstring(format_answer(error_answer("x", str(error), error.forms)))


@given(st.text(max_size=50), st.text(max_size=50))
def test_any_text_makes_an_answer_that_reads_as_xml(name, text):
    ET.fromstring(format_answer(Answer(name, True, {"a": text}, [Message(text, [("t", text)])])))
