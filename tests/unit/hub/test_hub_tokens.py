"""Tokens without end, in JupyterHub's own database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from jupyterhub import orm
from sqlalchemy import create_engine, event
from sqlalchemy.orm import Session

from vmlab.hub import tokens
from vmlab.hub.tokens import TooManyTokensError, limit_tokens


@pytest.fixture
def db(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setattr(tokens, "MAX_TOKENS", 5)
    limit_tokens()
    limit_tokens()
    engine = create_engine("sqlite://")
    orm.Base.metadata.create_all(engine)
    session = Session(engine)
    session.add_all([orm.User(name="ada"), orm.User(name="eve"), orm.Service(name="s")])
    session.add(orm.OAuthClient(identifier="jupyterhub"))  # whose tokens people make by hand
    session.commit()
    yield session
    session.close()
    event.remove(orm.APIToken, "before_insert", tokens._check)


def make(db: Any, user: str, **more: Any) -> orm.APIToken:
    owner = orm.User.find(db, user)
    owner.new_api_token(**more)
    return db.query(orm.APIToken).order_by(orm.APIToken.id.desc()).first()


@pytest.mark.attack("log.tokens", "makes tokens until the hub's database has no end")
def test_tokens_are_counted_for_each_user(db: Any, tried: Callable[[int], None]) -> None:
    for _ in range(5):
        make(db, "eve")
    for _ in range(20):
        with pytest.raises(TooManyTokensError, match="revoke some"):
            make(db, "eve")
        db.rollback()
    tried(20)
    assert db.query(orm.APIToken).count() == 5
    make(db, "ada")
    db.delete(orm.User.find(db, "eve").api_tokens[0])
    db.commit()
    make(db, "eve")


def test_services_are_not_counted(db: Any) -> None:
    service = db.query(orm.Service).one()
    for _ in range(10):
        service.new_api_token()
    assert db.query(orm.APIToken).count() == 10


@pytest.mark.attack("log.tokens", "writes endless notes on tokens")
def test_notes_are_cut(db: Any) -> None:
    assert len(make(db, "eve", note="x" * 200_000).note) == 1023
    assert make(db, "eve", note="mine").note == "mine"


@pytest.mark.attack("log.tokens", "makes a token with endless scopes")
def test_endless_scopes_are_refused(db: Any) -> None:
    user = orm.User.find(db, "eve")
    db.add(orm.APIToken(user=user, prefix="p", hashed="h", scopes=["self"] * 10_000))
    with pytest.raises(TooManyTokensError, match="16 KiB"):
        db.commit()
