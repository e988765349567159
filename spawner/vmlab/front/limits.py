"""How much a request may be and how long it may take, before anybody looks who sends it.

tornado's own limits are 100 MiB and no time at all, and a body is in memory before a handler of
JupyterHub's runs. A handler that takes more says so itself once it knows who asks
(`vmlab.api.base`).
"""

from __future__ import annotations

from typing import Final

from tornado.httpserver import HTTPServer

MOST_BODY_BYTES: Final = 256 * 1024
"""Of a request through the proxy: JupyterHub's longest is a list of all accounts, 45 KiB."""

MOST_HEADER_BYTES: Final = 32 * 1024
"""The proxy takes 16 KiB and writes a few of its own."""

BODY_LIMIT_S: Final = 30.0


def limit_servers(body_limit_s: float = BODY_LIMIT_S) -> None:
    """Give every HTTP server that this process makes from now on these limits.

    JupyterHub makes its server itself, without any; its clients are not concerned. There is no
    limit for silence here: only the proxy connects, which keeps connections and has read all
    headers before it asks for anything.
    """
    HTTPServer.configure(
        None,
        max_body_size=MOST_BODY_BYTES,
        max_header_size=MOST_HEADER_BYTES,
        body_timeout=body_limit_s,
    )
