"""A hub at an IPv6 address, as a browser and the operator's commands find it."""

from __future__ import annotations

import time
from collections.abc import Generator
from pathlib import Path

import pytest
import requests

from hub.lab_operator import LIMIT_S, PROJECT, Operator
from vmlab.people.guesses import MAX_FAILURES

COURSE = PROJECT / "notebooks" / "first-steps"


@pytest.fixture
def operator(tmp_path: Path) -> Generator[Operator]:
    operator = Operator(tmp_path, address="::1")
    operator.up()
    yield operator
    operator.clean_up()


def wait_for_machine(operator: Operator, session: requests.Session, name: str) -> str:
    """Start a machine as a trainee does; return the address of its page."""
    session.get(f"{operator.url}hub/spawn/{name}", timeout=LIMIT_S).raise_for_status()
    deadline = time.monotonic() + LIMIT_S
    while True:
        answer = session.get(f"{operator.url}user/{name}/", timeout=LIMIT_S)
        if answer.ok and answer.headers["Content-Type"].startswith("application/json"):
            assert answer.json() == {"fake": True}
            return answer.url
        assert time.monotonic() < deadline, (answer.url, answer.status_code)
        time.sleep(0.2)


def test_everybody_finds_a_hub_at_an_ipv6_address(operator: Operator) -> None:
    assert operator.url.startswith("http://[::1]:")
    assert operator.url in operator.run("status").stdout
    doctor = operator.run("doctor").stdout
    assert f"this hub answers at {operator.url}" in doctor
    assert "they open" in doctor, "WebSockets"
    pushed = operator.run("course", "push", str(COURSE))
    assert "published as version 1" in pushed.stdout, pushed.stderr

    session = requests.Session()
    landed = operator.log_in("trainee01", operator.password("trainee01"), session)
    assert landed.url == f"{operator.url}hub/home"
    page = wait_for_machine(operator, session, "trainee01")
    assert page.startswith(f"{operator.url}user/trainee01/")

    statuses = [
        operator.log_in("trainee02", "a-wrong-password").status_code
        for _ in range(MAX_FAILURES + 1)
    ]
    assert statuses == [403] * MAX_FAILURES + [429]
