"""How large a request may be and how long it may take, before it is known who sends it.

tornado's own limits are 100 MiB and no time at all, and a body is in memory before a handler of
JupyterHub's runs. A handler that takes more says so itself once it knows who asks
(`vmlab.web.api.base`).
"""

from __future__ import annotations

import resource
from typing import Final

from tornado.httpserver import HTTPServer

from vmlab.network.relay import MAX_OUTWARD

MAX_BODY_BYTES: Final = 256 * 1024
"""Of a request through the proxy: JupyterHub's longest is a list of all accounts, 45 KiB."""

MAX_HEADER_BYTES: Final = 32 * 1024
"""The proxy takes 16 KiB and writes a few of its own."""

BODY_LIMIT_S: Final = 30.0

MAX_OF_ONE: Final = 2 * MAX_OUTWARD
"""Connections of one machine at a listener. Its shim uses at most half of them; somebody who broke
out of the machine comes without the shim."""

_MAX_DESCRIPTORS: Final = 65536
_MAX_OF_A_LISTENER: Final = 4096


def limit_servers(body_limit_s: float = BODY_LIMIT_S) -> None:
    """Give every HTTP server that this process makes from now on these limits.

    JupyterHub makes its server itself, without any; its clients are not concerned. There is no
    limit for silence here: only the proxy connects, which keeps connections and has read all
    headers before it asks for anything.
    """
    HTTPServer.configure(
        None,
        max_body_size=MAX_BODY_BYTES,
        max_header_size=MAX_HEADER_BYTES,
        body_timeout=body_limit_s,
    )


def raise_descriptor_limit() -> None:
    """Let this process open as many files and connections as it may.

    The usual limit is 1024, for older programs: sixteen machines would exhaust that.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = _MAX_DESCRIPTORS if hard == resource.RLIM_INFINITY else min(hard, _MAX_DESCRIPTORS)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def most_connections() -> int:
    """Return how many connections a listener keeps for all machines together; a shim has fewer.

    Both listeners full leave half of the descriptors to the hub; a relayed connection needs two.
    """
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return (
        _MAX_OF_A_LISTENER if soft == resource.RLIM_INFINITY else min(_MAX_OF_A_LISTENER, soft // 6)
    )
