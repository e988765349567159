"""The hub's end of the machines' way to it.

A machine's network ends in its own namespace; what it may reach comes through two unix sockets in
one folder: `hub.sock` leads to the hub's API, `proxy.sock` to the proxy. They belong to the hub's
process and come back with it.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from vmlab.providers.qemu.confine import find_qemu_user
from vmlab.providers.qemu.relay import Connect, Streams, make_relay

# All machines together; each one is limited to less by its shim.
_MOST_CONNECTIONS = 4096

_open_doors: dict[Path, list[asyncio.Server]] = {}


async def ensure_doors(folder: Path, targets: dict[str, tuple[str, int]]) -> None:
    """Open these doors unless this process has opened them already.

    Args:
        folder: where the sockets appear.
        targets: socket name → address and port behind it.

    Raises:
        OSError: a socket cannot be made.
    """
    if folder in _open_doors:
        return
    servers: list[asyncio.Server] = []
    _open_doors[folder] = servers
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o711)
    user = find_qemu_user()
    for name, (address, port) in targets.items():
        path = folder / name
        # A socket file of a hub that was killed: this hub holds the state folder's lock now.
        path.unlink(missing_ok=True)
        relay = make_relay(_to_address(address, port), most=_MOST_CONNECTIONS)
        servers.append(await asyncio.start_unix_server(relay, str(path), backlog=1024))
        user.give(path)


def _to_address(address: str, port: int) -> Connect:
    async def connect() -> Streams:
        return await asyncio.open_connection(address, port)

    return connect
