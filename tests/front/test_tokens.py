"""Somebody who makes tokens without end at a real hub, and who still gets to their machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from jupyterhub import orm

from front.conftest import MAX_TOKENS
from hub.running_hub import RunningHub

LIMIT_S = 60


def count(hub: RunningHub, user: str) -> Counter[str]:
    """Count a user's tokens by the client whose logins made them."""
    with hub.database() as db:
        return Counter(token.client_id for token in orm.User.find(db, user).api_tokens)


@pytest.mark.attack("log.tokens", "makes tokens at a real hub, with long notes")
def test_tokens_come_to_an_end(hub: RunningHub, tried: Callable[[int], None]) -> None:
    token = hub.user_token("gil")
    body = {"note": "x" * 10_000}

    def make(_: int) -> int:
        return hub.api("POST", "users/gil/tokens", token=token, json=body).status_code

    with ThreadPoolExecutor(8) as pool:
        answers = Counter(pool.map(make, range(MAX_TOKENS + 20)))
    tried(MAX_TOKENS + 20)
    # The one by which they are made is among them, although its note says "Server at".
    assert answers == {201: MAX_TOKENS - 1, 409: 21}
    told = hub.api("POST", "users/gil/tokens", token=token, json=body).json()["message"]
    assert f"created {MAX_TOKENS} tokens" in told
    assert "revoke" in told
    assert "révoquez" in told
    assert hub.api("GET", "user", token=token).ok, "the others go on"
    assert hub.user_token("hal"), "and so does everybody else"
    model = hub.api("GET", "users/gil/tokens", token=token).json()["api_tokens"][-1]
    assert hub.api("DELETE", f"users/gil/tokens/{model['id']}", token=token).ok
    assert make(0) == 201, "there is room again"


def log_in_to_machine(hub: RunningHub, browser: requests.Session, user: str) -> int:
    """Do what a browser and the machine's server do when somebody opens the machine."""
    client = {"client_id": f"jupyterhub-user-{user}"}
    callback = f"{hub.server_env(user)['JUPYTERHUB_OAUTH_CALLBACK_URL']}"
    asked = {**client, "redirect_uri": callback, "response_type": "code", "state": "s"}
    sent = browser.get(
        f"{hub.base_url}/hub/api/oauth2/authorize",
        params=asked,
        allow_redirects=False,
        timeout=LIMIT_S,
    )
    [code] = parse_qs(urlsplit(sent.headers["Location"]).query)["code"]
    given = {"client_secret": hub.server_token(user), "grant_type": "authorization_code"}
    return requests.post(
        f"{hub.base_url}/hub/api/oauth2/token",
        data={**client, **given, "code": code, "redirect_uri": callback},
        timeout=LIMIT_S,
    ).status_code


@pytest.mark.attack("log.tokens", "opens their machine without end at a real hub")
def test_logins_to_a_machine_go_on(hub: RunningHub, tried: Callable[[int], None]) -> None:
    """As a start does, which needs a token as well."""
    token = hub.user_token("hal")
    body = {"note": "mine"}
    while hub.api("POST", "users/hal/tokens", token=token, json=body).ok:
        pass
    hub.start_server("hal")
    browser = hub.login("hal")
    answers = Counter(log_in_to_machine(hub, browser, "hal") for _ in range(MAX_TOKENS + 2))
    tried(MAX_TOKENS + 2)
    assert answers == {200: MAX_TOKENS + 2}
    counted = count(hub, "hal")
    assert counted["jupyterhub-user-hal"] == MAX_TOKENS
    hub.stop_server("hal")
