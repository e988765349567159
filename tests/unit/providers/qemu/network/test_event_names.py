"""Names of an event's machines: who gets which answer, and what a hostile question does."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv4Interface, IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as some

from vmlab.model import Card, NetworkSpec
from vmlab.providers.qemu.network.layout import Member
from vmlab.providers.qemu.network.names import Names, answer

FARM = NetworkSpec("farm", IPv4Network("10.77.0.0/16"))
MINE, THEIRS, STRANGER = map(IPv4Address, ("10.77.1.1", "10.77.2.1", "10.77.9.9"))
A, PTR, AAAA, ANY = 1, 12, 28, 255
DONE, MALFORMED, UNKNOWN, NOT_IMPLEMENTED, REFUSED = 0, 1, 3, 4, 5


def member(machine: str, address: str, trainee: str, names: str, own: str = "") -> Member:
    wide = IPv4Interface(f"{address}/16")
    card = Card(FARM, f"02:00:{wide.ip.packed.hex(':')}", wide, trainee, tuple(names.split()),
                tuple(own.split()))  # fmt: skip
    return Member(machine, card)


NAMES = Names.of(
    FARM.addresses,
    [
        member("desk-t01", "10.77.1.1", "t01", "desk-t01 desk.t01", "desk"),
        member("node1-t01", "10.77.1.2", "t01", "node1.t01", "node1"),
        member("desk-t02", "10.77.2.1", "t02", "desk-t02", "desk"),
        member("server", "10.77.0.20", "", "server"),
    ],
)


def question(
    name: str, kind: int = A, family: int = 1, flags: int = 0x0100, count: int = 1
) -> bytes:
    labels = b"".join(bytes((len(each),)) + each.encode() for each in name.split(".") if each)
    head = struct.pack("!6H", 4711, flags, count, 0, 0, 0)
    return head + labels + b"\0" + struct.pack("!HH", kind, family)


def ask(name: str, asker: IPv4Address = MINE, kind: int = A, **other: int) -> tuple[int, bytes]:
    """Return the answer's code and what is after the question."""
    query = question(name, kind, **other)
    reply = answer(query, asker, NAMES)
    assert reply is not None
    number, flags, questions, answers, *_ = struct.unpack_from("!6H", reply)
    assert number == 4711
    assert flags & 0x8000
    assert reply[12 : 12 + (len(query) - 12) * questions] == query[12:] * questions
    record = reply[len(query) :] if questions else b""
    assert bool(record) == answers
    return flags & 15, record


def found(address: str) -> tuple[int, bytes]:
    data = IPv4Address(address).packed
    return DONE, struct.pack("!3HIH", 0xC00C, A, 1, 60, 4) + data


@pytest.mark.parametrize(
    ("name", "asker", "expected"),
    [
        ("desk-t01", MINE, found("10.77.1.1")),
        ("desk-t01", THEIRS, found("10.77.1.1")),
        ("desk-t01.event", THEIRS, found("10.77.1.1")),
        ("DESK-T01.Event", THEIRS, found("10.77.1.1")),
        ("node1.t01", THEIRS, found("10.77.1.2")),
        ("node1.t01.event", THEIRS, found("10.77.1.2")),
        ("server", STRANGER, found("10.77.0.20")),
        ("desk", MINE, found("10.77.1.1")),
        ("desk", THEIRS, found("10.77.2.1")),
        ("desk.event", THEIRS, found("10.77.2.1")),
        ("node1", MINE, found("10.77.1.2")),
        ("node1", THEIRS, (UNKNOWN, b"")),
        ("desk", STRANGER, (UNKNOWN, b"")),
        ("nobody", MINE, (UNKNOWN, b"")),
        ("nobody.event", MINE, (UNKNOWN, b"")),
        ("node9.t01.event", MINE, (UNKNOWN, b"")),
        ("deb.example", MINE, (REFUSED, b"")),
        ("event", MINE, (UNKNOWN, b"")),
        ("", MINE, (REFUSED, b"")),
    ],
)
def test_names(name, asker, expected):
    assert ask(name, asker) == expected


def test_a_machine_has_no_other_address_and_that_is_said_at_once():
    assert ask("server", kind=AAAA) == (DONE, b"")
    assert ask("server", kind=ANY) == found("10.77.0.20")
    assert ask("server", family=3) == (REFUSED, b"")


def test_addresses_have_names():
    code, record = ask("20.0.77.10.in-addr.arpa", kind=PTR)
    assert (code, record[12:]) == (DONE, b"\6server\5event\0")
    assert ask("9.9.77.10.in-addr.arpa", kind=PTR) == (UNKNOWN, b"")
    assert ask("1.1.1.1.in-addr.arpa", kind=PTR) == (REFUSED, b"")
    assert ask("x.in-addr.arpa", kind=PTR) == (REFUSED, b"")


def test_what_is_not_one_question():
    assert ask("server", count=2)[0] == MALFORMED
    assert ask("server", flags=0x2800)[0] == NOT_IMPLEMENTED, "an update"
    assert answer(question("server", flags=0x8100), MINE, NAMES) is None, "an answer"
    assert answer(b"short", MINE, NAMES) is None
    loop = struct.pack("!6H", 1, 0, 1, 0, 0, 0) + b"\xc0\x0c" + struct.pack("!HH", 1, 1)
    assert answer(loop, MINE, NAMES)[3] & 15 == MALFORMED


@given(some.binary(max_size=1500))
def test_nothing_that_is_asked_is_an_error_or_has_a_large_answer(data):
    reply = answer(data, MINE, NAMES)
    assert reply is None or (reply[:2] == data[:2] and len(reply) <= len(data) + 16 + 255)


@given(some.text(min_size=1, max_size=40))
def test_a_question_for_any_name_is_answered(name):
    try:
        query = question(name)
    except ValueError:  # a label of more than 255 bytes
        return
    assert answer(query, MINE, NAMES) is not None
