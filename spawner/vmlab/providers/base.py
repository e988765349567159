"""The contract that every provider of machines keeps.

Contract words (must, never, no-op if) are here only; one suite, tests/contract/, runs over
every provider, the fake included, with a fault at every stage.

- A machine's name is its identity: it follows from user and server (`vmlab.names`), so that a hub
  that lost its memory finds everything again with `status`.
- Nothing blocks the event loop. Every wait has a deadline.
- Each side effect is recorded by the provider before the next one begins; whatever point a
  `start` was cut at, `stop` leaves nothing running and `start` can be called again.
- Only `VMLab` errors leave a provider: foreign exceptions are wrapped at this boundary, with what
  failed, on which machine and what to try.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from vmlab.model import (
    AsideMachine,
    Features,
    Leftover,
    MachineSpec,
    MachineStatus,
    NetworkSpec,
    NetworkStatus,
    OldDisk,
    PhaseEvent,
)
from vmlab.seed import Seed
from vmlab_protocol.messages import Activity, ServerTrouble
from vmlab_protocol.notices import Language
from vmlab_protocol.share import Roster


class TellsStates(Protocol):
    """What those need of a provider who look at machines, and start and stop none."""

    @property
    def features(self) -> Features:
        """What this provider can do; never changes while the process lives."""
        ...

    async def status(self, names: Iterable[str] | None = None) -> Mapping[str, MachineStatus]:
        """Tell the state of these machines, or of all; must work with no memory of `start`.

        An unknown name is answered with ABSENT, never with an error.
        """
        ...


class Provider(TellsStates, Protocol):
    """The engine that runs machines."""

    async def validate(self, spec: MachineSpec) -> None:
        """Check that a machine of this kind can be started now; has no side effect.

        Raises:
            HostError: the host has no room or lacks a program; `public` names the reason.
            ImageError: the image is missing or damaged.
        """
        ...

    def start(self, spec: MachineSpec, seed: Seed) -> AsyncGenerator[PhaseEvent]:
        """Make, power on and seed the machine; yield each phase as it begins.

        Returns after SERVER was reached; the caller waits for the server itself. Must resume when
        the machine half exists: a disk, a volume or a running unseeded machine is taken over, a
        running seeded machine is seeded again. Closing the generator or cancelling the caller must
        take less than half a second and must leave cleaning up to `stop`.

        Raises:
            HostError, ImageError: as `validate`.
            MachineConflictError: the volume is attached elsewhere.
            MachineTimeoutError: a phase missed its deadline; names the phase.
            GuestError: the agent refused the seed; carries its message.
        """
        ...

    async def note_serving(self, name: str) -> None:
        """Take note that the machine's server answers: others that still start may go before it.

        No-op if it is absent.
        """
        ...

    async def upkeep(self, spec: MachineSpec) -> None:
        """Make ready what makes starts of machines like `spec` fast: one round of a job.

        Machines that wait for a trainee are desks only (`spec.role`).

        Returns when there may be something to do again: after a while, or when a start ended.
        `spec` names no trainee.

        Raises:
            LabError: something could not be made ready; starts work without it.
        """
        ...

    async def drain(self) -> None:
        """End and remove machines that were made ready and that no trainee has.

        Raises:
            ProviderError: one could not be ended.
        """
        ...

    async def stop(self, name: str, *, now: bool = False) -> None:
        """Power the machine off and return when nothing of it runs any more.

        Asks the guest first unless `now`. No-op if nothing runs. Never deletes disk or volume.

        Raises:
            ProviderError: it could not be stopped; names what is left.
        """
        ...

    async def delete(self, name: str) -> None:
        """Stop the machine and remove its root disk and records; never its volume.

        No-op if it is absent.
        """
        ...

    async def set_aside(self, name: str) -> str:
        """Stop the machine and keep it under another name; return that name.

        Its volume is let go and is not touched: the next start makes a new machine with the same
        volume. Of each machine the last three are kept, older ones are removed. If even the last
        one exceeds its trainee's disk limit, it is removed, and an empty name is returned. No-op
        if the machine is absent; an empty name is returned then, too. Interrupted at any point,
        it has happened or not, and can be called again.

        Raises:
            MachineConflictError: it is being started.
            ProviderError: it could not be stopped; names what is left.
        """
        ...

    async def list_aside(self) -> list[AsideMachine]:
        """Return the machines that were set aside, the newest first."""
        ...

    async def console(self, name: str, *, max_bytes: int = 65536) -> str:
        """Return the end of the machine's serial console, with control characters made visible.

        Raises:
            MachineNotFoundError: no such machine.
            UnsupportedError: `features.console` is False.
        """
        ...


@runtime_checkable
class TidiesUp(Protocol):
    """A provider whose machines may leave something behind; optional."""

    async def leftovers(self) -> list[Leftover]:
        """Return what is left of machines that do not run; has no side effect.

        Never names anything of a machine that runs or is being started, nor a disk or a volume.
        """
        ...

    async def clear(self, leftover: Leftover) -> None:
        """Remove it; no-op if it is gone, or belongs to a machine that runs by now.

        Raises:
            ProviderError: it does not go.
        """
        ...


@runtime_checkable
class KeepsOldDisks(Protocol):
    """A provider that keeps a machine's root disk when its image is replaced; optional."""

    async def old_disks(self, name: str) -> list[OldDisk]:
        """Return the machine's older root disks, the newest first; none of an unknown machine."""
        ...

    async def prune_old_disks(self, before: float) -> list[OldDisk]:
        """Remove those of all machines that were replaced before this time; return them.

        One that cannot be removed is logged; the others are removed all the same.

        Args:
            before: seconds since the epoch.
        """
        ...


class AgentWriter(Protocol):
    """The way to an agent: what `asyncio.StreamWriter` has of it, whoever carries the bytes."""

    def write(self, data: bytes) -> None:
        """Take these bytes, to be sent.

        Raises:
            OSError: the machine ended.
        """
        ...

    async def drain(self) -> None:
        """Return when more may be written; raises as `write`."""
        ...

    def close(self) -> None:
        """Let the next caller in; no-op when it is closed."""
        ...


@dataclass(frozen=True)
class AgentStream:
    """Bytes from and to the agent of one machine: lines of docs/protocols.md, section 1."""

    machine: str
    reader: asyncio.StreamReader
    writer: AgentWriter


@runtime_checkable
class ReachesAgents(Protocol):
    """A provider whose machines have VMLab's agent, however its words travel; optional.

    `vmlab.providers.agent.asking.AsksAgents` makes of this most of what the protocols below want.
    """

    @abstractmethod
    async def open_agent(self, name: str) -> AgentStream:
        """Open a stream to the machine's agent; whoever opened it closes its writer.

        One conversation at a time: a second caller gets no answers until the first has closed.
        What was said before somebody opened it may be lost, or come first (`await_agent` passes it
        over). The stream ends when the machine does.

        Raises:
            GuestError: the machine does not run, or its agent cannot be reached.
        """
        ...

    @abstractmethod
    async def note_trouble(self, name: str, problem: str) -> None:
        """Have `status` tell this as the machine's problem until its next start; empty: it is well.

        No-op if it is absent.

        Raises:
            HostError: it cannot be kept.
        """
        ...


@runtime_checkable
class ReportsActivity(Protocol):
    """A provider that can ask its machines whether somebody works in them; optional."""

    async def activity(self, names: Iterable[str]) -> Mapping[str, Activity]:
        """Return what the agents of these machines say; one that does not answer is left out.

        Takes a few seconds at most, however many they are. Raises nothing for single machines.
        """
        ...

    async def warn(self, name: str, stop_at: float) -> None:
        """Have the machine tell its trainee that it will be stopped, or (0) that it will not.

        Args:
            name: the machine's.
            stop_at: seconds since the epoch.

        Raises:
            ProviderError: the machine could not be told.
        """
        ...


@runtime_checkable
class ReportsServer(Protocol):
    """A provider that can ask a machine why its server does not come up; optional."""

    async def server_trouble(self, name: str) -> ServerTrouble | None:
        """Return what the machine's agent says; None: all is well with it.

        `status` tells it from then on as the machine's problem, until all is well again or the
        machine is started again.

        Raises:
            ProviderError: the machine could not be asked.
        """
        ...


@runtime_checkable
class SpeaksLanguages(Protocol):
    """A provider that can tell a machine at work that its trainee chose another language; optional.

    A machine that is started learns it from its seed.
    """

    async def set_language(self, name: str, language: Language) -> None:
        """Have everything in the machine that speaks to its trainee speak this language.

        Returns when it does: what is shown from then on is in this language. Nothing is restarted.

        Raises:
            ProviderError: the machine could not be told.
        """
        ...


@runtime_checkable
class ServesFiles(Protocol):
    """A provider that can tell the file server of an event who has which folder; optional."""

    async def serve_files(self, name: str, roster: Roster) -> int:
        """Have the machine serve this roster; return the serial of the one that it serves now.

        Idempotent; a roster with a lower serial than the one that is served changes nothing. The
        machine keeps it on its volume, and serves it again whenever it starts.

        Args:
            name: the machine's.
            roster: who has which folder (`vmlab.files.roster`).

        Raises:
            GuestError: it is not a file server, or cannot do it; carries its message.
            MachineTimeoutError: it does not answer.
        """
        ...


@runtime_checkable
class TakesKeys(Protocol):
    """A provider that can tell a machine at work which public keys let its trainee in; optional.

    A machine that is started learns them from its seed.
    """

    async def set_keys(self, name: str, keys: tuple[str, ...]) -> None:
        """Let these keys, in place of those of before, log in as the trainee's user and as root.

        Sessions that are open stay open.

        Raises:
            ProviderError: the machine could not be told.
        """
        ...


@dataclass(frozen=True)
class SshStream:
    """Bytes from and to the sshd of one machine."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


@runtime_checkable
class ReachesSsh(Protocol):
    """A provider that reaches its machines' sshd, for the jump host (`vmlab.ssh`); optional.

    Works with no memory of `start`, in any process of the hub's user.
    """

    async def open_ssh(self, name: str) -> SshStream:
        """Open a connection to the machine's sshd; whoever opened it closes its writer.

        Raises:
            GuestError: the machine does not run, or its sshd cannot be reached.
        """
        ...

    def ssh_host_key(self, name: str) -> str:
        """Return the public half of the machine's host key; empty before its first start.

        A machine that has none is a new one: it gets another key for those beside it.

        Raises:
            ProviderError: it cannot be read.
        """
        ...


@runtime_checkable
class KeepsNetworks(Protocol):
    """A provider whose machines can meet in a network of their event; optional.

    `start` puts a machine with `MachineSpec.card` into its network before the machine is seeded,
    and makes the network if it is not there. A machine leaves it when it stops.
    """

    async def ensure_network(self, spec: NetworkSpec) -> None:
        """Make the network, unless it is there as described; machines in it stay in it.

        Raises:
            HostError: this host cannot make it.
            MachineConflictError: it is there with other addresses, and machines are in it.
        """
        ...

    async def networks(self) -> list[NetworkStatus]:
        """Return the networks that are there; must work with no memory of having made them."""
        ...

    async def remove_network(self, name: str) -> None:
        """Remove the network; machines in it go on without it. No-op if it is absent.

        Raises:
            HostError: it could not be removed; names what is left.
        """
        ...


@dataclass(frozen=True)
class Ran:
    """How a command ended that ran in a machine."""

    status: int  # its exit status; 128 + N: signal N ended it
    output: str  # the end of standard output and standard error, as one text


@runtime_checkable
class RunsCommands(Protocol):
    """A provider that can run a command in a machine, as root; optional."""

    async def run(self, name: str, command: str, *, limit_s: float) -> Ran:
        """Run it with `/bin/sh -c`, and return when it has ended.

        Raises:
            GuestError: the machine does not run, or its agent cannot be reached.
            MachineTimeoutError: it took longer than `limit_s` and was killed.
        """
        ...
