"""A lab whose trainee eve has put a server of their own behind their machine's address.

Three kinds: with names of their own, with one name, and with one name but without what VMLab does
about it. In the last one the attacks succeed: so they are real ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from playwright.sync_api import Page

from fakes.hostile_server import Answer, HostileServer
from hub.running_hub import RunningHub

VISITOR = "admin"
PAGES = Path(__file__).parent / "hostile"
TYPES = {".html": "text/html", ".js": "text/javascript"}

_HOSTILE = """

class HostileSpawner(NotingSpawner):
    async def start(self):
        url = await super().start()
        return {url!r} if self.user.name == "eve" else url


c.JupyterHub.spawner_class = HostileSpawner
"""
_UNGUARDED = """
*_, node, _, package, _ = c.ConfigurableHTTPProxy.command
c.ConfigurableHTTPProxy.command = [node, f"{package}/bin/configurable-http-proxy"]
c.JupyterHub.tornado_settings["xsrf_cookie_kwargs"] = {"samesite": "Lax"}
"""


class Kind(StrEnum):
    """What names hub and machines have."""

    OWN = "own-names"
    ONE = "one-name"
    UNGUARDED = "unguarded"


@dataclass(frozen=True)
class HostileLab:
    """A hub, and what eve serves."""

    kind: Kind
    hub: RunningHub
    server: HostileServer

    @property
    def is_guarded(self) -> bool:
        return self.kind is not Kind.UNGUARDED

    def serve(self, file: str, *headers: tuple[str, str]) -> str:
        """Put one of the hostile pages at eve's machine; return its URL."""
        path = PAGES / file
        answer = Answer(path.read_bytes(), headers, type=TYPES[path.suffix])
        self.server.pages[f"/user/eve/{file}"] = answer
        return f"{self.hub.machine_url('eve')}/{file}"

    def lure(
        self,
        page: Page,
        file: str,
        *headers: tuple[str, str],
        told: tuple[tuple[str, str], ...] = (),
    ) -> Any:
        """Open a hostile page, tell it something by its query, and return its result."""
        query = urlencode([("hub", self.hub.base_url), *told])
        page.goto(f"{self.serve(file, *headers)}?{query}")
        page.wait_for_function("window.result !== undefined")
        return page.evaluate("window.result")

    def consent_url(self, scope: str = "") -> str:
        """Return where eve's machine sends a visitor who is to log in to it."""
        path = "/user/eve/oauth_callback"
        own = self.hub.machine_url("eve").removesuffix("/user/eve")
        query = {
            "client_id": self.hub.server_env("eve")["JUPYTERHUB_CLIENT_ID"],
            "redirect_uri": (own if self.kind is Kind.OWN else "") + path,
            "response_type": "code",
            "state": "x",
        }
        more = {"scope": scope} if scope else {}
        return f"{self.hub.base_url}/hub/api/oauth2/authorize?{urlencode(query | more)}"

    def who(self, page: Page) -> str:
        """Return as whom the browser is logged in at the hub; empty: as nobody."""
        page.goto(f"{self.hub.base_url}/hub/home")
        return str(page.evaluate("window.jhdata.user || ''"))


@contextmanager
def run_lab(
    folder: Path, kind: Kind, make_hub: type[RunningHub] = RunningHub
) -> Iterator[HostileLab]:
    """Run a lab in which eve's machine and the visitor's are on."""
    (folder / "fake.json").write_text(json.dumps({"volumes": True}))
    with HostileServer() as server:
        extra = _HOSTILE.format(url=server.url)
        if kind is Kind.UNGUARDED:
            extra += _UNGUARDED
        names = "" if kind is Kind.OWN else "one_origin = true"
        with make_hub(folder, extra_config=extra, hub_lines=names) as hub:
            for name in ("eve", VISITOR):
                hub.start_server(name)
            yield HostileLab(kind, hub, server)
