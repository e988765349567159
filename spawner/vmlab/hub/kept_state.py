"""What a spawner wrote into the hub's database about its machine (`VMSpawner.get_state`)."""

from __future__ import annotations

from typing import Any

from vmlab.names import machine_name, volume_name


def kept_machine(user: Any, name: str, server: str = "") -> str:
    """Return the name of a server's machine, which need not exist yet.

    Args:
        user: JupyterHub's user object, its own or the database's; None: the hub knows none.
        name: of the user.
        server: the hub's name of the server; empty for a trainee's only one.
    """
    return str(_kept(user, server).get("machine") or machine_name(name, server))


def kept_volume(user: Any, name: str, server: str = "") -> str:
    """Return the name of a server's volume, which need not exist yet; as `kept_machine`."""
    return str(_kept(user, server).get("volume") or volume_name(name, server))


def _kept(user: Any, server: str) -> dict[str, Any]:
    spawner = user.orm_spawners.get(server) if user else None
    return ((spawner.state if spawner else None) or {}).get("vmlab") or {}
