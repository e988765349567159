"""Starts with options are refused: a machine is its owner's, whoever starts it.

JupyterHub passes options from anybody who may start a server on to the spawner, and keeps them for
later starts. VMLab has none (`VMSpawner` reads none either): through them the person who starts,
a facilitator for instance, could change something in the trainee's machine.
"""

from __future__ import annotations

from typing import Any

from jupyterhub.apihandlers.users import UserServerAPIHandler
from tornado import web

_REFUSED = (
    "a start has no options, but these were given: {names}. Machines are made as lab.toml says; "
    "to use an SSH key, add it to ~/.ssh/authorized_keys in your own machine."
)


class StartHandler(UserServerAPIHandler):  # type: ignore[misc]  # jupyterhub has no types
    """The hub's own handler for starts and stops, without options."""

    def get_server_json_body(self) -> Any:
        """Return the body of a start; refuse options, in JupyterHub's older form too."""
        body = super().get_server_json_body()
        _refuse(body["user_options"])
        return body

    def get_json_body(self) -> Any:
        """Return the body of any request for a server; refuse options."""
        body = super().get_json_body()
        if isinstance(body, dict):
            _refuse(body.get("user_options"))
        return body


START_HANDLERS = (
    (r"/api/users/([^/]+)/server", StartHandler),
    (r"/api/users/([^/]+)/servers/([^/]*)", StartHandler),
)


def _refuse(options: Any) -> None:
    if options:
        names = ", ".join(sorted(str(name) for name in options))[:100]
        raise web.HTTPError(400, _REFUSED.format(names=names))
