"""Who may log in, and whether that still holds."""

from __future__ import annotations

import asyncio
from typing import ClassVar

import pytest

from vmlab.database import Database, SshKey
from vmlab.hub.answers import HubAbsentError, HubRefusedError
from vmlab.paths import Paths
from vmlab.people.accounts import format_passwords
from vmlab.people.guesses import MAX_FAILURES, FailureLimit
from vmlab.ssh import logins as module
from vmlab.ssh.logins import Logins, opens_machines
from vmlab.ssh.marks import PasswordMarks

HERE = "192.0.2.1"
GOOD = ["access:servers!user=ada", "read:users:name!user=ada"]


class FakeHub:
    """Answers `GET user` by the token (as `vmlab.hub.client.HubClient`)."""

    tokens: ClassVar[dict[str, dict]] = {}
    asked = 0
    is_up = True

    def __init__(self, access, *, limit_s) -> None:
        self._access = access

    async def call(self, method, path):
        assert (method, path) == ("GET", "user")
        FakeHub.asked += 1
        await asyncio.sleep(0)
        if not FakeHub.is_up:
            raise HubAbsentError(self._access, "gone")
        if self._access.token not in FakeHub.tokens:
            raise HubRefusedError(self._access, "GET user", 403, "")
        return FakeHub.tokens[self._access.token]


def says(name: str, scopes: list, kind: str = "user") -> dict:
    return {"kind": kind, "name": name, "scopes": scopes}


@pytest.fixture
def passwords(tmp_path):
    path = tmp_path / "accounts.toml"
    everybody = {"ada": "rivo-dasu-pena-47", "bob": "rivo-dasu-pena-48", "gone": "rivo-dasu-49"}
    path.write_text(format_passwords(everybody))
    return path


@pytest.fixture
def logins(tmp_path, passwords, monkeypatch):
    monkeypatch.setattr(module, "HubClient", FakeHub)
    FakeHub.tokens, FakeHub.asked, FakeHub.is_up = {"right": says("ada", GOOD)}, 0, True
    database = Database(f"sqlite:///{tmp_path / 'db.sqlite'}")
    marks = PasswordMarks(Paths(tmp_path, tmp_path))
    for user, name in (("ada", "a"), ("gone", "g")):
        key = SshKey(user, f"SHA256:{name}", "ssh-ed25519 AAAA", 1.0, mark=marks.of(user))
        database.ssh_keys.add(key, 10)
    database.ssh_keys.add(SshKey("bob", "SHA256:before", "ssh-ed25519 AAAA", 1.0, mark="other"), 10)
    found = Logins("http://hub", database, frozenset({"ada", "bob"}), marks, FailureLimit())
    found.keys = database.ssh_keys  # type: ignore[attr-defined]
    yield found
    database.close()


@pytest.mark.parametrize(
    ("scopes", "opens"),
    [
        (["access:servers"], True),
        (["access:servers!user=ada"], True),
        (["access:servers!user=bob"], False),
        (["access:servers!server=ada/"], False),
        (["access:servers!group=trainees"], False),
        (["read:servers", "self"], False),
        ([None, 1, {}], False),
    ],
)
def test_a_token_opens_all_of_an_account_s_servers_or_nothing(scopes, opens):
    assert opens_machines("ada", scopes) is opens


@pytest.mark.attack("ssh.log-in", "comes with the token of somebody else")
async def test_a_token_is_its_owner_s_only(logins, tried):
    tried(2)
    login = await logins.by_token("ada", "right", HERE)
    assert login.user == "ada"
    assert "right" not in repr(login)
    assert await logins.by_token("bob", "right", HERE) is None
    assert await logins.by_token("nobody", "right", HERE) is None


@pytest.mark.parametrize(
    "answer",
    [
        says("ada", GOOD, kind="service"),
        says("bob", ["access:servers"]),
        says("ada", ["access:servers!server=ada/"]),
        {"kind": "user", "name": "ada"},
        {"kind": "user", "name": "ada", "scopes": "access:servers"},
        {},
    ],
)
async def test_other_answers_of_the_hub_let_nobody_in(logins, answer):
    FakeHub.tokens = {"odd": answer}
    assert await logins.by_token("ada", "odd", HERE) is None


@pytest.mark.parametrize("token", ["", "a b", "é", "x\r\nHost: y", "x" * 300])
async def test_what_cannot_be_a_token_does_not_come_to_the_hub(logins, token):
    assert await logins.by_token("ada", token, HERE) is None
    assert FakeHub.asked == 0


@pytest.mark.attack("ssh.guessing", "guesses many tokens at the same time")
async def test_guesses_at_once_are_counted_one_after_the_other(logins, tried):
    guesses = [logins.by_token("ada", f"wrong{n}", HERE) for n in range(40)]
    assert await asyncio.gather(*guesses) == [None] * 40
    assert FakeHub.asked == MAX_FAILURES, "beyond, none is compared"
    assert await logins.by_token("ada", "right", HERE) is None
    assert await logins.by_token("ada", "right", "198.51.100.1"), "elsewhere she comes in"
    tried(40)


async def test_a_hub_that_does_not_answer_is_not_a_wrong_guess(logins):
    FakeHub.is_up = False
    for _ in range(2 * MAX_FAILURES):
        with pytest.raises(HubAbsentError):
            await logins.by_token("ada", "right", HERE)
    FakeHub.is_up = True
    assert await logins.by_token("ada", "right", HERE)


@pytest.mark.attack("ssh.log-in", "comes with the key of somebody else, or of an account of before")
async def test_a_key_is_its_owner_s_only(logins, tried):
    tried(4)
    assert (await logins.by_key("ada", "SHA256:a")).fingerprint == "SHA256:a"
    assert await logins.by_key("bob", "SHA256:a") is None
    assert await logins.by_key("ada", "SHA256:b") is None
    assert await logins.by_key("gone", "SHA256:g") is None, "no account any more"
    assert await logins.by_key("bob", "SHA256:before") is None, "from before another password"


async def test_logins_hold_until_what_let_them_in_is_gone(logins, passwords):
    by_key = await logins.by_key("ada", "SHA256:a")
    by_token = await logins.by_token("ada", "right", HERE)
    assert await logins.holds(by_key)
    assert await logins.holds(by_token)
    await logins.note_use(by_key)
    assert logins.keys.of("ada")[0].used
    FakeHub.tokens = {}
    assert not await logins.holds(by_token)
    logins.keys.remove("ada", "SHA256:a")
    assert not await logins.holds(by_key)


async def test_a_changed_password_ends_all_logins(logins, passwords):
    login = await logins.by_key("ada", "SHA256:a")
    text = passwords.read_text()
    passwords.write_text(text.replace("pena-48", "pena-4949"))
    assert await logins.holds(login), "it was bob's"
    passwords.write_text("[passwords]\nada = 5\n")
    assert await logins.holds(login), "somebody is editing the file"
    passwords.write_text(text.replace("pena-47", "pena-99999"))
    assert not await logins.holds(login)
    assert await logins.by_key("ada", "SHA256:a") is None, "and the key opens nothing any more"
    assert "rivo" not in repr(logins.keys.all())
