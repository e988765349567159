"""Somebody who makes tokens without end at a real hub."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from front.conftest import MAX_TOKENS
from hub.running_hub import RunningHub


@pytest.mark.attack("log.tokens", "makes tokens at a real hub, with long notes")
def test_tokens_come_to_an_end(hub: RunningHub, tried: Callable[[int], None]) -> None:
    token = hub.user_token("gil")
    body = {"note": "x" * 10_000}

    def make(_: int) -> int:
        return hub.api("POST", "users/gil/tokens", token=token, json=body).status_code

    with ThreadPoolExecutor(8) as pool:
        answers = Counter(pool.map(make, range(MAX_TOKENS + 20)))
    tried(MAX_TOKENS + 20)
    assert answers == {201: MAX_TOKENS - 1, 500: 21}
    assert hub.api("GET", "user", token=token).ok, "the others go on"
    assert hub.user_token("hal"), "and so does everybody else"
