"""What only some providers can do for their host and their operator; all of it is optional.

The core asks by `isinstance(provider, ...)`, and does without where a provider lacks it. What
single machines can do beyond the contract is in `vmlab.providers.base`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from tornado.httputil import HTTPServerConnectionDelegate

from vmlab.lab.lab import Lab
from vmlab.model import MachineSpec
from vmlab.providers.base import Provider
from vmlab.providers.facts import (
    Engine,
    Finding,
    NetworkCost,
    PoolState,
    Prepared,
    Seats,
    Traces,
)
from vmlab.system.background import Job


@runtime_checkable
class LeadsToHub(Protocol):
    """A provider whose machines reach the hub by a way that it opens itself.

    Machines of others must reach the hub's own address.
    """

    @property
    def hub_url(self) -> str:
        """The hub's URL as a machine sees it; never changes while the process lives."""
        ...

    async def open_way(self, hub: HTTPServerConnectionDelegate, proxy: Path) -> None:
        """Let machines reach hub and proxy; no-op when they do. Called before each start.

        Args:
            hub: the hub's application.
            proxy: the unix socket on which the proxy listens for machines.

        Raises:
            HostError: it could not be opened; the next start tries again.
        """
        ...


@runtime_checkable
class OpensShells(Protocol):
    """A provider that opens a shell in a machine, as its trainee's user."""

    def ssh_command(self, name: str) -> list[str]:
        """Return the command, to which the words of what is to be run there can be added.

        Raises:
            MachineNotFoundError: the machine does not run.
        """
        ...

    async def await_ssh(self, name: str) -> None:
        """Return when that command will be answered.

        Raises:
            MachineNotFoundError: the machine does not run.
            HostError: this host lacks a program for it.
            GuestError: nobody answers in time.
        """
        ...


@runtime_checkable
class ExaminesHost(Protocol):
    """A provider that knows what its host must have."""

    async def engine(self) -> Engine:
        """Tell what runs guest code.

        Raises:
            HostError: nothing can.
        """
        ...

    async def examine(self, lab: Lab) -> list[Finding]:
        """Tell what this host has for a lab, and what to do where it has not; changes nothing.

        What cannot be found out is a finding, never an error.
        """
        ...


@runtime_checkable
class CountsSeats(Protocol):
    """A provider that knows how many machines fit."""

    async def count_seats(self, lab: Lab) -> tuple[Seats, list[Finding]]:
        """Return how many machines of this lab fit, and what decides it; changes nothing."""
        ...


@runtime_checkable
class PreparesHost(Protocol):
    """A provider that needs something on its host before the hub starts."""

    def prepare_host(self) -> None:
        """Make what is not there yet, such as accounts; blocks, and may need root.

        Raises:
            HostError: it cannot be made.
        """
        ...


@runtime_checkable
class PreparesStarts(Protocol):
    """A provider that makes something ahead by which machines of an image start fast."""

    async def prepare_starts(self, spec: MachineSpec, report: Callable[[str], None]) -> Prepared:
        """Make it, unless it is there, for machines like `spec`, which names no trainee.

        Args:
            report: told each step, in a few words.

        Raises:
            LabError: it could not be made; machines start without it.
        """
        ...


@runtime_checkable
class KeepsMachinesReady(Protocol):
    """A provider that keeps machines ready for trainees to come; `Provider.upkeep` makes them."""

    def pool_state(self) -> PoolState:
        """Tell how many there are."""
        ...


@runtime_checkable
class HasJobs(Protocol):
    """A provider with something of its own to do as long as a hub runs."""

    def jobs(self) -> Sequence[Job]:
        """Return it; the hub runs them, logs what they raise, and goes on."""
        ...


@runtime_checkable
class CanBeMeasured(Protocol):
    """A provider whose machines can be measured from the host: for `vmlab bench`."""

    def traces(self, name: str) -> Traces:
        """Tell where a machine shows, whether or not it runs."""
        ...


def machines_ahead(provider: Provider) -> int:
    """Return how many machines a provider keeps ready beside those of trainees."""
    return provider.pool_state().wanted if isinstance(provider, KeepsMachinesReady) else 0


@runtime_checkable
class MeasuresNetworks(Protocol):
    """A provider that can measure its networks without machines."""

    async def measure_network(self, *, trainees: int, clients: int) -> NetworkCost:
        """Measure what a network of so many trainees costs, and how it answers so many clients.

        Leaves nothing behind.

        Raises:
            HostError: this host cannot have networks.
        """
        ...
