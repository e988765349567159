"""How many tokens a user may have: the hub's database keeps them, and any user can make some.

Every login to a machine makes one as well, which lasts two weeks.
"""

from __future__ import annotations

import json
from typing import Any, Final

from jupyterhub import orm
from sqlalchemy import Connection, event, func, select
from sqlalchemy.exc import SQLAlchemyError

MAX_TOKENS: Final = 500
MAX_SCOPES_BYTES: Final = 16 * 1024


class TooManyTokensError(SQLAlchemyError):
    """A token was not stored; JupyterHub's handlers roll back on this kind and answer 500."""


def limit_tokens() -> None:
    """Refuse every token beyond the limit from now on; once is enough for a process."""
    if not event.contains(orm.APIToken, "before_insert", _check):
        event.listen(orm.APIToken, "before_insert", _check)


def _check(_: Any, connection: Connection, token: Any) -> None:
    """Cut the note to its column's length, which SQLite ignores; refuse tokens beyond limits."""
    if token.note:
        token.note = token.note[: orm.APIToken.note.type.length]
    if len(json.dumps(token.scopes)) > MAX_SCOPES_BYTES:
        raise TooManyTokensError("a token whose scopes take more than 16 KiB is not stored")
    if token.user_id is None:  # a service's: they are in the configuration
        return
    count = select(func.count()).where(orm.APIToken.user_id == token.user_id)
    if connection.execute(count).scalar_one() >= MAX_TOKENS:
        raise TooManyTokensError(
            f"user {token.user_id} has {MAX_TOKENS} tokens: revoke some on the hub's Token page"
        )
