"""The hub's own API, called from within the hub's process by its background jobs.

Starts and stops take the same way as a browser's requests: the hub's checks, queues and clean-up
are in its handlers, and nowhere else.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import quote

import aiohttp

from vmlab.errors import HostError

KEEPER_SERVICE: Final = "vmlab-keeper"
"""The hub's service whose token is used; the token lives in the hub's memory only."""

KEEPER_SCOPES: Final = (
    "list:users",
    "read:servers",
    "read:users:name",
    "start:servers",
    "delete:servers",
)

_CALL_LIMIT_S = 60.0
_LOOK_AGAIN_S = 0.1
_UP_LIMIT_S = 600.0


@dataclass(frozen=True)
class KeeperAccess:
    """Where the hub's API is, and the keeper's token."""

    api_url: str  # without a slash at its end
    token: str = field(repr=False)


NOWHERE: Final = KeeperAccess("", "")
"""For a process that is not a hub: every call fails."""


class HubClient:
    """Calls of the hub's API."""

    def __init__(self, access: KeeperAccess) -> None:
        self._access = access

    async def wait_until_up(self) -> None:
        """Return when the hub answers: then it knows the servers of the hub before it.

        Raises:
            HostError: it does not within ten minutes.
        """
        deadline = time.monotonic() + _UP_LIMIT_S
        while time.monotonic() < deadline:
            try:
                status, _ = await self._call("GET", "")
            except HostError:
                status = 0
            if status == 200:
                return
            await asyncio.sleep(_LOOK_AGAIN_S)
        raise HostError(f"the hub does not answer at {self._access.api_url}")

    async def start_server(self, user: str, server: str = "") -> None:
        """Have the hub start a server, without waiting; no-op if it runs or is being started.

        Raises:
            HostError: the hub refused.
        """
        path = _server_path(user, server)
        status, answer = await self._call("POST", path)
        if status in {201, 202}:
            return
        if status == 400 and (await self._model(user, server)):
            return  # it runs already, or is on its way
        raise _refused(f"POST {path}", status, answer)

    async def stop_server(self, user: str, server: str = "", *, limit_s: float = 300.0) -> None:
        """Stop a server, or cancel its start, and return when the hub has done so.

        Raises:
            HostError: the hub refused, or it took too long.
        """
        deadline = time.monotonic() + limit_s
        path = _server_path(user, server)
        while await self._model(user, server):
            status, answer = await self._call("DELETE", path)
            if status not in {202, 204}:
                raise _refused(f"DELETE {path}", status, answer)
            while (await self._model(user, server)).get("pending"):
                if time.monotonic() > deadline:
                    raise HostError(f"the hub did not stop the server of {user} in {limit_s:.0f} s")
                await asyncio.sleep(_LOOK_AGAIN_S)
            if time.monotonic() > deadline:
                raise HostError(f"the server of {user} does not stay stopped")

    async def _model(self, user: str, server: str) -> dict[str, Any]:
        """Return the hub's model of an active server; empty when there is none."""
        path = f"users/{quote(user, safe='')}"
        status, answer = await self._call("GET", path)
        if status != 200:
            raise _refused(f"GET {path}", status, answer)
        model: dict[str, Any] = answer.get("servers", {}).get(server, {})
        return model

    async def _call(self, method: str, path: str) -> tuple[int, dict[str, Any]]:
        url = f"{self._access.api_url}/{path}"
        headers = {"Authorization": f"token {self._access.token}"}
        timeout = aiohttp.ClientTimeout(total=_CALL_LIMIT_S)
        try:
            async with (
                aiohttp.ClientSession(headers=headers, timeout=timeout) as session,
                session.request(method, url) as response,
            ):
                answer = await response.json() if "json" in response.content_type else {}
                return response.status, answer if isinstance(answer, dict) else {}
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise HostError(f"{method} {path} of the hub failed: {error!r}") from error


def _server_path(user: str, server: str) -> str:
    path = f"users/{quote(user, safe='')}/server"
    return f"{path}s/{quote(server, safe='')}" if server else path


def _refused(call: str, status: int, answer: dict[str, Any]) -> HostError:
    return HostError(f"the hub refused {call}: {status} {str(answer.get('message', ''))[:300]}")
