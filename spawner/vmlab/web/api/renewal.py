"""`machines/USER/renew`: a new machine with the same volume, for whoever may stop and start it."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from jupyterhub import orm
from tornado import web

from vmlab.errors import MachineConflictError
from vmlab.hub.kept_state import kept_machine
from vmlab.lab.start_order import DESK
from vmlab.upkeep.renewal import Renewal, RenewalTarget
from vmlab.web.api.bodies import parse_renewal
from vmlab.web.api.whose import WhoseHandler

NO_RENEWAL: Final = {"machine": "", "stage": "", "kept": "", "message": None}
"""Of a machine of whose renewal this hub knows nothing; it may be an earlier hub that began one."""


class RenewHandler(WhoseHandler):
    """Renewal of a user's default machine."""

    async def post(self, user: str) -> None:
        """Begin a renewal; 202 with its stage."""
        start = self.checked_body(parse_renewal) if self.body() else True
        try:
            renewal = self._begin(user, start=start)
        except MachineConflictError as error:
            raise web.HTTPError(409, str(error)) from error
        self.log.warning("%s is to be renewed, asked by %s", renewal.machine, self.who())
        self.set_status(202)
        self.write(_model(renewal))

    def _begin(self, user: str, *, start: bool) -> Renewal:
        target, spawner = self._target(user), self._spawner(user)
        if start and spawner and spawner.is_group_on:
            # The others of the group go on: only a stop of the hub's server would end them.
            renew = partial(spawner.begin_restart, DESK, renew=True)
            return self.runtime.renewals.begin_alone(target.machine, renew)
        return self.runtime.renewals.begin(target, start=start)

    def _spawner(self, name: str) -> Any:
        """Return the spawner of the default server; None: the hub has not looked at it yet."""
        owner = orm.User.find(self.db, name)
        return self.users[owner].spawners.get("") if owner in self.users else None

    async def get(self, user: str) -> None:
        """Tell how far the last renewal got."""
        renewal = self.runtime.renewals.state(self._target(user).machine)
        self.write(_model(renewal) if renewal else NO_RENEWAL)

    def _target(self, name: str) -> RenewalTarget:
        user = orm.User.find(self.db, name)
        return RenewalTarget(name, "", kept_machine(user, name))


def _model(renewal: Renewal) -> dict[str, Any]:
    saying = renewal.saying
    return {
        "machine": renewal.machine,
        "stage": renewal.stage.value,
        "kept": renewal.kept,
        "message": {"en": saying.en, "fr": saying.fr} if saying else None,
    }
