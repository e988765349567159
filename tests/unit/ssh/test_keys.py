"""Registering keys, and telling machines."""

from __future__ import annotations

import re
from dataclasses import replace

import asyncssh
import pytest

from fakes.looked_at import LookedAt
from vmlab.database import Database
from vmlab.errors import GuestError, HostError
from vmlab.groups.rules import GroupRules
from vmlab.lab.machines import NodeChoice
from vmlab.model import MachineState, MachineStatus
from vmlab.names import machine_name, node_name
from vmlab.paths import Paths
from vmlab.people.accounts import format_passwords
from vmlab.ssh.keys import MAX_KEYS, KeyBook
from vmlab.ssh.kin import KinKeys
from vmlab.ssh.public_keys import read_public_key
from vmlab.web.api.ssh_keys import find_fingerprint, key_id, key_model

LINE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me@home"
DESK = machine_name("ada")
NODE = node_name(DESK, "node1")
PASSWORDS = {"ada": "rivo-dasu-pena-47", "bob": "rivo-dasu-pena-48"}
RULES = GroupRules(nodes=(NodeChoice("node1"),))


class Machines(LookedAt):
    """A provider with machines that take keys."""

    def __init__(self, *names: str, owner: str = "ada", state=MachineState.RUNNING) -> None:
        self.statuses = {name: MachineStatus(name, state, owner=owner) for name in names}
        self.taken: list[tuple[str, tuple[str, ...]]] = []
        self.error: Exception | None = None

    async def status(self, names=None):
        return dict(self.statuses)

    async def set_keys(self, name, keys):
        if self.error:
            raise self.error
        self.taken.append((name, keys))


@pytest.fixture
def paths(tmp_path):
    found = Paths(tmp_path, tmp_path)
    set_passwords(found)
    return found


def set_passwords(paths: Paths, **changed: str) -> None:
    paths.accounts.write_text(format_passwords(PASSWORDS | changed))


@pytest.fixture
def database(tmp_path):
    found = Database(f"sqlite:///{tmp_path / 'db.sqlite'}")
    yield found
    found.close()


@pytest.fixture
def make_book(database, paths):
    def make(provider, rules=GroupRules()) -> KeyBook:  # noqa: B008 - frozen
        return KeyBook(database, provider, rules, paths)

    return make


def fresh_key():
    return read_public_key(
        asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    )


async def test_a_running_machine_is_told_at_once(make_book):
    provider = Machines(DESK)
    book, key = make_book(provider), read_public_key(LINE)
    assert await book.add("ada", key)
    assert await book.add("ada", key), "again: nothing changes"
    assert [each.line for each in await book.of("ada")] == [LINE]
    assert provider.taken.pop() == (DESK, (LINE,))
    assert await book.remove("ada", key.fingerprint)
    assert provider.taken.pop() == (DESK, ())
    assert not await book.remove("ada", key.fingerprint)


async def test_all_machines_of_a_group_are_told_and_let_each_other_in(make_book, paths):
    provider = Machines(DESK, NODE)
    KinKeys(paths.ssh).prepare((DESK, NODE), ())
    kin = KinKeys(paths.ssh).lines((DESK, NODE))
    assert await make_book(provider, RULES).add("ada", read_public_key(LINE))
    assert provider.taken == [(DESK, (LINE, *kin)), (NODE, (LINE, *kin))]


async def test_the_machine_of_a_named_server_is_told_too_and_lets_no_other_machine_in(
    make_book, paths
):
    named = machine_name("ada", "gpu")
    provider = Machines(DESK, NODE, named)
    KinKeys(paths.ssh).prepare((DESK, NODE), ())
    book = make_book(provider, RULES)
    assert await book.add("ada", read_public_key(LINE))
    assert dict(provider.taken)[named] == (LINE,)
    assert await book.remove("ada", read_public_key(LINE).fingerprint)
    assert dict(provider.taken)[named] == ()


@pytest.mark.attack("ssh.own-machines", "gets its keys into a machine that somebody else has now")
async def test_a_machine_is_told_the_keys_of_whoever_it_was_started_for(make_book, tried):
    kept = machine_name("old")
    provider = Machines(kept, owner="ada")
    book = make_book(provider)
    assert await book.add("ada", read_public_key(LINE))
    assert provider.taken == [(kept, (LINE,))], "she was renamed, and kept her machine"
    provider.statuses[kept] = replace(provider.statuses[kept], owner="bob")
    assert await book.add("ada", fresh_key())
    provider.statuses = {DESK: MachineStatus(DESK, MachineState.RUNNING, owner="bob")}
    assert await book.add("ada", fresh_key())
    assert len(provider.taken) == 1, "it has her name, and is not hers"
    tried(2)


async def test_one_that_is_off_learns_it_at_its_start(make_book):
    provider = Machines(DESK, state=MachineState.STOPPED)
    assert await make_book(provider).add("ada", read_public_key(LINE))
    assert provider.taken == []


async def test_one_that_cannot_be_told_does_not_lose_the_key(make_book):
    provider = Machines(DESK)
    provider.error = GuestError("desk", "no answer")
    book = make_book(provider)
    assert await book.add("ada", read_public_key(LINE))
    assert len(await book.of("ada")) == 1


async def test_there_are_ten_at_most_for_each(make_book):
    book = make_book(Machines())
    for _ in range(MAX_KEYS):
        assert await book.add("ada", fresh_key())
    assert not await book.add("ada", read_public_key(LINE))
    assert await book.add("bob", read_public_key(LINE))
    assert len(await book.of()) == MAX_KEYS + 1


async def test_who_has_no_password_registers_nothing(make_book):
    with pytest.raises(HostError, match="no password"):
        await make_book(Machines()).add("zoe", read_public_key(LINE))


@pytest.mark.attack("ssh.revoked", "keeps a key from before the password was changed")
async def test_a_key_counts_as_long_as_its_account_has_the_password_of_then(
    make_book, paths, tried
):
    provider = Machines(DESK)
    book = make_book(provider)
    assert await book.add("ada", read_public_key(LINE))
    assert await book.add("bob", read_public_key(LINE))
    assert await book.forget_stale(PASSWORDS) == frozenset()
    set_passwords(paths, ada="another-one-471")
    assert await book.of("ada") == []
    assert await book.forget_stale(PASSWORDS) == {"ada"}
    assert provider.taken[-1] == (DESK, ()), "her machine forgets it"
    set_passwords(paths)
    assert await book.of("ada") == [], "with the password of before it is not back"
    assert len(await book.of("bob")) == 1
    assert await book.forget_stale(PASSWORDS) == frozenset()
    tried(2)


@pytest.mark.attack("ssh.revoked", "finds its key in an account that was given to somebody else")
async def test_keys_of_an_account_that_is_gone_are_not_there_when_it_comes_again(
    make_book, database, tried
):
    book = make_book(Machines())
    assert await book.add("ada", read_public_key(LINE))
    assert await book.forget_stale({"bob"}) == {"ada"}
    assert await make_book(Machines()).of("ada") == []
    assert database.ssh_keys.all() == []
    tried(1)


async def test_keys_stay_while_somebody_edits_the_passwords(make_book, paths):
    book = make_book(Machines())
    assert await book.add("ada", read_public_key(LINE))
    paths.accounts.write_text("[passwords]\nada = 5\n")
    assert await book.forget_stale(PASSWORDS) == frozenset()
    assert len(await book.of("ada")) == 1
    after_a_restart = make_book(Machines())
    assert await after_a_restart.forget_stale(PASSWORDS) == frozenset()
    assert await after_a_restart.of("ada") == [], "nobody knows whether it counts"
    set_passwords(paths)
    assert len(await after_a_restart.of("ada")) == 1


async def test_a_key_that_counts_no_more_takes_no_place(make_book, paths):
    book = make_book(Machines())
    for _ in range(MAX_KEYS):
        assert await book.add("ada", fresh_key())
    set_passwords(paths, ada="another-one-471")
    assert await book.add("ada", read_public_key(LINE))
    assert [key.line for key in await book.of("ada")] == [LINE]


async def test_what_the_page_is_told_of_a_key(make_book):
    book = make_book(Machines())
    await book.add("ada", read_public_key(LINE))
    (key,) = await book.of("ada")
    told = key_model(key)
    assert (told["type"], told["comment"], told["used"]) == ("ssh-ed25519", "me@home", None)
    assert told["fingerprint"] == key.fingerprint
    assert find_fingerprint(told["id"]) == key.fingerprint
    assert key.mark not in str(told)


@pytest.mark.parametrize("fingerprint", [f"SHA256:{'+/' * 21}a", f"SHA256:{'A' * 43}"])
def test_a_key_has_a_name_that_every_path_keeps(fingerprint):
    assert re.fullmatch("[A-Za-z0-9_-]{43}", key_id(fingerprint))
    assert find_fingerprint(key_id(fingerprint)) == fingerprint
