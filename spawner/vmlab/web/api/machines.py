"""`machines/USER`: the machines of a trainee's group, the console of each, and its restart."""

from __future__ import annotations

from typing import Any

from jupyterhub import orm
from tornado import web

from vmlab.errors import LabError
from vmlab.groups.listing import GroupMachine
from vmlab.model import MachineRole
from vmlab.web.api.base import BOARD_SCOPE
from vmlab.web.api.refusals import machine_refusal
from vmlab.web.api.whose import WhoseHandler
from vmlab.web.board import GroupFacts, GroupRights, find_seat, tell_group
from vmlab.web.board.people import Seat

CONSOLE_BYTES = 32 * 1024
"""So much of a console's end is shown: several screens."""


class GroupHandler(WhoseHandler):
    """A handler about one trainee's group."""

    def seat(self, user: str) -> Seat:
        """Return the server in the trainee's desk."""
        return find_seat(self.users, orm.User.find(self.db, user))

    def rights(self) -> GroupRights:
        """Return what the caller may do: the server is not one trainee's to restart or to read."""
        return GroupRights(own=True, shared=BOARD_SCOPE in self.parsed_scopes)

    async def group(self, user: str, seat: Seat) -> tuple[GroupMachine, ...]:
        """Return the trainee's machines.

        Raises:
            HTTPError: 503, they are not known.
        """
        try:
            return (await self.runtime.groups({user: seat.machine}))[user]
        except LabError as error:
            self.log.error("the machines of %s are not known: %s", user, error)
            raise machine_refusal(error) from error

    async def machine(self, user: str, label: str) -> GroupMachine:
        """Return a machine of the group that the caller may do something with.

        Raises:
            HTTPError: 404, there is none of this label; 403, it is shared; 429.
        """
        self.count_call()
        group = await self.group(user, self.seat(user))
        found = next((each for each in group if each.label == label), None)
        if found is None:
            raise web.HTTPError(404, "there is no such machine in this group")
        if found.role is MachineRole.SERVER and not self.rights().shared:
            raise web.HTTPError(403, "all trainees share this machine: ask a facilitator")
        return found


class MachinesHandler(GroupHandler):
    """The machines of a trainee."""

    async def get(self, user: str) -> None:
        """Send them in the order of the lab, the shared server last."""
        seat = self.seat(user)
        group = await self.group(user, seat)
        facts = GroupFacts(group, seat, self.runtime.rules.network, *self._restarts(user))
        self.write(tell_group(facts, self.rights()))

    def _restarts(self, user: str) -> tuple[Any, Any]:
        """Return which machines are being restarted, and why restarts failed, by label."""
        owner = orm.User.find(self.db, user)
        # A user whom the hub has not looked at since it began restarts nothing.
        spawner = self.users[owner].spawners.get("") if owner in self.users else None
        return (spawner.restarting, spawner.failed_restarts) if spawner else ((), {})


class ConsoleHandler(GroupHandler):
    """The serial console of one machine, to be read."""

    async def get(self, user: str, label: str) -> None:
        """Send its end."""
        machine = await self.machine(user, label)
        try:
            text = await self.runtime.provider.console(machine.machine, max_bytes=CONSOLE_BYTES)
        except LabError as error:
            self.log.warning("no console of %s for %s: %s", machine.machine, self.who(), error)
            raise machine_refusal(error) from error
        self.write({"text": text})


class RestartHandler(GroupHandler):
    """The restart of one machine while the others run."""

    async def post(self, user: str, label: str) -> None:
        """Begin it; 202. How far it got, is the machine's state."""
        await self.begin(user, label, renew=False)

    async def begin(self, user: str, label: str, *, renew: bool) -> None:
        """Begin to restart a machine, or to replace it by a new one with the same volume.

        Raises:
            HTTPError: 404, 429 as `machine`; 403, it is shared; 409, it is not at rest.
        """
        machine = await self.machine(user, label)
        spawner = self.users[orm.User.find(self.db, user)].spawners[""]
        try:
            if machine.role is MachineRole.SERVER and renew:
                raise web.HTTPError(403, "all trainees share this machine: the operator renews it")
            if machine.role is MachineRole.SERVER:
                spawner.begin_server_restart()
            else:
                spawner.begin_restart(label, renew=renew)
        except LabError as error:
            raise machine_refusal(error) from error
        what = "renewed" if renew else "restarted"
        self.log.warning("%s is to be %s, asked by %s", machine.machine, what, self.who())
        self.set_status(202)
        self.write({"machine": machine.machine})


class RenewOneHandler(RestartHandler):
    """A new machine in place of one of the trainee's own, while the others run."""

    async def post(self, user: str, label: str) -> None:
        """Begin it; 202. How far it got, is the machine's state."""
        await self.begin(user, label, renew=True)
