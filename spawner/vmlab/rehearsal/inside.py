"""What is done in machines that are up: they are configured, compared and checked."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection

from vmlab.errors import UnsupportedError
from vmlab.groups.facts import Member
from vmlab.providers.base import Provider, Ran, RunsCommands
from vmlab.rehearsal.configuration import (
    FOLDER,
    USER_DATA,
    apply_user_data,
    make_copy,
    make_inventory,
    run_as,
    run_playbook,
)
from vmlab.rehearsal.description import Check, Copy, Playbook
from vmlab.rehearsal.differences import ABSENT, Difference, Subject, find_differences
from vmlab.rehearsal.inventory import make_question, parse_answer
from vmlab.rehearsal.plan import Plan
from vmlab.rehearsal.report import Kind
from vmlab.rehearsal.steps import CommandError, Steps, do_all

_COPY_LIMIT_S = 120.0
_USER_DATA_LIMIT_S = 1800.0
_COMPARE_LIMIT_S = 120.0
_PLAYBOOK_FOLDER = f"{FOLDER}/ansible/playbook"

Tell = Callable[[str], None]
"""Takes one line of progress."""


class Inside:
    """The machines of a rehearsal that have started.

    Args:
        up: labels of those that have; what is to be done in others is skipped.

    Attributes:
        differences: what was found to be otherwise than described.
    """

    def __init__(
        self, provider: Provider, plan: Plan, steps: Steps, up: Collection[str], tell: Tell
    ) -> None:
        self.differences: list[Difference] = []
        self._provider = provider
        self._plan = plan
        self._steps = steps
        self._up = up
        self._tell = tell

    async def configure(self) -> None:
        """Bring files and user data to all machines at once, then run the playbook."""
        members, playbook = self._plan.group.members, self._plan.description.playbook
        configured = await do_all(self._configure(member) for member in members)
        if playbook is not None:
            await self._run_playbook(playbook, may=all(configured))

    async def look(self) -> None:
        """Compare all machines with their description, then make the checks, one by one."""
        await do_all(self._compare(member) for member in self._plan.group.members)
        for check in self._plan.description.checks:
            await self._check(check)

    async def _configure(self, member: Member) -> bool:
        host = self._plan.description.of(member.label)
        if not (host.copies or host.user_data):
            return True
        if member.label not in self._up:
            self._steps.skip(Kind.CONFIGURE, member.label, "it did not start")
            return False

        async def work() -> None:
            for copy in host.copies:
                await self._bring(member, copy)
            if host.user_data is not None:
                await self._bring(member, Copy(host.user_data, USER_DATA))
                what = f"user data {host.user_data.name}"
                command = apply_user_data(f"{member.spec.host_name}-{time.time_ns()}")
                await self._run(member, what, command, _USER_DATA_LIMIT_S)

        return await self._steps.do(Kind.CONFIGURE, member.label, work)

    async def _bring(self, member: Member, copy: Copy) -> None:
        commands = await asyncio.to_thread(lambda: list(make_copy(copy)))
        for command in commands:
            await self._run(member, f"copying {copy.source.name}", command, _COPY_LIMIT_S)

    async def _run_playbook(self, playbook: Playbook, *, may: bool) -> None:
        what = f"{playbook.file.name} from {playbook.run_from}"
        roles = {member.label: member.spec.role for member in self._plan.group.members}
        if not may or set(self._up) != set(roles):
            self._steps.skip(
                Kind.CONFIGURE, what, "not all machines are up and have what comes first"
            )
            return
        member = self._plan.group.get(playbook.run_from)

        async def work() -> None:
            await self._bring(member, Copy(playbook.file.parent, _PLAYBOOK_FOLDER))
            open_up = f"chmod -R a+rX {FOLDER}/ansible"
            await self._run(member, "making the playbook readable", open_up, _COPY_LIMIT_S)
            inventory = make_inventory(roles, playbook.run_from)
            command = run_playbook(_PLAYBOOK_FOLDER, playbook.file.name, inventory)
            await self._run(member, "ansible-playbook", command, playbook.within_s)

        await self._steps.do(Kind.CONFIGURE, what, work)

    async def _compare(self, member: Member) -> None:
        label, spec = member.label, member.spec
        if label not in self._up:
            self._steps.skip(Kind.COMPARE, label, "it did not start")
            missing = Difference(label, Subject.HOST, "machine", "running", ABSENT)
            self.differences.append(missing)
            return
        host = self._plan.description.of(label)

        async def work() -> None:
            ran = await self._run(member, "the inventory", make_question(host), _COMPARE_LIMIT_S)
            found = parse_answer(ran.output)
            self.differences += find_differences(label, spec.host_name, spec.cpus, host, found)

        await self._steps.do(Kind.COMPARE, label, work)

    async def _check(self, check: Check) -> None:
        if check.on not in self._up:
            self._steps.skip(Kind.CHECK, check.name, f"{check.on} did not start")
            return
        member = self._plan.group.get(check.on)
        command = run_as(check.user, check.command)

        async def work() -> None:
            await self._run(member, "its command", command, check.within_s)

        await self._steps.do(Kind.CHECK, check.name, work)

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
