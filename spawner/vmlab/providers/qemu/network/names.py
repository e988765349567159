"""Names of an event's machines, answered at once: the smallest server of the DNS. Pure.

Everybody in the network asks it, so what it reads is hostile. It knows the network's machines and
nothing else: who asks decides which machine `node1` is, an unknown name of the network's is denied,
and any other question is refused, so that the next server on a machine's list is asked.

ref: RFC 1035, sections 3 and 4; RFC 8482 is not needed: no question has a large answer
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum
from ipaddress import IPv4Address, IPv4Network

from vmlab.providers.qemu.network.layout import ZONE, Member

_HEADER = struct.Struct("!6H")
_QUESTION_END = struct.Struct("!2H")
_ANSWER = struct.Struct("!3HIH")  # a pointer to the question's name, type, class, TTL, length
_MAX_NAME_BYTES = 255
_MAX_LABEL_BYTES = 63
_TO_THE_QUESTION = 0xC000 | _HEADER.size
_TTL_S = 60

_IS_ANSWER, _OPCODE, _AUTHORITATIVE, _RECURSION_WANTED = 0x8000, 0x7800, 0x0400, 0x0100
_A, _PTR, _ANY, _IN = 1, 12, 255, 1
_REVERSE = ".in-addr.arpa"


class _Code(IntEnum):
    """How a question was answered."""

    DONE = 0
    MALFORMED = 1
    UNKNOWN = 3  # no such name
    NOT_IMPLEMENTED = 4
    REFUSED = 5  # ask somebody else


@dataclass(frozen=True)
class Names:
    """Who has which name, and who may know."""

    addresses: IPv4Network
    for_all: dict[str, IPv4Address]
    own: dict[str, dict[str, IPv4Address]]  # of a trainee's machines, for each other
    trainees: dict[IPv4Address, str]
    full: dict[IPv4Address, str]  # a machine's first name

    @classmethod
    def of(cls, addresses: IPv4Network, members: Iterable[Member]) -> Names:
        """Return the names of these machines; `find_clash` has made sure that they differ."""
        names = cls(addresses, {}, {}, {}, {})
        for member in members:
            card = member.card
            address = card.address.ip
            names.trainees[address] = card.trainee
            names.for_all.update(dict.fromkeys(card.names, address))
            own = names.own.setdefault(card.trainee, {})
            own.update(dict.fromkeys(card.own_names, address))
            if card.names:
                names.full[address] = card.names[0]
        return names

    def find(self, name: str, asker: IPv4Address) -> IPv4Address | None:
        """Return whose name this is for the machine that asks; its trainee's own come first."""
        if asker in self.trainees:
            own = self.own.get(self.trainees[asker], {})
            if name in own:
                return own[name]
        return self.for_all.get(name)


def answer(query: bytes, asker: IPv4Address, names: Names) -> bytes | None:
    """Return the answer to this datagram; None: it is not a question."""
    if len(query) < _HEADER.size:
        return None
    number, flags, questions, *_ = _HEADER.unpack_from(query)
    if flags & _IS_ANSWER:
        return None
    kept = flags & (_OPCODE | _RECURSION_WANTED)
    try:
        if flags & _OPCODE:
            return _reply(number, kept, _Code.NOT_IMPLEMENTED)
        if questions != 1:
            raise ValueError(f"{questions} questions")
        name, end = _read_name(query, _HEADER.size)
        kind, family = _QUESTION_END.unpack_from(query, end)
    except (ValueError, struct.error):
        return _reply(number, kept, _Code.MALFORMED)
    question = query[_HEADER.size : end + _QUESTION_END.size]
    code, data = _REFUSED if family != _IN else _look_up(name, kind, asker, names)
    return _reply(number, kept, code, question, data)


_Found = tuple[_Code, tuple[int, bytes] | None]
"""A code, and the type and the data of the one record that answers."""

_REFUSED: _Found = (_Code.REFUSED, None)


def _look_up(name: str, kind: int, asker: IPv4Address, names: Names) -> _Found:
    if name.endswith(_REVERSE):
        return _look_up_address(name.removesuffix(_REVERSE), kind, names)
    short = name.removesuffix(f".{ZONE}")
    address = names.find(short, asker)
    if address is None:
        is_ours = short != name or "." not in name
        return (_Code.UNKNOWN if is_ours else _Code.REFUSED), None
    return _Code.DONE, (_A, address.packed) if kind in {_A, _ANY} else None


def _look_up_address(reverse: str, kind: int, names: Names) -> _Found:
    try:
        address = IPv4Address(".".join(reversed(reverse.split("."))))
    except ValueError:
        return _REFUSED
    if address not in names.addresses:
        return _REFUSED
    name = names.full.get(address)
    if name is None:
        return _Code.UNKNOWN, None
    return _Code.DONE, (_PTR, _write_name(f"{name}.{ZONE}")) if kind in {_PTR, _ANY} else None


def _reply(
    number: int,
    kept: int,
    code: _Code,
    question: bytes = b"",
    data: tuple[int, bytes] | None = None,
) -> bytes:
    flags = _IS_ANSWER | _AUTHORITATIVE | kept | code
    reply = _HEADER.pack(number, flags, bool(question), data is not None, 0, 0) + question
    if data is None:
        return reply
    kind, value = data
    return reply + _ANSWER.pack(_TO_THE_QUESTION, kind, _IN, _TTL_S, len(value)) + value


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


def _write_name(name: str) -> bytes:
    labels = [label.encode("ascii") for label in name.split(".")]
    return b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
