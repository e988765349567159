"""The networks of events, in memory: who is in which one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from vmlab.errors import HostError, MachineConflictError
from vmlab.model import Card, NetworkSpec, NetworkStatus
from vmlab.providers.fake.faults import read_faults
from vmlab.providers.fake.machines import FakeMachines


@dataclass
class _Network:
    """One network and the cards in it, by machine."""

    spec: NetworkSpec
    cards: dict[str, Card] = field(default_factory=dict)


class NetworksOfFake(FakeMachines):
    """The methods of `vmlab.providers.base.KeepsNetworks`; a part of `FakeProvider`."""

    def __init__(self, state: Path) -> None:
        super().__init__(state)
        self._networks: dict[str, _Network] = {}

    async def ensure_network(self, spec: NetworkSpec) -> None:
        """Note the network, unless `fake.json` says by `no_network` that there can be none."""
        if problem := (await asyncio.to_thread(read_faults, self._state)).no_network:
            raise HostError(
                f"network {spec.name!r} cannot be made: {problem}",
                hint="this is the fake provider: see fake.json",
            )
        there = self._networks.setdefault(spec.name, _Network(spec))
        if there.spec.addresses != spec.addresses and there.cards:
            raise MachineConflictError(
                next(iter(there.cards)),
                f"it is in network {spec.name!r} with addresses {there.spec.addresses}, "
                f"and {spec.addresses} are wanted now",
                hint="stop the machines of the event first",
            )
        there.spec = spec

    async def networks(self) -> list[NetworkStatus]:
        """Return the networks; `fake.json` says who floods (`flooding`)."""
        flooding = set((await asyncio.to_thread(read_faults, self._state)).flooding)
        return [
            NetworkStatus(
                name, tuple(sorted(network.cards)), tuple(sorted(flooding & {*network.cards}))
            )
            for name, network in sorted(self._networks.items())
        ]

    async def remove_network(self, name: str) -> None:
        """Forget it."""
        self._networks.pop(name, None)

    def _join(self, machine: str, card: Card | None) -> None:
        """Put the machine into its network, and out of that of another start.

        A network that was removed since the start began is made again.
        """
        others = {}
        if card:
            fresh = _Network(card.network)
            others = self._networks.setdefault(card.network.name, fresh).cards
        for name, other in others.items():
            if card and name != machine and (same := _in_common(card, other)):
                raise MachineConflictError(machine, f"{name} has {same} in {card.network.name!r}")
        self._leave(machine)
        if card:
            others[machine] = card

    def _leave(self, machine: str) -> None:
        for network in self._networks.values():
            network.cards.pop(machine, None)


def _in_common(card: Card, other: Card) -> str:
    """Return what only one of two machines can have, and both want."""
    names = sorted({*card.names} & {*other.names})
    if names:
        return f"the name {names[0]!r}"
    if card.address.ip == other.address.ip:
        return f"the address {card.address.ip}"
    return f"the card {card.mac}" if card.mac == other.mac else ""
