"""Which server a token belongs to. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ServerIdentity:
    """A trainee's server, as proved by its own token."""

    user: str
    server: str


def identify_server(user: str, parsed_scopes: Mapping[str, Any]) -> ServerIdentity | None:
    """Return the server that a token was made for; None if it was not made for a server.

    JupyterHub gives a server's token the scope `access:servers!server=USER/SERVER`, already
    restricted to what its owner holds. A person's own token holds `!user=` or no filter instead,
    and the token of a visitor's login at somebody else's server names another user. Neither the
    token's note nor anything in the request is trusted: both can be chosen freely.
    ref: jupyterhub 6.1.1, roles.py `get_default_roles`, user.py `spawn`

    Args:
        user: the token's owner.
        parsed_scopes: the token's scopes as `jupyterhub.scopes.parse_scopes` returns them.
    """
    filters = parsed_scopes.get("access:servers")
    if not isinstance(filters, Mapping):
        return None
    prefix = f"{user}/"
    own = [name for name in filters.get("server", ()) if name.startswith(prefix)]
    if len(own) != 1:
        return None
    return ServerIdentity(user, own[0].removeprefix(prefix))
