"""The one client of a hub's API: JupyterHub's own calls, and VMLab's below `vmlab/`.

Starting and stopping go the way that a browser's requests go: the hub's checks, queues and clean-up
are in its handlers, and nowhere else. The hub itself, the command line and the bench use it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import quote

import aiohttp

from vmlab.errors import HostError
from vmlab.hub.access import HubAccess
from vmlab.hub.answers import (
    HubAbsentError,
    HubRefusedError,
    HubUnclearError,
    StartFailedError,
    find_reason,
)
from vmlab.hub.sessions import CALL_LIMIT_S, FAILURES, open_session, pauses, reason
from vmlab_protocol.outside import load_json

_UP_LIMIT_S = 600.0
_START_LIMIT_S = 3600.0
_STOP_LIMIT_S = 300.0
_LONGEST_PAUSE_S = 0.2
_EVENT = b"data:"
_LONGEST_EVENT_BYTES = 2**20
_OK = 200
_REDIRECTION = 300
_BAD_REQUEST = 400


class HubClient:
    """Calls of one hub's API, with one token.

    In `async with`, all calls share connections; outside of it each has one of its own.
    """

    def __init__(self, access: HubAccess, *, limit_s: float = CALL_LIMIT_S) -> None:
        """Take where the hub is, and how long a call may take."""
        self.access = access
        self._limit_s = limit_s
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        self._session = self._open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.session.close()
        self._session = None

    @property
    def session(self) -> aiohttp.ClientSession:
        """The connections, which carry the token: also for a user's own server."""
        if self._session is None:
            raise RuntimeError("the client is not open")
        return self._session

    def server_url(self, user: str) -> str:
        """Return the address of a user's own server, without a slash at its end."""
        return f"{self.access.url.rstrip('/')}/user/{quote(user, safe='')}"

    # -- any call ------------------------------------------------------------------------------

    async def call(
        self,
        method: str,
        path: str,
        *,
        json: Any = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> dict[str, Any]:
        """Return the hub's answer to a call below `/hub/api/`; empty when it has no body.

        Raises:
            HubAbsentError: no answer.
            HubRefusedError: any status but a good one.
            HubUnclearError: the answer is not a hub's.
        """
        answer = await self._ask(method, path, json=json, data=data, headers=headers)
        if not isinstance(answer, dict):
            raise HubUnclearError(self.access, f"{method} {path}")
        return answer

    async def _ask(self, method: str, path: str, **more: Any) -> Any:
        url = f"{self.access.api_url}/{path}"
        try:
            # Never elsewhere: whoever a redirect leads to would get the token.
            async with (
                self._connected() as session,
                session.request(method, url, allow_redirects=False, **more) as response,
            ):
                content = await response.read()
                status = response.status
        except (*FAILURES, ValueError) as error:  # an invalid address or token
            raise HubAbsentError(self.access, reason(error)) from error
        if not _OK <= status < _REDIRECTION:
            raise HubRefusedError(self.access, f"{method} {path}", status, find_reason(content))
        if not content:
            return {}
        try:
            return load_json(content)
        except ValueError as error:
            raise HubUnclearError(self.access, f"{method} {path}") from error

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[aiohttp.ClientSession]:
        if self._session is not None:
            yield self._session
            return
        async with self._open() as session:
            yield session

    def _open(self) -> aiohttp.ClientSession:
        headers = {"Authorization": f"token {self.access.token}"}
        return open_session(
            limit_s=self._limit_s, headers=headers, longest_line=_LONGEST_EVENT_BYTES
        )

    # -- the hub and its accounts ----------------------------------------------------------------

    async def wait_until_up(self) -> None:
        """Return when the hub answers: then it knows the servers of the hub before it.

        Raises:
            HostError: it does not within ten minutes.
        """
        last: HostError | None = None
        for pause_s in pauses(_UP_LIMIT_S, _LONGEST_PAUSE_S):
            try:
                await self.call("GET", "")
            except HostError as error:
                last = error
                await asyncio.sleep(pause_s)
            else:
                return
        raise last or HubAbsentError(self.access, "")

    async def add_users(self, users: Sequence[str]) -> None:
        """Make accounts."""
        await self._ask("POST", "users", json={"usernames": list(users)})

    async def delete_user(self, user: str) -> None:
        """Delete an account."""
        await self.call("DELETE", _user_path(user))

    # -- servers ---------------------------------------------------------------------------------

    async def find_server(self, user: str, server: str = "") -> dict[str, Any]:
        """Return the hub's model of an active server; empty when there is none."""
        answer = await self.call("GET", _user_path(user))
        model: dict[str, Any] = answer.get("servers", {}).get(server, {})
        return model

    async def start_server(self, user: str, server: str = "") -> None:
        """Have the hub start a server, without waiting; no-op if it runs or is being started.

        Raises:
            HostError: the hub refused.
        """
        try:
            await self.call("POST", _server_path(user, server))
        except HubRefusedError as error:
            if error.status != _BAD_REQUEST or not await self.find_server(user, server):
                raise
            # It runs already, or is on its way.

    async def progress(
        self, user: str, *, limit_s: float = _START_LIMIT_S
    ) -> AsyncGenerator[dict[str, Any]]:
        """Yield the events of a start, as they come, until the server is ready.

        Asking again and again would cost the hub, whose processors the machines need.

        Raises:
            StartFailedError: the start failed, or the hub stopped telling.
            HostError: the hub refused, or does not answer.
        """
        path = f"{_user_path(user)}/server/progress"
        limit = aiohttp.ClientTimeout(total=limit_s)
        try:
            async with (
                self._connected() as session,
                session.get(
                    f"{self.access.api_url}/{path}", allow_redirects=False, timeout=limit
                ) as response,
            ):
                if response.status != _OK:
                    words = find_reason(await response.read())
                    raise HubRefusedError(self.access, f"GET {path}", response.status, words)
                async for line in response.content:
                    if not line.startswith(_EVENT):
                        continue
                    event = load_json(line[len(_EVENT) :])
                    yield event
                    if event.get("failed"):
                        raise StartFailedError(str(event.get("message", "the start failed")))
                    if event.get("ready"):
                        return
        except (*FAILURES, ValueError) as error:
            raise StartFailedError(f"the hub's progress stream broke: {reason(error)}") from error
        raise StartFailedError("the hub ended the progress stream before the server was ready")

    async def stop_server(
        self, user: str, server: str = "", *, limit_s: float = _STOP_LIMIT_S
    ) -> None:
        """Stop a server, or cancel its start, and return when the hub has done so.

        Raises:
            HostError: the hub refused, or it took too long.
        """
        asked = False
        for pause_s in pauses(limit_s, _LONGEST_PAUSE_S):
            model = await self.find_server(user, server)
            if not model:
                return
            if not (asked and model.get("pending")):
                await self.call("DELETE", _server_path(user, server))
                asked = True
            await asyncio.sleep(pause_s)
        raise HostError(f"the hub did not stop the server of {user} in {limit_s:.0f} s")


def ask_hub(
    access: HubAccess, method: str, path: str, *, limit_s: float = CALL_LIMIT_S, **more: Any
) -> dict[str, Any]:
    """Call the hub from where no event loop runs: the command line; see `HubClient.call`."""
    return asyncio.run(HubClient(access, limit_s=limit_s).call(method, path, **more))


def _user_path(user: str) -> str:
    return f"users/{quote(user, safe='')}"


def _server_path(user: str, server: str) -> str:
    path = f"{_user_path(user)}/server"
    return f"{path}s/{quote(server, safe='')}" if server else path
