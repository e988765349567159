"""Tokens without end, in JupyterHub's own database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from jupyterhub import orm
from sqlalchemy import create_engine, event
from sqlalchemy.orm import Session

from vmlab.hub import tokens
from vmlab.hub.tokens import TokenRefusedError, limit_tokens


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
    session.add(orm.OAuthClient(identifier="jupyterhub-user-eve"))  # of logins to her machine
    session.commit()
    yield session
    session.close()
    event.remove(Session, "before_flush", tokens._check)


def make(db: Any, user: str, **more: Any) -> orm.APIToken:
    owner = orm.User.find(db, user)
    owner.new_api_token(**more)
    return db.query(orm.APIToken).order_by(orm.APIToken.id.desc()).first()


@pytest.mark.attack("log.tokens", "makes tokens until the hub's database has no end")
def test_tokens_are_counted_for_each_user(db: Any, tried: Callable[[int], None]) -> None:
    for _ in range(5):
        make(db, "eve")
    for _ in range(20):
        with pytest.raises(TokenRefusedError, match=r"revoke some .* révoquez"):
            make(db, "eve")
        db.rollback()
    tried(20)
    assert db.query(orm.APIToken).count() == 5
    make(db, "ada")
    db.delete(orm.User.find(db, "eve").api_tokens[0])
    db.commit()
    make(db, "eve")


@pytest.mark.attack("log.tokens", "logs in without end, and starts a machine without end")
@pytest.mark.parametrize(
    "made", [{"client_id": "jupyterhub-user-eve"}, {"note": "Server at /user/x/", "scopes": []}]
)
def test_a_login_and_a_start_take_the_place_of_the_oldest(
    db: Any, made: dict[str, Any], tried: Callable[[int], None]
) -> None:
    for _ in range(5):
        make(db, "eve")
    first = make(db, "eve", **made)
    owner, other = first.user, make(db, "ada", **made)
    assert first in owner.api_tokens
    for _ in range(20):
        last = make(db, "eve", **made)
    tried(20)
    left = db.query(orm.APIToken).filter_by(user_id=owner.id).all()
    assert len(left) == 10, "five made by hand stay"
    assert last in left
    assert first not in left
    assert set(owner.api_tokens) == set(left), "also for what has read the user before"
    assert other in db.query(orm.APIToken), "everybody has their own"


@pytest.mark.attack("log.tokens", "makes tokens with the note of a server's own until none is left")
def test_a_note_alone_makes_no_servers_token(db: Any, tried: Callable[[int], None]) -> None:
    for number in range(5):
        make(db, "eve", note=f"Server at {number}")
    for _ in range(20):
        with pytest.raises(TokenRefusedError):
            make(db, "eve", note="Server at /user/eve/")
        db.rollback()
    tried(20)
    assert {token.note[-1] for token in orm.User.find(db, "eve").api_tokens} == set("01234")


def add_like_a_servers(db: Any, name: str) -> orm.APIToken:
    token = orm.APIToken(
        user=orm.User.find(db, "eve"), hashed=name, prefix="p", client_id="jupyterhub",
        note="Server at /user/eve/", scopes=["users:activity!user", "access:servers!server=eve/"],
    )  # fmt: skip
    db.add(token)
    db.commit()
    return token


@pytest.mark.attack("log.tokens", "makes tokens like a server's own until its own makes room")
def test_a_running_servers_own_token_stays(db: Any, tried: Callable[[int], None]) -> None:
    before = [add_like_a_servers(db, f"before {number}") for number in range(7)]
    own = before[-1]
    eve = orm.User.find(db, "eve")
    started = own.created + timedelta(milliseconds=1)
    running = orm.Spawner(name="", user=eve, server=orm.Server(), started=started)
    db.add(running)
    db.commit()
    for number in range(20):
        token = add_like_a_servers(db, f"after {number}")
        token.created = started + timedelta(seconds=number + 1)
        db.commit()
        assert own in eve.api_tokens
    tried(20)
    assert len(eve.api_tokens) == 5
    running.server = None
    for number in range(5):
        add_like_a_servers(db, f"off {number}")
    assert own not in eve.api_tokens, "of a server that is off, it goes as all do"


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
    with pytest.raises(TokenRefusedError, match="16 KiB"):
        db.commit()
