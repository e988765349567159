"""One rehearsal: the group is started, configured, compared with its description and checked.

A step that fails ends nothing that does not need it: who sets up the real machines wants to know
all that is wrong, not the first of it. Whatever happens, and when somebody stops it in the middle,
the machines are taken down and there is a report.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import aclosing
from datetime import UTC, datetime

from vmlab.groups.facts import Member
from vmlab.groups.ready import wait_until_ready
from vmlab.groups.sharing import find_share, serve_files
from vmlab.model import MachineRole
from vmlab.providers.base import KeepsNetworks, Provider
from vmlab.rehearsal.inside import Inside, Tell
from vmlab.rehearsal.plan import Plan
from vmlab.rehearsal.report import Kind, Machine, Report, Step
from vmlab.rehearsal.steps import Steps, do_all
from vmlab.seed import Seed


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
        self._steps = Steps(done)
        self._settled: dict[str, asyncio.Event] = {}  # each is set however its start ended
        self._up: set[str] = set()
        self._machines: list[Machine] = []
        self._inside = Inside(provider, plan, self._steps, self._up, tell)

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
            is_kept = keep and self._up == {each.label for each in self._plan.group.members}
            is_clean = not is_kept and await self.take_down()
        if not work.cancelled() and (error := work.exception()) is not None:
            raise error
        return Report(
            self._plan.lab,
            began.isoformat(timespec="seconds"),
            round(time.monotonic() - clock, 3),
            tuple(self._machines),
            tuple(self._steps.ended),
            tuple(self._inside.differences),
            is_kept=not is_clean,
        )

    async def take_down(self) -> bool:
        """Remove all machines and the network, the event's server last; again: no change.

        Returns:
            Whether nothing is left; what is, is told by its step.
        """
        group = self._plan.group
        gone = await do_all(self._remove(member) for member in group.own)
        if group.server is not None:
            gone.append(await self._remove(group.server))
        card = group.desk.spec.card
        if card is not None and isinstance(self._provider, KeepsNetworks):
            remove, name = self._provider.remove_network, card.network.name
            gone.append(await self._steps.do(Kind.TAKE_DOWN, "network", lambda: remove(name)))
        return all(gone)

    async def _rehearse(self) -> None:
        for each in self._plan.prepare:
            if not await self._steps.do(Kind.PREPARE, each.what, each.work) and each.is_needed:
                return
        members = self._plan.group.members
        self._settled = {member.label: asyncio.Event() for member in members}
        await do_all(self._start(member) for member in members)
        await self._note_machines()
        await self._inside.configure()
        await self._inside.look()

    # -- starting and ending ----------------------------------------------------------------------

    async def _start(self, member: Member) -> None:
        """Start a machine once those before it are ready; its event is set however it ends."""
        label = member.label
        try:
            for name in member.after:
                await self._settled[name].wait()
            missing = [name for name in member.after if name not in self._up]
            if missing:
                self._steps.skip(Kind.START, label, f"it comes after {', '.join(missing)}")
            elif await self._steps.do(Kind.START, label, lambda: self._bring_up(member)):
                self._up.add(label)
        finally:
            self._settled[label].set()

    async def _bring_up(self, member: Member) -> None:
        name = member.spec.name
        plan = self._plan
        share = None
        if not member.is_shared:
            is_desk = member.spec.role is MachineRole.DESK
            share = find_share(plan.rules, plan.user, is_desk=is_desk)
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
        return await self._steps.do(Kind.TAKE_DOWN, member.label, lambda: delete(member.spec.name))

    async def _note_machines(self) -> None:
        states = await self._provider.status([m.spec.name for m in self._plan.group.members])
        for member in self._plan.group.members:
            spec, version = member.spec, states[member.spec.name].image_version
            address = str(spec.card.address.ip) if spec.card else ""
            image = f"{spec.image} {version}".strip()
            self._machines.append(
                Machine(member.label, spec.role.value, image, spec.cpus, spec.memory_mib, address)
            )
