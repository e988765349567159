"""Base of VMLab's handlers: who calls, how much they may send, how errors are reported."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, TypeVar, cast

from jupyterhub.apihandlers.base import APIHandler
from tornado import web
from tornado.http1connection import HTTP1Connection

from vmlab.errors import LabError
from vmlab.model import MachineStatus
from vmlab.network.limits import BODY_LIMIT_S
from vmlab.web.api.bodies import BodyError
from vmlab.web.api.identity import ServerIdentity, identify_server
from vmlab.web.api.runtime import ApiSettings, Runtime, get_runtime
from vmlab_protocol.outside import load_json
from vmlab_protocol.receipts import MAX_BODY_BYTES

COURSES_SCOPE = "custom:vmlab:courses"
BOARD_SCOPE = "admin-ui"
_SHOWN_ERROR = 4000

Body = TypeVar("Body")


class TooManyReportsError(web.HTTPError):
    """429; the hub's error handling takes `headers` over into the answer."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(429, "too many reports; slow down")
        self.headers = {"Retry-After": str(math.ceil(wait_s))}


@web.stream_request_body
class LabHandler(APIHandler):  # type: ignore[misc]  # JupyterHub is untyped
    """A handler that reads bodies itself, so that too much is refused before it is in memory.

    Subclasses set `max_body_bytes` and override `authorize`, which runs before the body is read.
    """

    max_body_bytes = MAX_BODY_BYTES
    body_limit_s = BODY_LIMIT_S
    """How long the body of a patient handler may take."""

    is_patient = False
    """Whether the body of a refused request is read to its end (and dropped) before the refusal.

    A refusal before that closes the connection, which is cheap for the hub, but to a client that
    still sends a large body through a proxy it looks as if the hub had gone. A patient handler
    must call `body` before it does anything.
    """

    def initialize(self, lab: ApiSettings) -> None:
        """Take what `setup_api` passes to every handler."""
        self.lab_settings = lab
        self._body = bytearray()
        self._refusal: web.HTTPError | None = None
        self._is_prepared = False

    @property
    def runtime(self) -> Runtime:
        """The shared objects."""
        return get_runtime(self.lab_settings)

    async def prepare(self) -> None:
        """Check rights and the announced size before the first byte of the body."""
        await super().prepare()
        if self._finished:
            return
        try:
            self.authorize()
            announced = self.request.headers.get("Content-Length", "0")
            if announced.isdecimal() and int(announced) > self.max_body_bytes:
                raise self._too_large()
        except web.HTTPError as e:
            if not self.is_patient:
                raise
            self._refusal = e
        if self.is_patient:
            self._raise_limits()
        self._is_prepared = True

    def _raise_limits(self) -> None:
        """Allow the size and time that this handler needs, now that it is known who sends.

        tornado closes the connection on a larger body without an answer, so more is accepted
        and dropped. A refused sender gets no more time than anybody else.
        """
        connection = cast("HTTP1Connection", self.request.connection)
        connection.set_max_body_size(2 * self.max_body_bytes)
        connection.set_body_timeout(BODY_LIMIT_S if self._refusal else self.body_limit_s)

    def authorize(self) -> None:
        """Check the caller's rights.

        Raises:
            HTTPError: 403.
        """
        raise NotImplementedError

    def data_received(self, chunk: bytes) -> Awaitable[None] | None:
        """Collect the body; that of a refused request is dropped."""
        if len(self._body) + len(chunk) > self.max_body_bytes:
            self._refusal = self._refusal or self._too_large()
        if self._refusal:
            self._body.clear()
        else:
            self._body += chunk
        return None

    def body(self) -> bytes:
        """Return the request's body.

        Raises:
            HTTPError: 413, it is too large; or why a patient handler refuses the request.
        """
        if self._refusal:
            raise self._refusal
        return bytes(self._body)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """Write an error; one that comes before the body was read announces what tornado does then.

        tornado 6.5 closes the connection without saying so, and a proxy that keeps connections
        would send its next request into the void (http1connection.py, `finish`).
        """
        if not self._is_prepared:
            self.set_header("Connection", "close")
        super().write_error(status_code, **kwargs)

    def json_body(self) -> dict[str, Any]:
        """Return the body as a JSON object.

        Raises:
            HTTPError: 400 or 413.
        """
        try:
            model = load_json(self.body())
        except ValueError as e:
            raise web.HTTPError(400, "the body is not valid JSON") from e
        if not isinstance(model, dict):
            raise web.HTTPError(400, "the body must be a JSON object")
        return model

    def checked_body(self, parse: Callable[[dict[str, Any]], Body]) -> Body:
        """Return what a function of `vmlab.web.api.bodies` reads in the body.

        Raises:
            HTTPError: 400 or 413.
        """
        try:
            return parse(self.json_body())
        except BodyError as e:
            raise web.HTTPError(400, e.message) from e

    async def machine_statuses(self) -> Mapping[str, MachineStatus] | None:
        """Ask the provider; a page without machine states is better than none."""
        try:
            return await self.runtime.statuses.get()
        except LabError as e:
            self.log.error("The provider could not be asked for states of machines: %s", e)
            return None

    def refuse(self, error: LabError) -> web.HTTPError:
        """Return the answer to a request that failed for a reason its sender can correct."""
        return web.HTTPError(400, str(error)[:_SHOWN_ERROR])

    def require_scope(self, scope: str) -> None:
        """Check that the caller holds a scope, with or without filter.

        Raises:
            HTTPError: 403.
        """
        if not self.current_user:
            raise web.HTTPError(403, "Missing or invalid credentials.")
        if scope not in self.parsed_scopes:
            raise web.HTTPError(403, f"This needs the scope {scope}.")

    def _too_large(self) -> web.HTTPError:
        return web.HTTPError(413, f"the body may have at most {self.max_body_bytes} bytes")

    def find_server_identity(self) -> ServerIdentity | None:
        """Return who calls, or None if it is not a server.

        Anybody may make a token for a server of theirs that there is not: of any number of names,
        each with limits and rows of the database of its own.
        """
        if not self.current_user or getattr(self.current_user, "kind", "user") != "user":
            return None
        found = identify_server(self.current_user.name, self.parsed_scopes)
        if found and found.server and found.server not in self.current_user.orm_spawners:
            return None
        return found


class MachineHandler(LabHandler):
    """A handler that machines call with their server's token; cookies do not count."""

    _accept_cookie_auth = False

    def authorize(self) -> None:
        """Let servers in."""
        self.server_identity()

    def server_identity(self) -> ServerIdentity:
        """Return who calls.

        Raises:
            HTTPError: 403, no token or not a server's.
        """
        found = self.find_server_identity()
        if found is None:
            raise web.HTTPError(403, "This needs the token of a server ($JUPYTERHUB_API_TOKEN).")
        return found

    def count_report(self, server: ServerIdentity) -> None:
        """Count a report of this server.

        Raises:
            HTTPError: 429, it sent too many within a minute.
        """
        wait_s = self.runtime.reports.retry_after_s(server)
        if wait_s:
            raise TooManyReportsError(wait_s)


class OwnHandler(LabHandler):
    """A handler for what belongs to the person who calls; a machine's own token is not enough."""

    subject = ""
    """What calls are counted for, beside the person."""

    def authorize(self) -> None:
        """Let people in who may stop their own server, which all trainees may."""
        if getattr(self.current_user, "kind", "") != "user":
            raise web.HTTPError(403, "Missing or invalid credentials.")
        self.require_scope("delete:servers")

    def count_call(self) -> None:
        """Count a call.

        Raises:
            HTTPError: 429, too many within a minute.
        """
        wait_s = self.runtime.reports.retry_after_s((self.subject, self.current_user.name))
        if wait_s:
            raise TooManyReportsError(wait_s)
