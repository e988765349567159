"""What the host asks of a machine that may be idle: whether somebody works in it, and to warn them.

/run/vmlab/warning.json   0644  {"stop_at": EPOCH_S}: when the machine will be stopped
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from vmlab_guest.activity import Activity, look
from vmlab_guest.errors import ApplyError
from vmlab_guest.files import ensure_file
from vmlab_guest.server_request import EVERYWHERE, REQUEST, read_request
from vmlab_guest.system import RUN, System, inside
from vmlab_protocol.machine import SERVER_PORT
from vmlab_protocol.messages import GuestMessageType, HostMessageType
from vmlab_protocol.outside import load_json

_ANSWER_S = 4.0
_MAX_BYTES = 2**20
_MAX_TIME_S = 2.0**40  # far beyond any clock


def answer_idle(
    system: System, activity: Activity | None, kind: HostMessageType, message: Mapping[str, Any]
) -> dict[str, Any]:
    """Do what the message asks for and return the answer.

    Raises:
        AgentError, OSError, ValueError: it could not be done.
    """
    if activity is None:
        raise ApplyError("this machine belongs to nobody yet")
    if kind is HostMessageType.ACTIVITY:
        idle_s, reasons = activity.note(look(system, count_busy_kernels(system)))
        return {"type": GuestMessageType.ACTIVITY, "idle_s": round(idle_s, 1), "why": reasons}
    set_warning(system, message.get("stop_at"))
    return {"type": GuestMessageType.WARNED}


def set_warning(system: System, stop_at: object) -> None:
    """Note when the machine will be stopped, for JupyterLab to show; 0 takes it back.

    Raises:
        ApplyError: that is not a time.
    """
    if isinstance(stop_at, bool) or not isinstance(stop_at, int | float):
        raise ApplyError(f"stop_at {str(stop_at)[:40]!r} is not a time")
    if not 0 <= stop_at <= _MAX_TIME_S:
        raise ApplyError(f"stop_at {str(stop_at)[:40]} is not a time")
    path = system.root / RUN / "warning.json"
    if stop_at:
        ensure_file(path, json.dumps({"stop_at": stop_at}) + "\n")
    else:
        path.unlink(missing_ok=True)


def count_busy_kernels(system: System) -> int:
    """Return how many kernels run code, as the server says; 0 when it does not answer.

    What the server says is the trainee's to forge, and harms nobody but them.
    """
    import http.client  # noqa: PLC0415 - loads OpenSSL: not before the agent's first word

    try:
        request = read_request(inside(system, str(REQUEST)))
        if request is None:
            return 0
        headers = {"Authorization": f"token {request.env['JUPYTERHUB_API_TOKEN']}"}
        path = f"{request.env['JUPYTERHUB_SERVICE_PREFIX']}api/kernels"
        host = "127.0.0.1" if request.address == EVERYWHERE else request.address
        connection = http.client.HTTPConnection(host, SERVER_PORT, timeout=_ANSWER_S)
        try:
            connection.request("GET", path, headers=headers)
            return parse_kernels(connection.getresponse().read(_MAX_BYTES))
        finally:
            connection.close()
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError):
        return 0


def parse_kernels(data: bytes) -> int:
    """Return how many kernels in the server's answer run code.

    Raises:
        ValueError: it is not a list of kernels.
    """
    answer = load_json(data)
    try:
        return sum(kernel["execution_state"] == "busy" for kernel in answer)
    except (KeyError, TypeError) as error:
        raise ValueError(f"not a list of kernels: {error!r}") from error
