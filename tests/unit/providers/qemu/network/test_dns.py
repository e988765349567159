"""Messages of the DNS: what is asked of a resolver, and what is taken from its answer."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as some

from vmlab.providers.qemu.network.dns import (
    RECURSION_OFFERED,
    A,
    Code,
    Question,
    make_answer,
    make_question,
    read_addresses,
    read_question,
    write_name,
)

NAME = "deb.debian.org"
ASKED = make_question(4711, NAME)
CNAME, AAAA = 5, 28
TO_THE_QUESTION = b"\xc0\x0c"


def record(kind: int, data: bytes, name: bytes = TO_THE_QUESTION) -> bytes:
    return name + struct.pack("!2HIH", kind, 1, 60, len(data)) + data


def reply(*records: bytes, code: int = 0, asked: bytes = ASKED, count: int = -1) -> bytes:
    head = struct.pack("!6H", 4711, 0x8180 | code, 1, len(records) if count < 0 else count, 0, 0)
    return head + asked[12:] + b"".join(records)


def test_a_question_is_read_as_it_was_made():
    question = read_question(ASKED)
    assert isinstance(question, Question)
    assert (question.number, question.name, question.kind) == (4711, NAME, A)
    assert question.text == ASKED[12:]


def test_addresses_behind_an_alias_are_found_once():
    alias = b"\x07debian2" + TO_THE_QUESTION
    answer = reply(
        record(CNAME, alias),
        record(A, bytes((151, 101, 2, 132)), b"\x07debian2\x03map\0"),
        record(AAAA, bytes(16)),
        record(A, bytes((151, 101, 66, 132))),
        record(A, bytes((151, 101, 2, 132))),
    )
    found = (IPv4Address("151.101.2.132"), IPv4Address("151.101.66.132"))
    assert read_addresses(answer, ASKED) == (0, found)


def test_a_name_that_is_not_there():
    assert read_addresses(reply(code=3), ASKED) == (Code.UNKNOWN, ())


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        ASKED,  # a question
        reply()[1:],
        b"\x00\x01" + reply()[2:],
        reply(asked=make_question(4711, "deb.debian.com")),
        reply(count=1),
        reply(record(A, bytes(4))[:-1]),
        reply(record(A, bytes(4), name=b"\x3fabc")),
    ],
)
def test_what_is_no_answer_to_the_question(answer):
    with pytest.raises(ValueError, match=r"another question|cut off"):
        read_addresses(answer, ASKED)


@given(some.binary(max_size=600), some.integers(0, 70_000))
def test_nothing_that_comes_from_outside_is_another_error(data, count):
    for answer in (data, reply(data, count=count % 65_536)):
        try:
            _, found = read_addresses(answer, ASKED)
        except ValueError:
            continue
        assert len(found) == len(set(found))


def test_an_answer_with_several_addresses_is_one_of_a_resolver():
    question = read_question(ASKED)
    assert isinstance(question, Question)
    addresses = [IPv4Address("9.9.9.9"), IPv4Address("149.112.112.112")]
    records = [(A, each.packed) for each in addresses]
    answer = make_answer(question, Code.DONE, records, whose=RECURSION_OFFERED)
    assert struct.unpack_from("!H", answer, 2)[0] == 0x8180
    assert read_addresses(answer, ASKED) == (0, tuple(addresses))


@pytest.mark.parametrize("name", ["", "a..b", "a." + "b" * 64, ".".join(["abc"] * 64), "é.org"])
def test_what_cannot_be_asked_for(name):
    with pytest.raises(ValueError, match=r"name|ascii"):
        write_name(name)
