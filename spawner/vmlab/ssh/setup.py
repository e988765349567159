"""Adding the jump host to a hub's configuration."""

from __future__ import annotations

import logging
import os
from typing import Any

from vmlab.errors import HostError
from vmlab.hub.access import HubAccess
from vmlab.lab.lab import Lab
from vmlab.paths import Paths
from vmlab.providers.base import Provider, ReachesSsh
from vmlab.ssh.control import JumpControl, find_socket_problem
from vmlab.ssh.host_key import ensure_keys
from vmlab.ssh.settings import NAME, ServiceSettings
from vmlab.system.background import is_hub

_log = logging.getLogger(__name__)


def offers_ssh(lab: Lab, provider: Provider) -> bool:
    """Tell whether this lab has a jump host."""
    return lab.ssh.enabled and isinstance(provider, ReachesSsh)


def set_up_ssh(
    c: Any, lab: Lab, paths: Paths, provider: Provider, hub: HubAccess
) -> JumpControl | None:
    """Have the hub run the jump host; return the hub's way to it, None if the lab has none.

    Whoever logs out at the hub ends their SSH connections, too.

    Raises:
        HostError: its key cannot be made, or the state folder's path is too long for its socket.
    """
    if not offers_ssh(lab, provider):
        return None
    if problem := find_socket_problem(paths.ssh_socket):
        raise HostError(
            problem,
            hint="set VMLAB_STATE to a shorter path; or in lab.toml, [ssh] enabled = false",
        )
    jump = JumpControl(paths.ssh_socket)
    if is_hub():
        ensure_keys(paths.ssh)
    settings = ServiceSettings(
        str(lab.file), str(paths.state), str(paths.cache), hub.url, os.getpid()
    )
    c.JupyterHub.services.append({"name": NAME, "command": settings.command(), "display": False})
    c.LabAuthenticator.after_logout = lambda user: end_connections(jump, user)
    return jump


async def end_connections(jump: JumpControl, user: str) -> None:
    """Close a user's connections; one that cannot be reached is only logged."""
    try:
        ended = await jump.end(user)
    except HostError as error:
        _log.warning("SSH connections of %s may be open still: %s", user, error)
    else:
        if ended:
            _log.info("closed %d SSH connections of %s", ended, user)
