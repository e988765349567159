"""Handlers about the machines of one user, who is named in the path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from jupyterhub import orm
from tornado import web

from vmlab.web.api.base import LabHandler, TooManyReportsError

MACHINE_SCOPES = ("delete:servers", "start:servers")
"""What is done, is to stop machines and to start them: trainees hold both for their own."""


@dataclass(frozen=True)
class _Server:
    """A server as `jupyterhub.scopes.check_scope_filter` looks at it."""

    name: str
    user: Any


class WhoseHandler(LabHandler):
    """A handler whose path begins with a user's name; a machine's own token is not enough."""

    def authorize(self) -> None:
        """Let those in who may stop and start the user's server; others learn nothing."""
        if not self.current_user:
            raise web.HTTPError(403, "Missing or invalid credentials.")
        user = orm.User.find(self.db, self.path_args[0])
        server = _Server("", user)
        if user is None or not all(
            self.get_scope_filter(scope)(server, kind="server") for scope in MACHINE_SCOPES
        ):
            wanted = " and ".join(MACHINE_SCOPES)
            raise web.HTTPError(404, f"no such user, or this needs the scopes {wanted} on them")

    def who(self) -> str:
        """Return who calls, for the log."""
        return str(getattr(self.current_user, "name", "?"))

    def count_call(self) -> None:
        """Count a call that makes work.

        Raises:
            HTTPError: 429, too many within a minute.
        """
        wait_s = self.runtime.reports.retry_after_s(("machines", self.who()))
        if wait_s:
            raise TooManyReportsError(wait_s)
