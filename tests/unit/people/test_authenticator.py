"""Logging in: right and wrong passwords, hostile names, limits, and a file edited meanwhile."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tornado import web
from tornado.httputil import HTTPHeaders, HTTPServerRequest, RequestStartLine

from vmlab.people.accounts import ensure_passwords, format_passwords
from vmlab.people.authenticator import LabAuthenticator, LockedError
from vmlab.people.guesses import (
    MAX_FAILURES,
    MAX_FAILURES_OF_A_PLACE,
    MAX_FAILURES_OF_AN_ACCOUNT,
    WINDOW_S,
    FailureLimit,
    find_place,
    make_bounds,
)

SECRET = "s" * 32


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


def from_place(address: str = "10.0.0.1", cookies: str = "") -> web.RequestHandler:
    line = RequestStartLine("POST", "/hub/login", "HTTP/1.1")
    headers = HTTPHeaders({"Host": "hub", "Cookie": cookies})
    connection = Connection(address)
    request = HTTPServerRequest(start_line=line, headers=headers, connection=connection)  # type: ignore[arg-type]
    return web.RequestHandler(web.Application(cookie_secret=SECRET), request)


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
    authenticator: LabAuthenticator,
    name: str,
    password: str,
    place: str = "10.0.0.1",
    cookies: str = "",
) -> str | None:
    handler = from_place(place, cookies)
    return await authenticator.authenticate(handler, {"username": name, "password": password})


async def cookies_of(authenticator: LabAuthenticator, name: str, password: str) -> str:
    """Log in with a fresh browser from somewhere; return the cookies that it has then."""
    handler = from_place("10.0.0.99")
    assert await authenticator.authenticate(handler, {"username": name, "password": password})
    return "; ".join(f"{key}={morsel.value}" for key, morsel in handler._new_cookie.items())


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
    for _ in range(MAX_FAILURES):
        assert await log_in(authenticator, "ada", "wrong") is None
    with pytest.raises(web.HTTPError) as caught:
        await log_in(authenticator, "ada", password["ada"])
    assert caught.value.status_code == 429
    assert await log_in(authenticator, "grace", password["grace"]) == "grace"
    assert await log_in(authenticator, "ada", password["ada"], "10.0.0.2") == "ada"
    clock.now += WINDOW_S + 1
    assert await log_in(authenticator, "ada", password["ada"]) == "ada"


@pytest.mark.attack("log-in.guessing", "guesses many accounts from one place")
async def test_trying_many_names_is_limited_too(
    authenticator: LabAuthenticator, accounts: Path, tried: Callable[[int], None]
) -> None:
    """Whoever never failed there is not locked out by that."""
    password = ensure_passwords(accounts, ["ada", "grace"])
    for number in range(MAX_FAILURES_OF_A_PLACE):
        assert await log_in(authenticator, f"n{number}", "wrong") is None
    assert await log_in(authenticator, "ada", password["ada"]) == "ada"
    assert await log_in(authenticator, "grace", "wrong") is None
    for _ in range(MAX_FAILURES):
        with pytest.raises(LockedError):
            await log_in(authenticator, "grace", password["grace"])
    tried(MAX_FAILURES_OF_A_PLACE + 1 + MAX_FAILURES)


async def test_a_success_forgives(authenticator: LabAuthenticator, accounts: Path) -> None:
    password = ensure_passwords(accounts, ["ada"])["ada"]
    for _ in range(3):
        for _ in range(MAX_FAILURES - 1):
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


async def test_who_is_locked_out_is_told_until_when(
    authenticator: LabAuthenticator, accounts: Path, clock: Clock
) -> None:
    password = ensure_passwords(accounts, ["ada"])["ada"]
    for _ in range(MAX_FAILURES):
        assert await log_in(authenticator, "ada", "wrong") is None
        clock.now += 2
    with pytest.raises(LockedError) as caught:
        await log_in(authenticator, "ada", password)
    assert caught.value.wait_s == WINDOW_S - 2 * MAX_FAILURES
    assert caught.value.headers == {"Retry-After": "50"}
    clock.now += caught.value.wait_s
    assert await log_in(authenticator, "ada", password) == "ada"


@pytest.mark.attack("log-in.parallel", "300 guesses at the same time")
async def test_no_more_guesses_are_compared_than_the_limit(
    authenticator: LabAuthenticator, accounts: Path, tried: Callable[[int], None]
) -> None:
    """Also when all of them have come before the first one is compared."""
    ensure_passwords(accounts, ["ada"])
    guesses = (log_in(authenticator, "ada", f"guess {number}") for number in range(300))
    results = await asyncio.gather(*guesses, return_exceptions=True)
    tried(300)
    assert results.count(None) == MAX_FAILURES
    assert len([each for each in results if isinstance(each, LockedError)]) == 300 - MAX_FAILURES


async def test_a_class_may_log_in_at_the_same_time(
    authenticator: LabAuthenticator, accounts: Path
) -> None:
    passwords = ensure_passwords(accounts, [f"trainee{number}" for number in range(300)])
    together = (log_in(authenticator, name, word) for name, word in passwords.items())
    assert await asyncio.gather(*together) == list(passwords)


@pytest.mark.attack("log-in.guessing", "guesses one account from a hundred addresses")
async def test_an_account_is_not_guessed_from_many_places(
    authenticator: LabAuthenticator, accounts: Path, tried: Callable[[int], None]
) -> None:
    ensure_passwords(accounts, ["ada"])
    compared = 0
    for place in range(100):
        for _ in range(MAX_FAILURES):
            try:
                await log_in(authenticator, "ada", "wrong", f"10.1.0.{place}")
            except LockedError:
                continue
            compared += 1
    tried(500)
    assert compared == MAX_FAILURES_OF_AN_ACCOUNT


@pytest.mark.attack("log-in.guessing", "has an IPv6 address for each guess")
async def test_a_network_of_ipv6_is_one_place(
    authenticator: LabAuthenticator, accounts: Path, tried: Callable[[int], None]
) -> None:
    ensure_passwords(accounts, ["ada"])
    for number in range(MAX_FAILURES):
        assert await log_in(authenticator, "ada", "wrong", f"2001:db8::{number:x}") is None
    for number in range(MAX_FAILURES, 100):
        with pytest.raises(LockedError):
            await log_in(authenticator, "ada", "wrong", f"2001:db8::{number:x}")
    tried(100)


@pytest.mark.attack("log-in.lock-out", "fails for another's account from everywhere, and beside it")
async def test_an_owner_with_a_known_browser_is_not_locked_out(
    authenticator: LabAuthenticator, accounts: Path, tried: Callable[[int], None]
) -> None:
    password = ensure_passwords(accounts, ["ada", "eve"])
    browser = await cookies_of(authenticator, "ada", password["ada"])
    for place in range(20):
        for name in ("ada", *(f"n{number}" for number in range(10))):
            for _ in range(MAX_FAILURES):
                with contextlib.suppress(LockedError):
                    await log_in(authenticator, name, "wrong", f"10.1.0.{place}")
    tried(20 * 11 * MAX_FAILURES)
    with pytest.raises(LockedError):
        await log_in(authenticator, "ada", password["ada"], "10.1.0.1")
    assert await log_in(authenticator, "ada", password["ada"], "10.1.0.1", browser) == "ada"


@pytest.mark.attack("log-in.guessing", "guesses with cookies: of this account, of others, invented")
async def test_a_known_browser_may_not_guess_more(
    authenticator: LabAuthenticator, accounts: Path, tried: Callable[[int], None]
) -> None:
    password = ensure_passwords(accounts, ["ada", "eve"])
    own = await cookies_of(authenticator, "ada", password["ada"])
    others = await cookies_of(authenticator, "eve", password["eve"])
    renamed = others.replace("vmlab-browser-eve", "vmlab-browser-ada")
    for cookies in (own, others, renamed, "vmlab-browser-ada=invented", "vmlab-browser-ada="):
        authenticator.limit = FailureLimit(Clock())
        for _ in range(MAX_FAILURES):
            assert await log_in(authenticator, "ada", "wrong", cookies=cookies) is None
        with pytest.raises(LockedError):
            await log_in(authenticator, "ada", "wrong", cookies=cookies)
        locks_place = authenticator.limit.wait_s(make_bounds("ada", "10.0.0.1")) > 0
        assert locks_place == (cookies != own), "only a genuine one is counted by itself"
    tried(5 * (MAX_FAILURES + 1))


def test_places() -> None:
    assert find_place("10.0.0.1") == "10.0.0.1"
    assert find_place("2001:db8:1:2:3:4:5:6") == find_place("2001:db8:1:2::") == "2001:db8:1:2::/64"
    assert find_place("fe80::1%eth0") == "fe80::/64"
    assert find_place("::ffff:10.0.0.1") == "10.0.0.1", "not all of IPv4 is one place"
    assert find_place("no address") == "no address"


@pytest.mark.attack("log-in.guessing", "pushes failures out by those of invented accounts")
def test_failures_are_kept_for_a_minute_and_no_longer(
    clock: Clock, tried: Callable[[int], None]
) -> None:
    limit = FailureLimit(clock)
    many = [
        make_bounds(f"n{number}", f"10.0.{number // 256}.{number % 256}")
        for number in range(20_000)
    ]
    for bounds in many:
        for _ in range(MAX_FAILURES):
            limit.note(bounds)
    assert limit.wait_s(many[-1]) > 0
    assert limit.wait_s(many[0]) > 0
    clock.now += WINDOW_S + 1
    limit.note(many[0])
    assert len(limit._failures) == len(many[0])
    tried(len(many))


def test_the_limit_is_bounded_in_memory(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vmlab.people.guesses._MAX_KEYS", 10)
    limit = FailureLimit(clock)
    for number in range(20):
        limit.note(make_bounds(f"n{number}", "10.0.0.1"))
    assert len(limit._failures) == 10
