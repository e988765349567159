"""The tokens that JupyterHub makes for servers, as its database holds them."""

from __future__ import annotations

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


def revoke_server_tokens(db: Any, orm_user: Any, server: str) -> None:
    """Delete all tokens that were made for a user's server."""
    for token in list(orm_user.api_tokens):
        is_noted = (token.note or "").startswith(NOTE)
        if is_noted and token_server(orm_user.name, list(token.scopes)) == server:
            db.delete(token)
    db.commit()
