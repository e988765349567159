"""Logging in: right and wrong passwords, hostile names, limits, and a file edited meanwhile."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tornado import web
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from vmlab.accounts import ensure_passwords, format_passwords
from vmlab.authenticator import (
    MOST_FAILURES,
    MOST_FAILURES_OF_A_PLACE,
    WINDOW_S,
    FailureLimit,
    LabAuthenticator,
)


class Connection:
    """The little of a connection that a request needs."""

    def __init__(self, address: str) -> None:
        self.context = self
        self.remote_ip = address
        self.protocol = "http"

    def set_close_callback(self, callback: object) -> None:
        """Nothing closes here."""


class Clock:
    """A clock that stands still until it is told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def from_place(address: str = "10.0.0.1") -> web.RequestHandler:
    line = RequestStartLine("POST", "/login", "HTTP/1.1")
    headers = HTTPHeaders({"Host": "hub"})
    connection = Connection(address)
    request = HTTPServerRequest(start_line=line, headers=headers, connection=connection)  # type: ignore[arg-type]
    return web.RequestHandler(web.Application(), request)


@pytest.fixture
def accounts(tmp_path: Path) -> Path:
    return tmp_path / "accounts.toml"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def authenticator(accounts: Path, clock: Clock) -> LabAuthenticator:
    authenticator = LabAuthenticator(accounts_file=str(accounts))
    authenticator.limit = FailureLimit(clock)
    return authenticator


async def log_in(
    authenticator: LabAuthenticator, name: str, password: str, place: str = "10.0.0.1"
) -> str | None:
    return await authenticator.authenticate(
        from_place(place), {"username": name, "password": password}
    )


async def test_the_right_password(authenticator: LabAuthenticator, accounts: Path) -> None:
    password = ensure_passwords(accounts, ["ada", "grace"])["ada"]
    assert await log_in(authenticator, " Ada ", password) == "ada"
    assert await log_in(authenticator, "grace", password) is None


@pytest.mark.parametrize(
    "name", ["", "../ada", "ada lovelace", "ä" * 200, "x" * 10_000, "ada\0", "\ud800", "nobody"]
)
@pytest.mark.parametrize("password", ["", "x", "\ud800", "y" * 100_000])
async def test_anything_else_is_refused(
    authenticator: LabAuthenticator, accounts: Path, name: str, password: str
) -> None:
    ensure_passwords(accounts, ["ada"])
    assert await log_in(authenticator, name, password) is None


async def test_guessing_is_limited_per_account_and_place(
    authenticator: LabAuthenticator, accounts: Path, clock: Clock
) -> None:
    password = ensure_passwords(accounts, ["ada", "grace"])
    for _ in range(MOST_FAILURES):
        assert await log_in(authenticator, "ada", "wrong") is None
    with pytest.raises(web.HTTPError) as caught:
        await log_in(authenticator, "ada", password["ada"])
    assert caught.value.status_code == 429
    assert await log_in(authenticator, "grace", password["grace"]) == "grace"
    assert await log_in(authenticator, "ada", password["ada"], "10.0.0.2") == "ada"
    clock.now += WINDOW_S + 1
    assert await log_in(authenticator, "ada", password["ada"]) == "ada"


async def test_trying_many_names_is_limited_too(
    authenticator: LabAuthenticator, accounts: Path
) -> None:
    ensure_passwords(accounts, ["ada"])
    for number in range(MOST_FAILURES_OF_A_PLACE):
        assert await log_in(authenticator, f"n{number}", "wrong") is None
    with pytest.raises(web.HTTPError):
        await log_in(authenticator, "another", "wrong")


async def test_a_success_forgives(authenticator: LabAuthenticator, accounts: Path) -> None:
    password = ensure_passwords(accounts, ["ada"])["ada"]
    for _ in range(3):
        for _ in range(MOST_FAILURES - 1):
            assert await log_in(authenticator, "ada", "wrong") is None
        assert await log_in(authenticator, "ada", password) == "ada"


async def test_an_edited_file_is_followed(authenticator: LabAuthenticator, accounts: Path) -> None:
    password = ensure_passwords(accounts, ["ada"])["ada"]
    assert await log_in(authenticator, "ada", password) == "ada"
    accounts.write_text(format_passwords({"ada": "a-new-password"}))
    os.utime(accounts, ns=(0, 0))
    assert await log_in(authenticator, "ada", password) is None
    assert await log_in(authenticator, "ada", "a-new-password") == "ada"
    accounts.write_text("[passwords\n")
    assert await log_in(authenticator, "ada", "a-new-password") == "ada"


async def test_without_a_readable_file_nobody_gets_in(authenticator: LabAuthenticator) -> None:
    with pytest.raises(web.HTTPError) as caught:
        await log_in(authenticator, "ada", "")
    assert caught.value.status_code == 503


def test_the_limit_is_bounded_in_memory(clock: Clock) -> None:
    limit = FailureLimit(clock)
    for number in range(20_000):
        limit.note(f"n{number}")
    assert limit.count("n19999") == 1
    assert limit.count("n0") == 0
