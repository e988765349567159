"""Who is who in the hub's database after an older version let people be renamed."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
from jupyterhub import orm
from sqlalchemy import create_engine, inspect, text
from sqlalchemy.orm import Session

from vmlab.hub.accounts import settle_accounts
from vmlab.lab.lab import Accounts
from vmlab.names import machine_name

LAB = Accounts(trainees=("ada", "bob"), trainers=(), facilitators=("fay",), administrators=())


@pytest.fixture
def file(tmp_path):
    return tmp_path / "jupyterhub.sqlite"


@pytest.fixture
def hub(file):
    """The hub's database: opened again for each look, as the hub does."""
    engine = create_engine(f"sqlite:///{file}")
    orm.Base.metadata.create_all(engine)
    engine.dispose()

    @contextmanager
    def opened():
        with Session(engine) as session, session.begin():
            yield session
        engine.dispose()

    return opened


def add(hub, name: str, *, machine: str = "", served_as: str = "", groups: tuple = ()) -> None:
    """Add a user with what the hub keeps: whose machine, and under which name it is served."""
    with hub() as db:
        state = {"vmlab": {"version": 1, "machine": machine_name(machine)}} if machine else None
        server = orm.Server(base_url=f"/user/{served_as}/") if served_as else None
        spawner = orm.Spawner(name="", state=state, server=server)
        members = [orm.Group.find(db, group) or orm.Group(name=group) for group in groups]
        db.add(orm.User(name=name, _orm_spawners=[spawner], groups=members))


def seen(hub) -> dict[str, tuple[str, str]]:
    """Return each user's machine and the address under which it is served."""
    with hub() as db:
        found = {}
        for user in db.query(orm.User):
            spawner = user.orm_spawners[""]
            machine = ((spawner.state or {}).get("vmlab") or {}).get("machine", "")
            found[user.name] = (machine, spawner.server.base_url if spawner.server else "")
        return found


ADAS = machine_name("ada")


def test_who_was_renamed_gets_the_name_back_and_keeps_a_running_server(file, hub):
    add(hub, "ada2", machine="ada", served_as="ada")
    settle_accounts(file, LAB)
    assert seen(hub) == {"ada": (ADAS, "/user/ada/")}


def test_the_account_that_a_restart_made_in_its_place_goes(file, hub):
    add(hub, "ada2", machine="ada", served_as="ada")
    add(hub, "ada")
    settle_accounts(file, LAB)
    assert seen(hub) == {"ada": (ADAS, "/user/ada/")}


def test_a_server_that_answers_to_the_other_name_only_is_left_to_the_reconciler(file, hub):
    add(hub, "ada2", machine="ada", served_as="ada2")
    settle_accounts(file, LAB)
    assert seen(hub) == {"ada": (ADAS, "")}


def test_of_two_that_are_served_the_one_of_that_name_keeps_the_machine(file, hub):
    add(hub, "ada2", machine="ada", served_as="ada")
    add(hub, "ada", machine="ada", served_as="ada")
    settle_accounts(file, LAB)
    assert seen(hub) == {"ada": (ADAS, "/user/ada/"), "ada2": ("", "")}


def test_one_of_lab_toml_with_anothers_machine_gets_its_own(file, hub):
    add(hub, "bob", machine="ada", served_as="ada")
    add(hub, "ada")
    settle_accounts(file, LAB)
    assert seen(hub) == {"bob": ("", ""), "ada": ("", "")}


def test_who_was_renamed_twice_comes_back_once(file, hub):
    add(hub, "ada2", machine="ada")
    add(hub, "ada3", machine="ada", served_as="ada")
    settle_accounts(file, LAB)
    assert seen(hub) == {"ada": (ADAS, "/user/ada/"), "ada2": ("", "")}


def test_a_rename_that_lab_toml_followed_is_left_alone(file, hub):
    add(hub, "bob", machine="bert", served_as="bob")
    settle_accounts(file, LAB)
    assert seen(hub) == {"bob": (machine_name("bert"), "/user/bob/")}


def test_it_settles_once(file, hub):
    add(hub, "ada2", machine="ada", served_as="ada2")
    add(hub, "ada3", machine="ada")
    settle_accounts(file, LAB)
    before = seen(hub)
    settle_accounts(file, LAB)
    assert seen(hub) == before


def test_a_role_that_was_lost_in_lab_toml_is_lost_in_the_hub(file, hub):
    add(hub, "fay", groups=("facilitators", "trainees"))
    add(hub, "gone", groups=("facilitators", "friends"))
    settle_accounts(file, LAB)
    with hub() as db:
        groups = {user.name: {g.name for g in user.groups} for user in db.query(orm.User)}
    assert groups == {"fay": {"facilitators"}, "gone": {"friends"}}


def test_who_left_lab_toml_is_logged_out_and_the_running_machine_is_not(file, hub):
    with hub() as db:
        for name in ("ada", "gone"):
            user = orm.User(name=name, cookie_id=name, _orm_spawners=[orm.Spawner(name="")])
            machines_own = ["users:activity!user", f"access:servers!server={name}/"]
            for note, scopes in (
                (f"Server at /user/{name}/", machines_own),
                ("Server at /user/x/", [*machines_own, "self"]),
                ("mine", ["self"]),
            ):
                user.api_tokens.append(
                    orm.APIToken(hashed=f"{name}{note}{len(scopes)}", note=note, scopes=scopes)
                )
            db.add(user)
    settle_accounts(file, LAB)
    with hub() as db:
        users = {user.name: user for user in db.query(orm.User)}
        assert users["ada"].cookie_id == "ada"
        assert users["gone"].cookie_id != "gone"
        assert len(users["ada"].api_tokens) == 3
        assert [token.note for token in users["gone"].api_tokens] == ["Server at /user/gone/"]


def test_there_may_be_no_database_yet(file):
    file.touch()
    settle_accounts(file, LAB)
    engine = create_engine(f"sqlite:///{file}")
    assert inspect(engine).get_table_names() == []  # JupyterHub takes it for a new one
    engine.dispose()


def test_a_database_that_must_be_upgraded_first_is_left_to_jupyterhub(file, hub, caplog):
    with hub() as db:
        db.execute(text("alter table spawners drop column display_name"))
    add_user = "insert into users (name, cookie_id) values ('ada2', 'x')"
    with hub() as db:
        db.execute(text(add_user))
    settle_accounts(file, LAB)
    assert "of another version of JupyterHub" in caplog.text
