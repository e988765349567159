"""The hub's end of the machines' way to it.

A machine's network ends in its own namespace; what it may reach comes through two unix sockets in
one folder: `hub.sock` leads to the hub's API, `proxy.sock` to the proxy. They belong to the hub's
process and come back with it.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerConnectionDelegate
from tornado.netutil import bind_unix_socket

from vmlab.front.door import make_door_server
from vmlab.front.limits import MOST_OF_ONE, most_connections
from vmlab.providers.qemu.confine import admit_machines
from vmlab.providers.qemu.relay import make_relay, to_socket

_BACKLOG = 1024

_open_doors: dict[Path, list[HTTPServer | asyncio.Server]] = {}


async def ensure_doors(folder: Path, hub: HTTPServerConnectionDelegate, proxy: Path) -> None:
    """Open these doors unless this process has opened them already.

    Args:
        folder: where the sockets appear.
        hub: the hub's application.
        proxy: the proxy's unix socket for machines.

    Raises:
        OSError: a socket cannot be made.
    """
    if folder in _open_doors:
        return
    servers: list[HTTPServer | asyncio.Server] = []
    _open_doors[folder] = servers
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)
    # Socket files here are a killed hub's, and in the way: this hub holds the state folder's lock.
    path = folder / "hub.sock"
    path.unlink(missing_ok=True)
    door = make_door_server(hub)
    door.add_socket(bind_unix_socket(str(path), backlog=_BACKLOG))
    servers.append(door)
    admit_machines(path)
    path = folder / "proxy.sock"
    path.unlink(missing_ok=True)
    relay = make_relay(to_socket(str(proxy)), most=most_connections(), most_of_one=MOST_OF_ONE)
    servers.append(await asyncio.start_unix_server(relay, str(path), backlog=_BACKLOG))
    admit_machines(path)
