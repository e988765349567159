"""Machines in the networks of their events: plugged in as they start, and while they run."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from vmlab.model import Card, NetworkSpec, NetworkStatus
from vmlab.providers.facts import NetworkCost
from vmlab.providers.qemu.channels.hotplug import EventCard
from vmlab.providers.qemu.channels.monitor import open_monitor
from vmlab.providers.qemu.machine.machine import Machine, Record
from vmlab.providers.qemu.network.networks import EventNetworks
from vmlab.providers.qemu.process.confine import (
    Confinement,
    Limits,
    Priority,
    detect_confinement,
    make_scope_words,
)

_KEEPER = Limits(memory_mib=256, cpus=1.0)  # of the process that keeps a network


class NetworksOfQemu:
    """The methods of `vmlab.providers.base.KeepsNetworks`; a part of `QemuProvider`."""

    _networks: EventNetworks

    async def ensure_network(self, spec: NetworkSpec) -> None:
        """Make the network (contract: `KeepsNetworks.ensure_network`)."""
        await self._networks.ensure(spec)

    async def networks(self) -> list[NetworkStatus]:
        """Return those that are there (contract: `KeepsNetworks.networks`)."""
        return await self._networks.list()

    async def remove_network(self, name: str) -> None:
        """Remove it (contract: `KeepsNetworks.remove_network`)."""
        await self._networks.remove(name)

    async def measure_network(self, *, trainees: int, clients: int) -> NetworkCost:
        """Measure one (contract: `vmlab.providers.abilities.MeasuresNetworks`)."""
        from vmlab.providers.qemu.network.measuring import measure  # noqa: PLC0415 - for the bench

        return await measure(trainees, clients)


def keeper_scope(unit: str) -> list[str]:
    """Return the words before a keeper's command that put it into a scope, where there are any."""
    if detect_confinement() is not Confinement.SYSTEMD:
        return []
    return make_scope_words(unit, _KEEPER, Priority.WORK)


@asynccontextmanager
async def event_card(
    networks: EventNetworks, machine: str, card: Card
) -> AsyncGenerator[EventCard]:
    """Put a machine into its network, which is made if need be; give its card for QEMU.

    Raises:
        HostError, MachineConflictError: as `EventNetworks.join`.
    """
    port = await networks.join(machine, card)
    try:
        yield EventCard(port, card.mac)
    finally:
        port.close()


async def rejoin(
    networks: EventNetworks, machine: Machine, record: Record, card: Card | None
) -> Record:
    """Have a machine that runs be where its spec says; return its record.

    It keeps the card that it has, and with it its connections, unless that is of another place or
    of a network that was removed meanwhile.

    Raises:
        HostError, MachineConflictError: as `event_card`.
        ProviderError: the guest does not let go of the old card, or QEMU does not take the new one.
    """
    wanted = card.place if card else ""
    if record.card == wanted and (card is None or await _is_in(networks, machine.name, card)):
        return record
    async with open_monitor(machine.name, machine.qmp) as monitor:
        await monitor.unplug_event_card()
        await networks.unplug(machine.name)
        record = machine.write(record, card=wanted)
        if card:
            async with event_card(networks, machine.name, card) as plugged:
                await monitor.plug_event_card(plugged)
    return record


async def _is_in(networks: EventNetworks, machine: str, card: Card) -> bool:
    await networks.ensure(card.network)
    return any(
        network.name == card.network.name and machine in network.machines
        for network in await networks.list()
    )
