"""How many tokens a user may have: the hub's database keeps them, and any user can make some.

Those that people make are refused beyond the limit. Every login to a machine makes one as well,
which lasts two weeks, and so does every start: there the newest takes the oldest one's place, so
that nobody is kept out of their machine.
"""

from __future__ import annotations

import json
from enum import Enum, auto
from typing import Any, Final

from jupyterhub import orm
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from vmlab.hub.server_tokens import find_running_tokens, is_machines_own

MAX_TOKENS: Final = 500
"""Of each kind."""

MAX_SCOPES_BYTES: Final = 16 * 1024
_BY_HAND = "jupyterhub"
"""The OAuth client of all tokens that no login made."""

_TOO_MANY = (
    "You have created {0} tokens, and nobody may create more: revoke some that you no longer need, "
    "then create this one. / Vous avez créé {0} jetons, personne ne peut en créer plus : révoquez "
    "ceux dont vous n'avez plus besoin, puis créez celui-ci."
)
_TOO_LONG = (
    "This token was not created: its permissions take more than 16 KiB. Name fewer. / Ce jeton n'a "
    "pas été créé : ses permissions dépassent 16 Kio. Indiquez-en moins."
)


class TokenRefusedError(SQLAlchemyError):
    """A token was not stored; the message is for who wanted it (`vmlab.people.token_calls`).

    Of this kind because JupyterHub's handlers roll back on it.
    """


class _Kind(Enum):
    """What made a token."""

    PERSON = auto()
    START = auto()
    LOGIN = auto()


def limit_tokens() -> None:
    """Keep every user's tokens within the limits from now on; once is enough for a process."""
    if not event.contains(Session, "before_flush", _check):
        event.listen(Session, "before_flush", _check)


def _check(session: Session, *_: Any) -> None:
    for token in session.new:
        if isinstance(token, orm.APIToken):
            _check_token(session, token)


def _check_token(session: Session, token: Any) -> None:
    """Cut the note to its column's length, which SQLite ignores; keep to the limits."""
    token.note = (token.note or "")[: orm.APIToken.note.type.length]
    if len(json.dumps(token.scopes)) > MAX_SCOPES_BYTES:
        raise TokenRefusedError(_TOO_LONG)
    if token.user is None:  # a service's: they are in the configuration
        return
    kind, user = _find_kind(token.user.name, token), token.user
    by_login = orm.APIToken.client_id != _BY_HAND
    query = session.query(orm.APIToken).filter(
        orm.APIToken.user_id == user.id, by_login if kind is _Kind.LOGIN else ~by_login
    )
    if query.count() < MAX_TOKENS:  # as most people; only of the others are the scopes read
        return
    same = [each for each in query.order_by(orm.APIToken.id) if _find_kind(user.name, each) is kind]
    excess = len(same) - MAX_TOKENS + 1
    if excess <= 0:
        return
    if kind is _Kind.PERSON:
        raise TokenRefusedError(_TOO_MANY.format(MAX_TOKENS))
    kept = find_running_tokens(user, same) if kind is _Kind.START else set()
    for old in [each for each in same if each.id not in kept][:excess]:
        session.delete(old)


def _find_kind(user: str, token: Any) -> _Kind:
    if token.client_id != _BY_HAND:
        return _Kind.LOGIN
    return _Kind.START if is_machines_own(user, token) else _Kind.PERSON
