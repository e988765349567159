"""Calls of the command line to VMLab's part of a running hub's API."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from typing import Any

from vmlab.courses.client import HubAccess
from vmlab.errors import HostError
from vmlab_protocol.outside import load_json

_LIMIT_S = 60.0
_SHOWN = 300


class HubAbsentError(HostError):
    """The hub does not answer: it does not run, or is being restarted."""


def call_hub(
    access: HubAccess, method: str, path: str, body: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Return the hub's answer to a call below `/hub/api/vmlab/`.

    Raises:
        HubAbsentError: it does not answer.
        HostError: it refuses; carries its reason.
    """
    # Never through a proxy of the environment: the hub is on this host.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(  # noqa: S310 - the address that `vmlab up` wrote
        f"{access.api_url}/{path}",
        method=method,
        data=json.dumps(body or {}).encode() if method == "POST" else None,
        headers={"Authorization": f"token {access.token}", "Content-Type": "application/json"},
    )
    try:
        with opener.open(request, timeout=_LIMIT_S) as response:
            answer = load_json(response.read())
    except urllib.error.HTTPError as error:
        raise HostError(
            f"the hub refused {method} {path}: {error.code} {_reason(error)}",
            hint="a hub that was started by an older VMLab does not know this: `vmlab down`, "
            "then `vmlab up`",
        ) from error
    except (OSError, ValueError) as error:
        raise HubAbsentError(
            f"the hub at {access.url} does not answer: {error}",
            hint="check with `vmlab status`; `vmlab up` starts it",
        ) from error
    return answer if isinstance(answer, dict) else {}


def _reason(error: urllib.error.HTTPError) -> str:
    try:
        return str(load_json(error.read())["message"])[:_SHOWN]
    except (OSError, ValueError, KeyError, TypeError):
        return str(error.reason)
