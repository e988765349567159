"""The pure parts of the control plane: addresses, orders, ends of processes, completion, tables."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narval.cli.table import format_table
from narval.client import read_status
from narval.config import Address, naming_address, parse_address
from narval.control.log_record import LogFilter, LogRecord, level_of, read_record
from narval.control.proof import Side, is_same, new_challenge, prove
from narval.control.wire import BadMessageError, decode, encode
from narval.coordinator.coordinator import TRANSITIONS
from narval.coordinator.order import from_consumers, from_producers, inputs_of, readers_of
from narval.coordinator.settings import check_sub_system
from narval.death import reason_of_end
from narval.errors import NarvalError
from narval.shell.completion import complete
from narval.shell.execute import _COMMANDS, format_value
from narval.shell.grammar import FORMS
from narval.states import Action, State
from narval.topology.model import LogLevel
from narval.topology.read import parse_topology

DIAMOND = b"""<configuration>
<producer><name>a</name><hostname>h</hostname><binary_code>p</binary_code>
  <output_buffer_name>x</output_buffer_name><size output_buffer="x">10</size>
  <port output_buffer="x">fifo</port></producer>
<intermediary><name>b</name><hostname>h</hostname><binary_code>f</binary_code>
  <data_source>a</data_source>
  <output_buffer_name>y</output_buffer_name><size output_buffer="y">20</size>
  <port output_buffer="y">eth0</port></intermediary>
<consumer><name>c</name><hostname>h</hostname><binary_code>c</binary_code>
  <data_source source_buffer="y">b</data_source><data_source>a</data_source></consumer>
<consumer><name>d</name><hostname>h</hostname><binary_code>c</binary_code>
  <data_source>a</data_source></consumer>
</configuration>"""


@pytest.fixture
def diamond():
    return parse_topology(DIAMOND, "diamond.xml")


def test_ranks_follow_the_data(diamond):
    assert from_producers(diamond) == (("a",), ("b", "d"), ("c",))
    assert from_consumers(diamond) == (("c",), ("b", "d"), ("a",))


def test_readers_and_inputs(diamond):
    assert readers_of(diamond, diamond.actor("a")) == {"x": ["b", "c", "d"]}
    assert readers_of(diamond, diamond.actor("d")) == {}
    opened: dict[tuple[str, str, str], dict[str, Any]] = {
        ("b", "y", "c"): {"buffer": "y", "reader": "c", "host": "h", "port": 7, "challenge": "c"},
        ("a", "x", "c"): {"buffer": "x", "reader": "c", "path": "/p"},
    }
    assert inputs_of(diamond, diamond.actor("c"), opened) == [
        {"actor": "b", "buffer": "y", "size_bytes": 20, "port": "eth0",
         "at": {"host": "h", "port": 7, "challenge": "c"}},
        {"actor": "a", "buffer": "x", "size_bytes": 10, "port": "fifo", "at": {"path": "/p"}},
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "more", "reason"),
    [
        (-11, {"symbol": "process_block"}, "killed by SIGSEGV in process_block"),
        (-9, {}, "killed by SIGKILL"),
        (137, {}, "killed by SIGKILL"),
        (1, {"last_line": "no such module"}, "exit code 1; it last wrote: no such module"),
        (0, {}, "it ended without being asked to"),
        (255, {"by_ssh": True, "last_line": "No route"},
         "ssh failed, or it was killed there (ssh's exit code 255); it last wrote: No route"),
        (139, {"by_ssh": True, "last_line": "killed by SIGSEGV in process_block"},
         "killed by SIGSEGV in process_block"),
        (137, {"by_ssh": True, "last_line": "what it printed"}, "killed by SIGKILL"),
        (255, {}, "exit code 255"),
        (-200, {}, "killed by signal 200"),
    ],
)  # fmt: skip
def test_why_a_process_has_ended(code, more, reason):
    assert reason_of_end(code, **more) == reason


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("here", Address("here", 5)),
        ("here:80", Address("here", 80)),
        ("[::1]:80", Address("::1", 80)),
        ("::1", Address("::1", 5)),
    ],
)
def test_addresses(text, address):
    assert parse_address(text, 5) == address


@pytest.mark.parametrize("text", ["", ":80", "here:", "here:-1", "here:70000", "here:x"])
def test_what_is_no_address(text):
    with pytest.raises(NarvalError, match="is not an address"):
        parse_address(text, 5)


def test_where_the_naming_service_is():
    assert naming_address({}) == Address("127.0.0.1", 2809)
    assert naming_address({"NARVAL_NAMING_SERVICE": "daq"}) == Address("daq", 2809)


@given(st.dictionaries(st.text(), st.text()))
def test_a_message_is_read_as_it_was_written(message):
    line = encode(message)
    assert line.count(b"\n") == 1
    assert decode(line) == message


@given(st.binary(max_size=100))
def test_any_line_is_a_message_or_refused(line):
    with contextlib.suppress(BadMessageError):
        assert isinstance(decode(line), dict)


@pytest.mark.parametrize("given_", [None, 5, "", "s", ["secret"], "\ud800", "secret "])
def test_what_is_not_the_same(given_):
    assert is_same("secret", "secret")
    assert not is_same(given_, "secret")


def test_a_proof_is_of_one_side_one_secret_and_one_saying():
    mine = prove("secret", Side.CLIENT, "a", "b")
    assert prove("secret", Side.CLIENT, "a", "b") == mine
    others = [
        prove("secret", Side.SERVER, "a", "b"),
        prove("other", Side.CLIENT, "a", "b"),
        prove("secret", Side.CLIENT, "ab", ""),
        prove("secret", Side.CLIENT, "b", "a"),
        prove("secret", Side.CLIENT, "a"),
    ]
    assert len({mine, *others}) == 6
    assert new_challenge() != new_challenge()


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "-a", "a b", "a" * 65, "1a"])
def test_names_that_no_sub_system_can_have(name):
    with pytest.raises(NarvalError, match="cannot be a sub-system's name"):
        check_sub_system(name)


def test_from_error_two_ways_lead_out():
    ways = {action: to for (state, action), to in TRANSITIONS.items() if state is State.ERROR}
    assert ways == {Action.RESET_COM: State.LOADED, Action.UNCONFIGURE: State.INITIAL}


def test_levels_and_filters():
    assert [level_of(n) for n in (5, 10, 20, 25, 30, 40, 50, 99)] == [
        "debug", "debug", "info", "info", "warn", "error", "fatal", "fatal",
    ]  # fmt: skip
    record = LogRecord("t", LogLevel.WARN, "tandem", "reader", "here", "hot")
    assert LogFilter("tandem", "reader", LogLevel.WARN).has(record)
    assert not LogFilter(level=LogLevel.ERROR).has(record)
    assert not LogFilter(sub_system="other").has(record)
    with pytest.raises(NarvalError, match="without"):
        read_record({"level": "info"})


def names(wanted, before):
    return {"SUB_SYSTEM_NAME": ["tandem", "toto"], "ACTOR_NAME": [f"of_{before[-1]}"]}.get(
        wanted, []
    )


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", ["help", "launch", "get", "set", "exit"]),
        ("s", ["set"]),
        ("set action st", ["start", "stop"]),
        ("set action start t", ["tandem", "toto"]),
        ("set ", ["action", "configuration_file", "library"]),
        ("get actors ", ["tandem", "toto", ]),
        ("get rate tandem ", ["of_tandem"]),
        ("launch tandem here ", ["local"]),
        ("help l", ["launch"]),
        ("exit ", []),
        ("nonsense ", []),
    ],
)  # fmt: skip
def test_completion(line, words):
    assert complete(line, names) == words


def test_every_form_of_the_grammar_does_something():
    assert set(_COMMANDS) == {(form.verb, form.words) for form in FORMS}


def test_values_as_commands_set_them():
    assert [format_value(v) for v in (None, "a b", 5, 1.5, True, [1])] == [
        "", "a b", "5", "1.5", "true", "[1]",
    ]  # fmt: skip


def test_a_table_of_rates():
    actor = {
        "name": "reader", "state": "Error", "error": "killed by SIGKILL", "bytes_per_s_in": 65_536,
        "bytes_in": 1e6, "buffers": [{"filled_bytes": 5, "size_bytes": 10}],
    }  # fmt: skip
    status = read_status(
        {"sub_system": "tandem", "state": "Error", "under_way": None, "allowed": ["reset_com"],
         "error": "x", "run_number": 3, "configuration_file": "", "actors": [actor]}
    )  # fmt: skip
    lines = format_table(status)
    assert lines[0] == "tandem: Error, run 3; rates over 5 s"
    assert lines[2].split() == ["reader", "Error", "65.5", "kB/s", "0", "B/s", "1", "MB", "0", "B",
                                "50%"]  # fmt: skip
    assert lines[3].strip() == "reader: killed by SIGKILL"
    assert all(len(line) <= 20 for line in format_table(status, 20))
