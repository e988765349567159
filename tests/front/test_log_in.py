"""Guessing passwords at a real hub, through its real proxy and through a machine's listener."""

from __future__ import annotations

import http.client
import re
import socket
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from urllib.parse import urlencode

import pytest
import requests

from fakes.waiting import wait_until
from front.conftest import FRONT
from hub.running_hub import RunningHub
from vmlab.people.guesses import MAX_FAILURES, MAX_FAILURES_OF_AN_ACCOUNT, WINDOW_S

WRONG, LOCKED = 403, 429


class ListenerConnection(http.client.HTTPConnection):
    """HTTP through a unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("hub", timeout=60)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(60)
        self.sock.connect(self._path)


class Visitor:
    """A browser somewhere, with the log-in form that it fetched there."""

    def __init__(
        self,
        hub: RunningHub,
        headers: dict[str, str] | None = None,
        *,
        source: str = "127.0.0.1",
        listener: str = "",
    ) -> None:
        self._hub, self._source, self._listener = hub, source, listener
        self._headers = {"Host": hub.base_url.partition("//")[2], **(headers or {})}
        answer, _ = self._ask("GET")
        self._headers["Cookie"] = answer.headers["Set-Cookie"].partition(";")[0]
        self._xsrf = self._headers["Cookie"].partition("=")[2]

    def submit(
        self, name: str, password: str, headers: dict[str, str] | None = None
    ) -> tuple[http.client.HTTPResponse, str]:
        """Send the form once; return the answer and its page."""
        form = {"username": name, "password": password, "_xsrf": self._xsrf}
        kind = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._ask("POST", urlencode(form), kind | (headers or {}))

    def status(self, name: str, password: str, headers: dict[str, str] | None = None) -> int:
        return self.submit(name, password, headers)[0].status

    def _ask(
        self, method: str, body: str | None = None, headers: dict[str, str] | None = None
    ) -> tuple[http.client.HTTPResponse, str]:
        connection = (
            ListenerConnection(self._listener)
            if self._listener
            else http.client.HTTPConnection(
                "127.0.0.1", self._hub.port, timeout=60, source_address=(self._source, 0)
            )
        )
        with closing(connection):
            connection.request(method, "/hub/login", body, self._headers | (headers or {}))
            answer = connection.getresponse()
            return answer, answer.read().decode()


def check(answers: Counter[int], total: int, most: int, began: float) -> None:
    """All guesses were answered, and no more were compared than a window allows."""
    windows = 1 + int((time.monotonic() - began) / WINDOW_S)
    assert most <= answers[WRONG] <= windows * most
    assert answers[LOCKED] == total - answers[WRONG]


@pytest.fixture(scope="module")
def visitor(hub: RunningHub) -> Visitor:
    return Visitor(hub)


@pytest.mark.attack("log-in.guessing", "400 guesses with an invented X-Real-IP each")
def test_invented_addresses_do_not_help(visitor: Visitor, tried: Callable[[int], None]) -> None:
    began = time.monotonic()
    answers: Counter[int] = Counter()
    for number in range(400):
        address = f"203.0.{number // 250}.{number % 250 + 1}"
        headers = {"X-Real-IP": address, "X-Forwarded-For": address}
        answers[visitor.status("eve", f"guess {number}", headers)] += 1
    tried(400)
    check(answers, 400, MAX_FAILURES, began)


@pytest.mark.attack("log-in.parallel", "300 guesses at the same time, at a real hub")
def test_guesses_at_the_same_time_do_not_help(
    visitor: Visitor, tried: Callable[[int], None]
) -> None:
    began = time.monotonic()
    with ThreadPoolExecutor(100) as pool:
        guesses = [pool.submit(visitor.status, "bob", f"guess {n}") for n in range(300)]
        answers = Counter(guess.result() for guess in guesses)
    tried(300)
    check(answers, 300, MAX_FAILURES, began)


@pytest.mark.attack(
    "log-in.lock-out", "hundreds of failures at the same place, before an owner comes"
)
def test_others_are_not_locked_out(
    visitor: Visitor, hub: RunningHub, tried: Callable[[int], None]
) -> None:
    with ThreadPoolExecutor(20) as pool:
        list(pool.map(lambda n: visitor.status(f"n{n % 60}", "wrong"), range(300)))
    tried(300)
    assert visitor.status("ada", hub.password("ada")) == 302


@pytest.mark.attack("log-in.guessing", "guesses one account from many places behind the front")
def test_an_account_is_limited_over_all_places(
    hub: RunningHub, tried: Callable[[int], None]
) -> None:
    def guess(place: int) -> Counter[int]:
        hops = {"X-Forwarded-For": f"10.0.0.1, 198.51.100.{place}"}
        there = Visitor(hub, hops, source=FRONT)
        return Counter(there.status("fay", f"guess {number}") for number in range(10))

    began = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        answers = sum(pool.map(guess, range(1, 21)), Counter())
    tried(200)
    check(answers, 200, MAX_FAILURES_OF_AN_ACCOUNT, began)


@pytest.mark.attack("log-in.place", "guesses from a machine, as if the front sent them")
def test_machines_are_one_place(
    visitor: Visitor, hub: RunningHub, tried: Callable[[int], None]
) -> None:
    wait_until((hub.folder / "doors" / "proxy.sock").exists, 30)
    began = time.monotonic()
    machine = Visitor(hub, listener=str(hub.folder / "doors" / "proxy.sock"))
    answers: Counter[int] = Counter()
    for number in range(20):
        headers = {"X-Forwarded-For": f"198.51.100.{number}, {FRONT}", "X-Real-IP": FRONT}
        answers[machine.status("dan", f"guess {number}", headers)] += 1
    tried(20)
    check(answers, 20, MAX_FAILURES, began)
    assert visitor.status("dan", hub.password("dan")) == 302, "elsewhere nothing is locked"


@pytest.mark.attack("log-in.guessing", "guesses at the API, where a password gets a token")
def test_the_api_counts_too(
    visitor: Visitor, hub: RunningHub, tried: Callable[[int], None]
) -> None:
    """It answers the same to wrong guesses and to refused ones."""
    for number in range(20):
        auth = {"username": "trainer", "password": f"guess {number}"}
        answer = requests.post(
            f"{hub.api_url}/users/trainer/tokens", json={"auth": auth}, timeout=60
        )
        assert answer.status_code == WRONG
    tried(20)
    assert visitor.status("trainer", hub.password("trainer")) == LOCKED


def test_a_locked_page_says_until_when(visitor: Visitor) -> None:
    for _ in range(MAX_FAILURES):
        visitor.submit("facilitator", "wrong")
    answer, page = visitor.submit("facilitator", "wrong")
    assert answer.status == LOCKED
    wait_s = int(answer.headers["Retry-After"])
    assert 0 < wait_s <= 60
    page = re.sub(r"\s+", " ", page)
    assert f'id="vm-locked" data-wait-s="{wait_s}"' in page
    assert f'<span lang="en">in {wait_s} s.</span>' in page
    assert f'<span lang="fr">dans {wait_s} s.</span>' in page
    assert 'name="password"' in page, "the form is there for later"
