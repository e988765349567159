"""[network] of lab.toml: the addresses of an event's network, and who meets whom in it.

Each trainee has a block of addresses of their own, by a number that never changes: the machines
of number 7 are 10.77.7.1, 10.77.7.2 and so on. The first block belongs to the event.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Final

from vmlab.lab.toml_errors import Table, show
from vmlab.model import Meeting

OF_MACHINES: Final = (IPv4Network("10.0.2.0/24"), IPv4Network("10.0.3.0/24"))
"""In every machine these lead to the hub and to the internet."""

PRIVATE: Final = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
SERVER_PLACE: Final = 2
"""The event's first address is the network's own."""

_ADDRESSES: Final = IPv4Network("10.77.0.0/16")
_LARGEST_BLOCK: Final = 256
_SPARE: Final = 2  # addresses of a block that no machine has: its first and its last


@dataclass(frozen=True)
class AddressPlan:
    """How a network is divided; addresses stay as long as the network and this do."""

    network: IPv4Network
    block: int  # addresses of one trainee

    @property
    def trainees(self) -> int:
        """How many trainees have a block: numbers go from 1 to this."""
        return self.network.num_addresses // self.block - 1

    def address(self, number: int, place: int) -> IPv4Interface:
        """Return the address of a machine.

        Args:
            number: of the trainee; 0: the event.
            place: of the machine among theirs, from 1.

        Raises:
            ValueError: the network has no such address.
        """
        if not (0 <= number <= self.trainees and 1 <= place <= self.block - _SPARE):
            raise ValueError(f"{self.network} has no machine {place} of trainee {number}")
        address = IPv4Address(int(self.network.network_address) + number * self.block + place)
        return IPv4Interface((address, self.network.prefixlen))


def plan_addresses(network: IPv4Network, trainees: int, machines: int) -> AddressPlan | None:
    """Return the widest division with room for so many trainees; None: there is none.

    Args:
        machines: of each trainee.
    """
    block = _LARGEST_BLOCK
    while block and network.num_addresses // block <= trainees:
        block //= 2
    return AddressPlan(network, block) if block >= max(machines, SERVER_PLACE) + _SPARE else None


@dataclass(frozen=True)
class NetworkChoice:
    """[network]: the network of the event."""

    addresses: IPv4Network = _ADDRESSES
    meeting: Meeting = Meeting.ALL


def read_network(table: Table, *, trainees: int, machines: int) -> NetworkChoice:
    """Read the section; what does not fit is a mistake of its addresses.

    Args:
        trainees: accounts that may have machines.
        machines: of each of them.
    """
    written = table.text("addresses", str(_ADDRESSES))
    meeting = table.choice("meet", Meeting, Meeting.ALL)
    try:
        network = IPv4Network(written)
    except ValueError as error:
        # Not every message of the module says what it is about.
        problem = str(error).removeprefix(repr(written)).strip()
        table.mistake(
            "addresses", f'{show(written)}: {problem}; allowed: a range such as "{_ADDRESSES}"'
        )
        return NetworkChoice(meeting=meeting)
    if problem := _range_problem(network, trainees, machines):
        table.mistake("addresses", f"{show(written)} {problem}")
    return NetworkChoice(network, meeting)


def _range_problem(network: IPv4Network, trainees: int, machines: int) -> str:
    """Return what is wrong with a range; empty: nothing."""
    taken = [str(each) for each in OF_MACHINES if network.overlaps(each)]
    if taken:
        return f"overlaps {taken[0]}, by which each machine reaches the hub; choose another range"
    if not any(network.subnet_of(private) for private in PRIVATE):
        allowed = ", ".join(map(str, PRIVATE))
        return f"is not within a private range; allowed: a part of {allowed}"
    if plan_addresses(network, trainees, machines) is None:
        return (
            f"is too small for {trainees} accounts with {machines} machines each; "
            f'allowed: a larger range, such as "{_ADDRESSES}"'
        )
    return ""
