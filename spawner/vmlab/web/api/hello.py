"""`/hub/vmlab/hello`: what a request looks like when it arrives (vmlab.hub.hello)."""

from __future__ import annotations

import json
from dataclasses import asdict

from jupyterhub.utils import get_browser_protocol
from tornado import web
from tornado.httputil import HTTPServerRequest
from tornado.websocket import WebSocketHandler

from vmlab.hub.access import read_cli_access
from vmlab.hub.hello import Heard, is_nonce, make_proof
from vmlab.web.api.runtime import ApiSettings


def hear(request: HTTPServerRequest, lab: ApiSettings) -> str:
    """Return the answer to a request, as JSON.

    Raises:
        HTTPError: 400, it has no nonce; 503, this hub has nothing to prove itself by.
    """
    nonce = request.arguments.get("nonce", [b""])[-1].decode("latin-1")
    if not is_nonce(nonce):
        raise web.HTTPError(400, "nonce must be 32 lowercase hexadecimal digits")
    secret = read_cli_access(lab.paths).token
    if not secret:  # with an empty one, anybody can make the proof
        raise web.HTTPError(503, "cli.json holds no token")
    heard = Heard(
        proof=make_proof(secret, nonce),
        scheme=str(get_browser_protocol(request)),
        host=str(request.host),
        client=str(request.remote_ip),
    )
    return json.dumps(asdict(heard))


class HelloHandler(web.RequestHandler):
    """Answers anybody, telling them only what they sent; ignores cookies."""

    def initialize(self, lab: ApiSettings) -> None:
        """Take what `setup_api` passes to every handler."""
        self.lab_settings = lab

    def get(self) -> None:
        """Tell."""
        self.set_header("Content-Type", "application/json")
        self.set_header("Cache-Control", "no-store")
        self.finish(hear(self.request, self.lab_settings))


class HelloSocket(WebSocketHandler):
    """The same by a WebSocket: one message, then the end."""

    def initialize(self, lab: ApiSettings) -> None:
        """Take what `setup_api` passes to every handler."""
        self.lab_settings = lab

    @property
    def max_message_size(self) -> int:
        """Room for the word that closes, and no more: tornado holds 10 MiB of what anybody says."""
        return 125

    async def open(self, *_: str, **__: str) -> None:
        """Tell."""
        await self.write_message(hear(self.request, self.lab_settings))
        self.close()

    def on_message(self, message: str | bytes) -> None:
        """Nothing is asked here."""
