"""A server that keeps ending before it is ready, during its start: reported, then given up."""

from __future__ import annotations

import logging

from vmlab import messages
from vmlab.errors import GuestError, MachineConflictError
from vmlab.providers.base import Provider, ReportsServer
from vmlab.spawning.log import StartLog
from vmlab.system.background import apart
from vmlab_protocol.machine import PLAIN_AFTER_ENDS
from vmlab_protocol.phases import Phase

_HOPELESS_ENDS = 2 * PLAIN_AFTER_ENDS
"""Ends in a row before giving up: as many with the trainee's settings as without."""

_log = logging.getLogger(__name__)


async def _check_alive(provider: Provider, machine: str) -> None:
    status = (await provider.status([machine]))[machine]
    if not status.state.is_on:
        raise MachineConflictError(
            machine,
            f"it ended while its server was starting: {status.problem or status.state}",
            hint=f"vmlab machine console {machine}",
            public=messages.WENT_OFF,
        )


async def check_server(provider: Provider, machine: str, log: StartLog) -> None:
    """Ask for machine and server; tell the waiting trainee when the server is in trouble.

    Raises:
        MachineConflictError: the machine ended.
        GuestError: its server does not come up; carries what it said last.
    """
    await _check_alive(provider, machine)
    if not isinstance(provider, ReportsServer):
        return
    trouble = None
    with apart(f"{machine}: it is unknown why its server is not there yet"):
        trouble = await provider.server_trouble(machine)
    if trouble is None or trouble.ends < PLAIN_AFTER_ENDS:
        return
    if trouble.ends >= _HOPELESS_ENDS:
        raise GuestError(
            machine,
            f"its JupyterLab ended {trouble.ends} times before it was ready: {trouble.line}",
            hint=f"vmlab machine console {machine}; in the machine, `journalctl -u vmlab-server` "
            "tells more",
            public=messages.server_failed(trouble),
        )
    if log.tell_once():
        _log.warning("%s: its server has a problem: %s", machine, trouble.line)
        await log.desk.enter(Phase.SERVER, messages.server_in_trouble(trouble))
