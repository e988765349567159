"""What a stranger, a broken peer or a slip of the pen gives the acquisition."""

from __future__ import annotations

import base64
import json
import socket
import struct
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from narval.config import parse_address
from narval.control.log_record import read_record
from narval.control.naming import read_entry
from narval.control.peer import _fits
from narval.errors import NarvalError
from narval.links.tcp import accept_readers, listen
from narval.links.waiting import Bell
from narval.runs import read_run
from narval.spectra import Spectrum

ENTRY = {"name": "tandem", "kind": "sub_system", "host": "h", "port": 40001, "pid": 12}
RUN = "number = 1\nbegan = 2026-11-29T12:00:00Z\ncomplete = true\n"


@pytest.mark.attack("parsers.no-surprise", "a stranger at a link's port says thousands of brackets")
@pytest.mark.parametrize("word", [b"[" * 4000 + b"\n", b'{"a":' * 700 + b"\n", b"9" * 4090 + b"\n"])
def test_a_stranger_at_a_links_port_keeps_no_reader_out(word):
    listener, abort = listen("127.0.0.1", 4096), Bell()
    try:
        with socket.create_connection(listener.getsockname()) as stranger:
            stranger.sendall(word)
            with socket.create_connection(listener.getsockname()) as reader:
                reader.sendall(json.dumps({"reader": "b", "proof": "right"}).encode() + b"\n")
                links = accept_readers(listener, {"b": "right"}, abort)
                links["b"].close()
    finally:
        listener.close()
        abort.close()


@pytest.mark.parametrize(
    "text", ["host:" + "9" * 5000, "host:99999", "host:65536", "host:-1", ":1"]
)
def test_what_is_no_port_is_no_address(text):
    with pytest.raises(NarvalError, match="not an address"):
        parse_address(text, 1)


@pytest.mark.parametrize("change", [{"port": 0}, {"port": 65536}, {"port": []}, {"kind": "x"}])
def test_an_entry_that_nobody_could_connect_to(change):
    with pytest.raises(NarvalError, match="no entry"):
        read_entry({**ENTRY, **change})


@pytest.mark.parametrize("facts", ["text", None, [], 5])
def test_what_is_no_record(facts):
    with pytest.raises(NarvalError, match="log record"):
        read_record(facts)


@pytest.mark.parametrize(
    "text",
    [
        RUN.replace("1", '"1"', 1),
        RUN.replace("1", "0", 1),
        RUN.replace("1", "9" * 5000, 1),
        RUN.replace("2026-11-29T12:00:00Z", "12:00:00"),
        RUN.replace("true", "1"),
        RUN + "ended = 5\n",
        "x = " + "[" * 5000,
    ],
)
def test_a_runs_file_that_says_something_else(tmp_path, text):
    (tmp_path / "run.toml").write_text(text)
    with pytest.raises(NarvalError, match=r"run\.toml"):
        read_run(tmp_path)


def _spectrum(**changes):
    counts = zlib.compress(struct.pack("<4I", 1, 2, 3, 4))
    axis = {"label": "keV", "bins": 4, "low": 0.0, "high": 8.0}
    known = {"name": "e", "axes": [axis], "counts": base64.b64encode(counts).decode()}
    return known | {"entries": 10, "outside": 0} | changes


def test_a_spectrum_is_read():
    assert Spectrum.from_json(_spectrum()).counts.tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize(
    "change",
    [
        {"axes": [{"label": "keV", "bins": -4, "low": 0.0, "high": 8.0}]},
        {"axes": [{"label": "keV", "bins": 2**40, "low": 0.0, "high": 8.0}]},
        {"axes": [{"label": "keV", "bins": 4, "low": 8.0, "high": 8.0}]},
        {"axes": [{"label": "keV", "bins": 4, "low": "0", "high": {}}]},
        {"axes": 5},
        {"counts": base64.b64encode(zlib.compress(bytes(2**20))).decode()},
        {"counts": "AAAA"},
        {"entries": []},
    ],
)
def test_what_is_no_spectrum(change):
    with pytest.raises(NarvalError, match="not a spectrum"):
        Spectrum.from_json(_spectrum(**change))


def test_a_bomb_of_counts_is_not_unpacked():
    bomb = base64.b64encode(zlib.compress(bytes(2**28), 9)).decode()  # a quarter of a gibibyte
    with pytest.raises(NarvalError, match="not a spectrum"):
        Spectrum.from_json(_spectrum(counts=bomb))


@pytest.mark.parametrize(
    ("value", "annotation", "fits"),
    [
        ("a", "str", True),
        (1, "str", False),
        (None, "str | None", True),
        ([], "str | None", False),
        ([], "Sequence[dict[str, Any]]", True),
        ("a", "Sequence[dict[str, Any]]", False),
        (1, "float", True),
        (object(), "Any", True),
    ],
)
def test_parameters_of_calls_are_of_their_types(value, annotation, fits):
    assert _fits(value, annotation) is fits


@given(st.text())
def test_any_text_is_an_address_or_none(text):
    try:
        address = parse_address(text, 2809)
    except NarvalError:
        return
    assert 0 <= address.port <= 65535
