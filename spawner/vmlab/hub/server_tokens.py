"""The tokens that JupyterHub makes for servers, as its database holds them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

NOTE: Final = "Server at "
"""How JupyterHub 6.1 notes them (user.py, `spawn`)."""

_SCOPE = "access:servers!server="


def token_server(user: str, scopes: list[str]) -> str | None:
    """Return the name of the user's server that a token was made for, by its own scopes; or None.

    The note alone would not do: people may write the same note on tokens of their own.
    """
    prefix = f"{_SCOPE}{user}/"
    own = [scope.removeprefix(prefix) for scope in scopes if scope.startswith(prefix)]
    return own[0] if len(own) == 1 else None


def is_machines_own(user: str, token: Any) -> bool:
    """Tell whether a token was made for a user's server, and is good for nothing else."""
    activity = ("users:activity!user", f"users:activity!user={user}")
    is_noted = (token.note or "").startswith(NOTE)
    return is_noted and all(
        scope in activity or scope.startswith(f"{_SCOPE}{user}/") for scope in token.scopes
    )


def find_running_tokens(orm_user: Any, tokens: Iterable[Any]) -> set[int]:
    """Return the numbers of those tokens that the user's running servers have.

    People may make tokens with the note and the scopes of a server's own, for each server before
    and after its start: it has the last one of the time before.
    """
    found = set()
    for spawner in orm_user._orm_spawners:
        if spawner.server is None or spawner.started is None:  # none, or its token is being made
            continue
        own = (
            token.id
            for token in tokens
            if is_machines_own(orm_user.name, token)
            and token_server(orm_user.name, list(token.scopes)) == spawner.name
            and token.created <= spawner.started
        )
        found.add(max(own, default=0))
    return found


def revoke_server_tokens(db: Any, orm_user: Any, server: str) -> None:
    """Delete all tokens that were made for a user's server."""
    for token in list(orm_user.api_tokens):
        is_noted = (token.note or "").startswith(NOTE)
        if is_noted and token_server(orm_user.name, list(token.scopes)) == server:
            db.delete(token)
    db.commit()
