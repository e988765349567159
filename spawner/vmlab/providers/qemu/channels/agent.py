"""The stream to a machine's agent: its virtio-serial port."""

from __future__ import annotations

import asyncio

from vmlab.errors import HostError
from vmlab.providers.agent.asking import AsksAgents
from vmlab.providers.agent.link import open_unix_agent
from vmlab.providers.base import AgentStream
from vmlab.providers.qemu.machine.machine import Machine
from vmlab.providers.qemu.machine.status import note_server_problem


async def open_agent(machine: Machine) -> AgentStream:
    """Connect to the host's end of the port; QEMU lets one client in at a time.

    Raises:
        GuestError: the machine does not run.
    """
    return await open_unix_agent(machine.name, machine.agent)


class AgentsOfQemu(AsksAgents):
    """The methods of `vmlab.providers.base.ReachesAgents`; a part of `QemuProvider`."""

    def _folder(self, name: str) -> Machine:
        raise NotImplementedError

    async def open_agent(self, name: str) -> AgentStream:
        """Connect to the agent (contract: `ReachesAgents.open_agent`)."""
        return await open_agent(self._folder(name))

    async def note_trouble(self, name: str, problem: str) -> None:
        """Note it in the machine's folder (contract: `ReachesAgents.note_trouble`)."""
        machine = self._folder(name)
        try:
            await asyncio.to_thread(note_server_problem, machine, problem)
        except OSError as error:
            raise HostError(
                f"{machine.server_problem} cannot be written: {error.strerror}",
                hint="free space on the host's disk",
            ) from error
