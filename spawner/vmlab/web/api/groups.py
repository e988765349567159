"""Which machines a trainee has, and the restart of one of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from vmlab.hub.client import HubClient
from vmlab.model import MachineRole
from vmlab.web.board import GroupMachine


class Groups(Protocol):
    """The groups of a lab's trainees."""

    async def of(self, desks: Mapping[str, str]) -> Mapping[str, tuple[GroupMachine, ...]]:
        """Return the machines of trainees in the order of the lab, the shared server last.

        Args:
            desks: by trainee, the machine that the hub keeps for their server.
        """
        ...

    async def shared(self) -> tuple[GroupMachine, ...]:
        """Return the machines that all trainees use."""
        ...

    async def restart(self, user: str, machine: GroupMachine) -> None:
        """Restart one machine while the others run; return when it is ready again.

        Raises:
            LabError: it could not be stopped or started.
        """
        ...


class OnlyDesks:
    """A lab whose trainees have a desk and nothing else."""

    def __init__(self, client: HubClient) -> None:
        self._client = client

    async def of(self, desks: Mapping[str, str]) -> Mapping[str, tuple[GroupMachine, ...]]:
        """Return the desks."""
        return {
            user: (GroupMachine(desk, "desk", MachineRole.DESK),) for user, desk in desks.items()
        }

    async def shared(self) -> tuple[GroupMachine, ...]:
        """Return nothing."""
        return ()

    async def restart(self, user: str, machine: GroupMachine) -> None:  # noqa: ARG002 - as above
        """Stop and start the hub's server."""
        await self._client.stop_server(user, "")
        await self._client.start_server(user, "")
