"""Which version a machine's server says it has: JupyterHub compares it with its own.

A trainee may have their server say anything. JupyterHub 6.1 raises an error for a malformed one,
and a hub that begins while that machine runs would end (app.py, `init_spawners`).
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

_LONGEST: Final = 40


@cache
def check_any_version() -> None:
    """Have this process take whatever a server says for its version; once is enough."""
    from jupyterhub import user  # noqa: PLC0415 - only the hub needs it

    check = user._check_version

    def check_any(hub_version: str, said: str | None, log: Any) -> None:
        version = (said or "")[:_LONGEST]
        try:
            check(hub_version, version, log)
        except ValueError:
            log.warning("A machine's server says that it has JupyterHub %r", version)

    user._check_version = check_any
