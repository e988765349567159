"""Names of an event's machines, answered at once: the smallest server of the DNS. Pure.

Everybody in the network asks it, so what it reads is hostile. It knows the network's machines and
nothing else: who asks decides which machine `node1` is, an unknown name of the network's is denied,
and any other question is refused, so that the next server on a machine's list is asked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network

from vmlab.providers.qemu.network.dns import (
    ANY,
    IN,
    PTR,
    A,
    Code,
    Question,
    make_answer,
    read_question,
    write_name,
)
from vmlab.providers.qemu.network.layout import ZONE, Member

_REVERSE = ".in-addr.arpa"


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
    question = read_question(query)
    if not isinstance(question, Question):
        return question
    code, record = _REFUSED if question.family != IN else _look_up(question, asker, names)
    return make_answer(question, code, () if record is None else (record,))


_Found = tuple[Code, tuple[int, bytes] | None]
"""A code, and the type and the data of the one record that answers."""

_REFUSED: _Found = (Code.REFUSED, None)


def _look_up(question: Question, asker: IPv4Address, names: Names) -> _Found:
    name, kind = question.name, question.kind
    if name.endswith(_REVERSE):
        return _look_up_address(name.removesuffix(_REVERSE), kind, names)
    short = name.removesuffix(f".{ZONE}")
    address = names.find(short, asker)
    if address is None:
        is_ours = short != name or (name != "" and "." not in name)
        return (Code.UNKNOWN if is_ours else Code.REFUSED), None
    return Code.DONE, (A, address.packed) if kind in {A, ANY} else None


def _look_up_address(reverse: str, kind: int, names: Names) -> _Found:
    try:
        address = IPv4Address(".".join(reversed(reverse.split("."))))
    except ValueError:
        return _REFUSED
    if address not in names.addresses:
        return _REFUSED
    name = names.full.get(address)
    if name is None:
        return Code.UNKNOWN, None
    return Code.DONE, (PTR, write_name(f"{name}.{ZONE}")) if kind in {PTR, ANY} else None
