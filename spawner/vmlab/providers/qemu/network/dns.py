"""Messages of the DNS, as far as names and IPv4 addresses need them. Pure; standard library only.

Whatever is read here is hostile: questions come from machines, answers from the internet.

ref: RFC 1035, sections 3 and 4; RFC 8482 is not needed: no question has a large answer
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address

A, PTR, ANY, IN = 1, 12, 255, 1
"""Types of records, and the class of all of them."""

AUTHORITATIVE, RECURSION_OFFERED = 0x0400, 0x0080
"""Whose answer it is: the zone's own, or somebody's who asked others."""

_HEADER = struct.Struct("!6H")
_QUESTION_END = struct.Struct("!2H")
_ANSWER = struct.Struct("!3HIH")  # a pointer to the question's name, type, class, TTL, length
_RECORD = struct.Struct("!2HIH")  # what follows a record's own name
_MAX_NAME_BYTES = 255
_MAX_LABEL_BYTES = 63
_POINTER = 0xC0
_TO_THE_QUESTION = 0xC000 | _HEADER.size
_ADDRESS_BYTES = 4
_TTL_S = 60

_IS_ANSWER, _OPCODE, _RECURSION_WANTED, _CODE = 0x8000, 0x7800, 0x0100, 0x000F


class Code(IntEnum):
    """How a question was answered."""

    DONE = 0
    MALFORMED = 1
    FAILED = 2  # it may be asked again
    UNKNOWN = 3  # no such name
    NOT_IMPLEMENTED = 4
    REFUSED = 5  # ask somebody else


@dataclass(frozen=True)
class Question:
    """One question of a datagram."""

    number: int
    kept: int  # flags that an answer repeats
    name: str  # in lower case, without the last dot
    kind: int
    family: int
    text: bytes = b""  # as it was written, which an answer repeats


def read_question(query: bytes) -> Question | bytes | None:
    """Return a datagram's question; bytes: the answer to one that is none; None: no answer."""
    if len(query) < _HEADER.size:
        return None
    number, flags, questions, *_ = _HEADER.unpack_from(query)
    if flags & _IS_ANSWER:
        return None
    kept = flags & (_OPCODE | _RECURSION_WANTED)
    bare = Question(number, kept, "", 0, IN)
    try:
        if flags & _OPCODE:
            return make_answer(bare, Code.NOT_IMPLEMENTED)
        if questions != 1:
            raise ValueError(f"{questions} questions")
        name, end = _read_name(query, _HEADER.size)
        kind, family = _QUESTION_END.unpack_from(query, end)
    except (ValueError, struct.error):
        return make_answer(bare, Code.MALFORMED)
    text = query[_HEADER.size : end + _QUESTION_END.size]
    return Question(number, kept, name, kind, family, text)


def make_answer(
    question: Question,
    code: Code,
    records: Sequence[tuple[int, bytes]] = (),
    *,
    whose: int = AUTHORITATIVE,
) -> bytes:
    """Return the answer to a question.

    Args:
        records: type and data of each record; all have the question's name.
        whose: AUTHORITATIVE or RECURSION_OFFERED.
    """
    flags = _IS_ANSWER | whose | question.kept | code
    head = _HEADER.pack(question.number, flags, bool(question.text), len(records), 0, 0)
    return (
        head
        + question.text
        + b"".join(
            _ANSWER.pack(_TO_THE_QUESTION, kind, IN, _TTL_S, len(data)) + data
            for kind, data in records
        )
    )


def make_question(number: int, name: str) -> bytes:
    """Return a question for a name's IPv4 addresses.

    Raises:
        ValueError: no name has such a form.
    """
    head = _HEADER.pack(number, _RECURSION_WANTED, 1, 0, 0, 0)
    return head + write_name(name) + _QUESTION_END.pack(A, IN)


def read_addresses(answer: bytes, asked: bytes) -> tuple[int, tuple[IPv4Address, ...]]:
    """Return the code of an answer to `make_question`, and the addresses in it.

    Aliases between the name and its addresses are not looked at: who answers is trusted to have
    followed them.

    Raises:
        ValueError: it is no answer to that.
    """
    if len(answer) < len(asked) or answer[:2] != asked[:2]:
        raise ValueError("an answer to another question")
    _, flags, questions, records, *_ = _HEADER.unpack_from(answer)
    same = answer[_HEADER.size : len(asked)].lower() == asked[_HEADER.size :].lower()
    if not flags & _IS_ANSWER or questions != 1 or not same:
        raise ValueError("an answer to another question")
    code, at, found = flags & _CODE, len(asked), []
    for _ in range(records):
        at = _skip_name(answer, at)
        try:
            kind, family, _, length = _RECORD.unpack_from(answer, at)
        except struct.error as error:
            raise ValueError("a record that is cut off") from error
        at += _RECORD.size
        data = answer[at : at + length]
        if len(data) != length:
            raise ValueError("a record that is cut off")
        at += length
        if (kind, family, length) == (A, IN, _ADDRESS_BYTES):
            found.append(IPv4Address(data))
    return code, tuple(dict.fromkeys(found))


def write_name(name: str) -> bytes:
    """Return a name as messages have it.

    Raises:
        ValueError: a label is empty, too long or not ASCII, or all of it is too long.
    """
    written = b""
    for label in name.split("."):
        data = label.encode("ascii")
        if not 0 < len(data) <= _MAX_LABEL_BYTES:
            raise ValueError(f"{name[:80]!r} is not a name")
        written += bytes((len(data),)) + data
    if len(written) >= _MAX_NAME_BYTES:
        raise ValueError(f"{name[:80]!r} is too long a name")
    return written + b"\0"


def _read_name(query: bytes, at: int) -> tuple[str, int]:
    """Return the name there, in lower case, and where it ends.

    Raises:
        ValueError: it is cut off, too long or no host's; a question's is never compressed.
    """
    start, labels = at, []
    while True:
        if at >= len(query):
            raise ValueError("a name that is cut off")
        length = query[at]
        at += 1
        if length == 0:
            break
        if length > _MAX_LABEL_BYTES or at + length - start >= _MAX_NAME_BYTES:
            raise ValueError("a name that is too long")
        labels.append(query[at : at + length])
        at += length
    return b".".join(labels).decode("ascii").lower(), at


def _skip_name(answer: bytes, at: int) -> int:
    """Return where a record's name ends, which may point to another one."""
    while True:
        if at >= len(answer):
            raise ValueError("a name that is cut off")
        length = answer[at]
        if length >= _POINTER:
            return at + 2
        at += 1 + length
        if length == 0:
            return at
