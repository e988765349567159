"""The sockets on which machines reach the hub.

A machine's network ends in its own namespace; what it may reach comes through two unix sockets in
one folder: `hub.sock` leads to the hub's API, `proxy.sock` to the proxy. They belong to the hub's
process and come back with it.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPServerConnectionDelegate
from tornado.netutil import bind_unix_socket

from vmlab.errors import HostError
from vmlab.network.hub_listener import make_hub_listener
from vmlab.network.limits import MAX_OF_ONE, most_connections
from vmlab.network.relay import make_relay, to_socket
from vmlab.system.worker import admit_machines

_BACKLOG = 1024

_open_listeners: dict[Path, list[HTTPServer | asyncio.Server]] = {}
_turns: dict[Path, asyncio.Lock] = {}


async def ensure_listeners(folder: Path, hub: HTTPServerConnectionDelegate, proxy: Path) -> None:
    """Open these listeners unless this process has already opened them.

    If they cannot be opened, the next call tries again.

    Args:
        folder: where the sockets appear.
        hub: the hub's application.
        proxy: the proxy's unix socket for machines.

    Raises:
        HostError: a socket cannot be made.
    """
    async with _turns.setdefault(folder, asyncio.Lock()):
        if folder in _open_listeners:
            return
        async with AsyncExitStack() as opened:
            try:
                servers = await _open(folder, hub, proxy, opened)
            except OSError as error:
                raise HostError(
                    f"the machines' way to the hub could not be opened in {folder}: {error}",
                    hint="check this folder's permissions and free space; each start tries again",
                ) from error
            opened.pop_all()
        _open_listeners[folder] = servers


async def _open(
    folder: Path, hub: HTTPServerConnectionDelegate, proxy: Path, opened: AsyncExitStack
) -> list[HTTPServer | asyncio.Server]:
    """Open both; `opened` closes what was opened when the other one fails."""
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)
    # Socket files here are a killed hub's, and in the way: this hub holds the state folder's lock.
    path = folder / "hub.sock"
    path.unlink(missing_ok=True)
    listener = make_hub_listener(hub)
    listener.add_socket(bind_unix_socket(str(path), backlog=_BACKLOG))
    opened.callback(listener.stop)
    admit_machines(path)
    path = folder / "proxy.sock"
    path.unlink(missing_ok=True)
    relay = make_relay(to_socket(str(proxy)), most=most_connections(), most_of_one=MAX_OF_ONE)
    server = await asyncio.start_unix_server(relay, str(path), backlog=_BACKLOG)
    opened.callback(server.close)
    admit_machines(path)
    return [listener, server]
