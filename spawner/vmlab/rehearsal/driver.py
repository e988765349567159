"""One rehearsal: the group is started, configured, compared with its description and checked.

A step that fails ends nothing that does not need it: who sets up the real machines wants to know
all that is wrong, not the first of it. Whatever happens, and when somebody stops it in the middle,
the machines are taken down and there is a report.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from vmlab.errors import LabError, ProviderError, UnsupportedError
from vmlab.groups.facts import Group, Member
from vmlab.groups.ready import wait_until_ready
from vmlab.groups.rules import GroupRules
from vmlab.groups.sharing import find_share, serve_files
from vmlab.providers.base import KeepsNetworks, Provider, Ran, RunsCommands
from vmlab.rehearsal.configuration import (
    FOLDER,
    USER_DATA,
    apply_user_data,
    make_copy,
    make_inventory,
    run_as,
    run_playbook,
)
from vmlab.rehearsal.description import Check, Copy, Description, Playbook
from vmlab.rehearsal.differences import ABSENT, Difference, Subject, find_differences
from vmlab.rehearsal.inventory import make_question, parse_answer
from vmlab.rehearsal.report import Kind, Machine, Outcome, Report, Step
from vmlab.seed import Seed

_COPY_LIMIT_S = 120.0
_USER_DATA_LIMIT_S = 1800.0
_COMPARE_LIMIT_S = 120.0
_PLAYBOOK_FOLDER = f"{FOLDER}/ansible/playbook"

Tell = Callable[[str], None]
"""Takes one line of progress."""

Work = Callable[[], Awaitable[None]]
T = TypeVar("T")


@dataclass(frozen=True)
class Preparation:
    """Something that is made before machines start."""

    what: str
    work: Work
    is_needed: bool = True  # nothing is started without it


@dataclass(frozen=True)
class Plan:
    """What is rehearsed."""

    lab: str  # its name
    rules: GroupRules
    user: str  # whose group it is
    group: Group
    description: Description
    database: Path  # VMLab's own, in the rehearsal's state folder
    prepare: tuple[Preparation, ...] = ()
    language: str = "en"


class CommandError(ProviderError):
    """A command in a machine ended with another status than 0; carries what it printed."""

    def __init__(self, machine: str, what: str, ran: Ran) -> None:
        super().__init__(machine, f"{what} ended with status {ran.status}")
        self.output = ran.output


@dataclass
class _Notes:
    """What has been found out so far."""

    steps: list[Step] = field(default_factory=list)
    differences: list[Difference] = field(default_factory=list)
    machines: list[Machine] = field(default_factory=list)


class Rehearsal:
    """One; its machines are those of the provider's own state folder.

    Args:
        tell: is told what is being done.
        done: is told each step when it has ended.
    """

    def __init__(
        self, provider: Provider, plan: Plan, *, tell: Tell, done: Callable[[Step], None]
    ) -> None:
        self._provider = provider
        self._plan = plan
        self._tell = tell
        self._done = done
        self._notes = _Notes()
        self._up: dict[str, asyncio.Event] = {}
        self._is_up: set[str] = set()

    async def run(self, stop: asyncio.Event, *, keep: bool = False) -> Report:
        """Do all of it and report; raises nothing on purpose.

        Args:
            stop: end now; what has been started is taken down all the same.
            keep: leave the machines running, unless one of them could not be started.
        """
        began, clock = datetime.now(UTC).astimezone(), time.monotonic()
        work = asyncio.create_task(self._rehearse())
        stopping = asyncio.create_task(stop.wait())
        try:
            await asyncio.wait({work, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (work, stopping):
                task.cancel()
            await asyncio.wait({work, stopping})
            is_kept = keep and self._is_up == {each.label for each in self._plan.group.members}
            is_clean = not is_kept and await self.take_down()
        if not work.cancelled() and (error := work.exception()) is not None:
            raise error
        return Report(
            self._plan.lab,
            began.isoformat(timespec="seconds"),
            round(time.monotonic() - clock, 3),
            tuple(self._notes.machines),
            tuple(self._notes.steps),
            tuple(self._notes.differences),
            is_kept=not is_clean,
        )

    async def take_down(self) -> bool:
        """Remove all machines and the network, the event's server last; again: no change.

        Returns:
            Whether nothing is left; what is, is told by its step.
        """
        group = self._plan.group
        gone = await _all(self._remove(member) for member in group.own)
        if group.server is not None:
            gone.append(await self._remove(group.server))
        card = group.desk.spec.card
        if card is not None and isinstance(self._provider, KeepsNetworks):
            remove, name = self._provider.remove_network, card.network.name
            gone.append(await self._step(Kind.TAKE_DOWN, "network", lambda: remove(name)))
        return all(gone)

    async def _rehearse(self) -> None:
        for each in self._plan.prepare:
            if not await self._step(Kind.PREPARE, each.what, each.work) and each.is_needed:
                return
        members = self._plan.group.members
        self._up = {member.label: asyncio.Event() for member in members}
        await _all(self._start(member) for member in members)
        await self._note_machines()
        configured = await _all(self._configure(member) for member in members)
        if self._plan.description.playbook is not None:
            await self._run_playbook(self._plan.description.playbook, may=all(configured))
        await _all(self._compare(member) for member in members)
        for check in self._plan.description.checks:
            await self._check(check)

    # -- starting and ending ----------------------------------------------------------------------

    async def _start(self, member: Member) -> None:
        """Start a machine once those before it are ready; its event is set however it ends."""
        label = member.label
        try:
            for name in member.after:
                await self._up[name].wait()
            missing = [name for name in member.after if name not in self._is_up]
            if missing:
                self._skip(Kind.START, label, f"it comes after {', '.join(missing)}")
            elif await self._step(Kind.START, label, lambda: self._bring_up(member)):
                self._is_up.add(label)
        finally:
            self._up[label].set()

    async def _bring_up(self, member: Member) -> None:
        name = member.spec.name
        plan = self._plan
        share = None if member.is_shared else find_share(plan.rules, plan.user)
        seed = Seed(env={}, language=plan.language, serves=False, share=share)
        async with aclosing(self._provider.start(member.spec, seed)) as events:
            async for event in events:
                self._tell(f"{member.label}: {event.phase}")
        await self._provider.note_serving(name)
        if member.is_shared:
            await serve_files(self._provider, plan.database, plan.rules)
        self._tell(f"{member.label}: waiting until it is ready")
        await wait_until_ready(self._provider, member)

    async def _remove(self, member: Member) -> bool:
        delete = self._provider.delete
        return await self._step(Kind.TAKE_DOWN, member.label, lambda: delete(member.spec.name))

    async def _note_machines(self) -> None:
        states = await self._provider.status([m.spec.name for m in self._plan.group.members])
        for member in self._plan.group.members:
            spec, version = member.spec, states[member.spec.name].image_version
            address = str(spec.card.address.ip) if spec.card else ""
            image = f"{spec.image} {version}".strip()
            self._notes.machines.append(
                Machine(member.label, spec.role.value, image, spec.cpus, spec.memory_mib, address)
            )

    # -- configuring ------------------------------------------------------------------------------

    async def _configure(self, member: Member) -> bool:
        host = self._plan.description.of(member.label)
        if not (host.copies or host.user_data):
            return True
        if member.label not in self._is_up:
            self._skip(Kind.CONFIGURE, member.label, "it did not start")
            return False

        async def work() -> None:
            for copy in host.copies:
                await self._bring(member, copy)
            if host.user_data is not None:
                await self._bring(member, Copy(host.user_data, USER_DATA))
                what = f"user data {host.user_data.name}"
                command = apply_user_data(f"{member.spec.host_name}-{time.time_ns()}")
                await self._run(member, what, command, _USER_DATA_LIMIT_S)

        return await self._step(Kind.CONFIGURE, member.label, work)

    async def _bring(self, member: Member, copy: Copy) -> None:
        commands = await asyncio.to_thread(lambda: list(make_copy(copy)))
        for command in commands:
            await self._run(member, f"copying {copy.source.name}", command, _COPY_LIMIT_S)

    async def _run_playbook(self, playbook: Playbook, *, may: bool) -> None:
        what = f"{playbook.file.name} from {playbook.run_from}"
        roles = {member.label: member.spec.role for member in self._plan.group.members}
        if not may or self._is_up != set(roles):
            self._skip(Kind.CONFIGURE, what, "not all machines are up and have what comes first")
            return
        member = self._plan.group.get(playbook.run_from)

        async def work() -> None:
            await self._bring(member, Copy(playbook.file.parent, _PLAYBOOK_FOLDER))
            open_up = f"chmod -R a+rX {FOLDER}/ansible"
            await self._run(member, "making the playbook readable", open_up, _COPY_LIMIT_S)
            inventory = make_inventory(roles, playbook.run_from)
            command = run_playbook(_PLAYBOOK_FOLDER, playbook.file.name, inventory)
            await self._run(member, "ansible-playbook", command, playbook.within_s)

        await self._step(Kind.CONFIGURE, what, work)

    # -- looking ----------------------------------------------------------------------------------

    async def _compare(self, member: Member) -> None:
        label, spec = member.label, member.spec
        if label not in self._is_up:
            self._skip(Kind.COMPARE, label, "it did not start")
            missing = Difference(label, Subject.HOST, "machine", "running", ABSENT)
            self._notes.differences.append(missing)
            return
        host = self._plan.description.of(label)

        async def work() -> None:
            ran = await self._run(member, "the inventory", make_question(host), _COMPARE_LIMIT_S)
            found = parse_answer(ran.output)
            self._notes.differences += find_differences(
                label, spec.host_name, spec.cpus, host, found
            )

        await self._step(Kind.COMPARE, label, work)

    async def _check(self, check: Check) -> None:
        if check.on not in self._is_up:
            self._skip(Kind.CHECK, check.name, f"{check.on} did not start")
            return
        member = self._plan.group.get(check.on)
        command = run_as(check.user, check.command)

        async def work() -> None:
            await self._run(member, "its command", command, check.within_s)

        await self._step(Kind.CHECK, check.name, work)

    async def _run(self, member: Member, what: str, command: str, limit_s: float) -> Ran:
        name = member.spec.name
        if not isinstance(self._provider, RunsCommands):
            engine = self._provider.features.name
            raise UnsupportedError(name, f"provider {engine} runs no commands in machines")
        self._tell(f"{member.label}: {what}")
        ran = await self._provider.run(name, command, limit_s=limit_s)
        if ran.status != 0:
            raise CommandError(name, what, ran)
        return ran

    # -- what is noted ----------------------------------------------------------------------------

    async def _step(self, kind: Kind, what: str, work: Work) -> bool:
        """Do it and note how it went; return whether it was done."""
        began = time.monotonic()
        message = log = ""
        outcome = Outcome.STOPPED
        try:
            await work()
            outcome = Outcome.DONE
        except LabError as error:
            outcome = Outcome.FAILED
            message, _, log = error.message.partition("\n")
            log = error.output if isinstance(error, CommandError) else log
        finally:
            took_s = round(time.monotonic() - began, 3)
            self._note(Step(kind, what, outcome, took_s, message, log))
        return outcome is Outcome.DONE

    def _skip(self, kind: Kind, what: str, why: str) -> None:
        self._note(Step(kind, what, Outcome.SKIPPED, 0.0, why))

    def _note(self, step: Step) -> None:
        self._notes.steps.append(step)
        self._done(step)


async def _all(work: Iterable[Awaitable[T]]) -> list[T]:
    """Do all at once; when this is cancelled, so are they, and they have ended."""

    async def do(each: Awaitable[T]) -> T:
        return await each

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(do(each)) for each in work]
    return [task.result() for task in tasks]
