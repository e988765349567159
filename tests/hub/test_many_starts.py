"""Many starts and stops through a real hub leave nothing behind. The fake provider."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from contextlib import closing

import aiohttp
import psutil
import pytest

from hub.running_hub import RunningHub

SEATS = 50
ROUNDS = [3, pytest.param(20, marks=pytest.mark.long)]  # of all seats: a thousand starts
CLOSED_S = 30.0
TRAINEES = tuple(f"t{number:02d}" for number in range(SEATS))

CONFIG = """
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 120}  # answers when it is done
c.JupyterHub.load_roles[-1]["scopes"].append("proxy")
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    with RunningHub(
        folder, trainees=TRAINEES, extra_config=CONFIG, provider_lines="start_slots = 8"
    ) as running:
        yield running


async def start_and_stop(session: aiohttp.ClientSession, url: str, rounds: int) -> int:
    done = 0
    for _ in range(rounds):
        async with session.post(url) as answer:
            assert answer.status == 201, await answer.text()
        async with session.delete(url) as answer:
            assert answer.status == 204, await answer.text()
        done += 1
    return done


async def run_class(hub, rounds: int) -> int:
    headers = {"Authorization": f"token {hub.token}"}
    timeout = aiohttp.ClientTimeout(total=None)
    connector = aiohttp.TCPConnector(limit=SEATS)
    async with aiohttp.ClientSession(
        headers=headers, timeout=timeout, connector=connector
    ) as session:
        urls = [f"{hub.api_url}/users/{name}/server" for name in TRAINEES]
        return sum(await asyncio.gather(*(start_and_stop(session, url, rounds) for url in urls)))


def count(hub, table: str, where: str = "1") -> int:
    with closing(sqlite3.connect(hub.folder / "jupyterhub.sqlite")) as connection:
        return connection.execute(f"select count(*) from {table} where {where}").fetchone()[0]


@pytest.mark.timeout(900)
@pytest.mark.parametrize("rounds", ROUNDS)
def test_many_starts_and_stops_leave_nothing_behind(hub, rounds):
    assert asyncio.run(run_class(hub, 1)) == SEATS  # what is loaded once is loaded now
    process = psutil.Process(hub.pid)
    before = process.num_fds()
    assert asyncio.run(run_class(hub, rounds)) == SEATS * rounds
    rows = hub.api("GET", "vmlab/board", token=hub.user_token("admin")).json()["rows"]
    assert {row["state"] for row in rows} == {"stopped"}
    assert len(rows) == SEATS
    routes = hub.api("GET", "proxy").json()
    assert [route for route in routes if "/user/" in route] == []
    assert count(hub, "api_tokens", "scopes like '%access:servers!server=%'") == 0
    assert count(hub, "oauth_clients", "identifier like 'jupyterhub-user-%'") == 0
    assert count(hub, "spawners", "server_id is not null") == 0
    # Connections that were closed on this side only a moment ago are not yet on the hub's.
    deadline = time.monotonic() + CLOSED_S
    while (now := process.num_fds()) > before + 10:
        assert time.monotonic() < deadline, f"{now} descriptors are open, {before} were"
        time.sleep(0.1)
    assert process.children(recursive=True) == [] or all(
        "configurable-http-proxy" in " ".join(child.cmdline())
        for child in process.children(recursive=True)
    )
    assert "reconciling" not in hub.log.read_text(), "the reconciler found something to do"
