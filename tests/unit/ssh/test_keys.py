"""Registering keys, and telling machines."""

from __future__ import annotations

import re

import pytest

from fakes.looked_at import LookedAt
from vmlab.database import Database
from vmlab.errors import GuestError
from vmlab.groups.rules import GroupRules
from vmlab.lab.machines import NodeChoice
from vmlab.model import MachineState, MachineStatus
from vmlab.names import machine_name, node_name
from vmlab.ssh.keys import MAX_KEYS, KeyBook
from vmlab.ssh.public_keys import read_public_key
from vmlab.web.api.ssh_keys import find_fingerprint, key_id, key_model

LINE = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me@home"


class OneMachine(LookedAt):
    """A provider with a machine that takes keys."""

    def __init__(self, state=MachineState.RUNNING) -> None:
        self.state = state
        self.taken: list[tuple[str, tuple[str, ...]]] = []
        self.error: Exception | None = None

    async def status(self, names=None):
        return {name: MachineStatus(name, self.state) for name in names or ()}

    async def set_keys(self, name, keys):
        if self.error:
            raise self.error
        self.taken.append((name, keys))


@pytest.fixture
def database(tmp_path):
    found = Database(f"sqlite:///{tmp_path / 'db.sqlite'}")
    yield found
    found.close()


async def test_a_running_machine_is_told_at_once(database):
    provider = OneMachine()
    book, key = KeyBook(database, provider, GroupRules()), read_public_key(LINE)
    assert await book.add("ada", key)
    assert await book.add("ada", key), "again: nothing changes"
    assert [each.line for each in await book.of("ada")] == [LINE]
    assert provider.taken.pop() == (machine_name("ada"), (LINE,))
    assert await book.remove("ada", key.fingerprint)
    assert provider.taken.pop() == (machine_name("ada"), ())
    assert not await book.remove("ada", key.fingerprint)


async def test_nodes_are_told_as_well(database):
    provider = OneMachine()
    book = KeyBook(database, provider, GroupRules(nodes=(NodeChoice("node1"),)))
    assert await book.add("ada", read_public_key(LINE))
    desk = machine_name("ada")
    assert provider.taken == [(desk, (LINE,)), (node_name(desk, "node1"), (LINE,))]


async def test_one_that_is_off_learns_it_at_its_start(database):
    provider = OneMachine(MachineState.STOPPED)
    assert await KeyBook(database, provider, GroupRules()).add("ada", read_public_key(LINE))
    assert provider.taken == []


async def test_one_that_cannot_be_told_does_not_lose_the_key(database):
    provider = OneMachine()
    provider.error = GuestError("desk", "no answer")
    book = KeyBook(database, provider, GroupRules())
    assert await book.add("ada", read_public_key(LINE))
    assert len(await book.of("ada")) == 1


async def test_there_are_ten_at_most_for_each(database):
    import asyncssh

    book = KeyBook(database, OneMachine(), GroupRules())
    for _ in range(MAX_KEYS):
        line = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
        assert await book.add("ada", read_public_key(line))
    assert not await book.add("ada", read_public_key(LINE))
    assert await book.add("bob", read_public_key(LINE))
    assert len(await book.of()) == MAX_KEYS + 1


async def test_what_the_page_is_told_of_a_key(database):
    book = KeyBook(database, OneMachine(), GroupRules())
    await book.add("ada", read_public_key(LINE))
    (key,) = await book.of("ada")
    told = key_model(key)
    assert (told["type"], told["comment"], told["used"]) == ("ssh-ed25519", "me@home", None)
    assert told["fingerprint"] == key.fingerprint
    assert find_fingerprint(told["id"]) == key.fingerprint


@pytest.mark.parametrize("fingerprint", [f"SHA256:{'+/' * 21}a", f"SHA256:{'A' * 43}"])
def test_a_key_has_a_name_that_every_path_keeps(fingerprint):
    assert re.fullmatch("[A-Za-z0-9_-]{43}", key_id(fingerprint))
    assert find_fingerprint(key_id(fingerprint)) == fingerprint
