"""Hub and machines are consistent again after faults: a real hub, the fake provider."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing

import pytest

from fakes.waiting import wait_until
from hub.running_hub import RunningHub
from vmlab.names import machine_name

GRACE = "orphan_grace = 0.1"  # 6 s: time to look before it is over

# A stop that fails leaves a running machine that the hub takes for stopped.
STUCK = """
class StuckSpawner(NotingSpawner):
    async def stop(self, now=False):
        if (folder / "stuck").exists():
            raise RuntimeError("as the test asked for")
        await super().stop(now=now)


c.JupyterHub.spawner_class = StuckSpawner
"""


def machine_state(hub, user: str) -> str:
    rows = hub.api("GET", "vmlab/board", token=hub.kept_token("admin")).json()["rows"]
    return next(row["state"] for row in rows if row["user"] == user)


def server_tokens(hub) -> int:
    """How many tokens of servers the hub's database holds."""
    with closing(sqlite3.connect(hub.folder / "jupyterhub.sqlite")) as connection:
        query = "select count(*) from api_tokens where note like 'Server at %'"
        return connection.execute(query).fetchone()[0]


@pytest.fixture
def hub(tmp_path):
    with RunningHub(tmp_path, extra_config=STUCK, provider_lines=GRACE) as running:
        yield running


def log_lines(hub, words: str) -> list[str]:
    return [line for line in hub.log.read_text().splitlines() if words in line]


def test_a_machine_whose_stop_failed_is_stopped_after_the_grace_time(hub):
    hub.start_server("ada")
    hub.start_server("bob")
    (hub.folder / "stuck").touch()
    hub.api("DELETE", "users/ada/server")
    wait_until(lambda: not hub.server("ada"))
    assert machine_state(hub, "ada") == "running"
    wait_until(lambda: machine_state(hub, "ada") == "stopped")
    (line,) = log_lines(hub, "is stopped:")
    assert machine_name("ada") in line
    assert "the hub has no server of ada" in line
    assert hub.server("bob")["ready"], "a machine with a server was touched"
    assert not [line for line in log_lines(hub, "reconciling") if machine_name("bob") in line]
    (hub.folder / "stuck").unlink()
    hub.start_server("ada")


def test_the_token_of_a_server_that_is_gone_is_revoked_and_no_other(hub):
    hub.start_server("ada")
    hub.start_server("bob")
    lost = hub.server_token("ada")
    own = hub.user_token("ada")  # noted like a server's
    (hub.folder / "stuck").touch()
    hub.api("DELETE", "users/ada/server")
    wait_until(lambda: not hub.server("ada"))
    assert hub.api("GET", "user", token=lost).status_code == 200
    wait_until(lambda: hub.api("GET", "user", token=lost).status_code == 403)
    for token in (own, hub.server_token("bob")):
        assert hub.api("GET", "user", token=token).status_code == 200
    assert log_lines(hub, "is revoked: the server of ada that it was made for is gone")


def test_a_hub_killed_in_a_start_leaves_no_token(hub):
    own = hub.user_token("ada")
    hub.set_faults(hang_at="boot")
    hub.api("POST", "users/ada/server")
    wait_until((hub.folder / f"env-{machine_name('ada')}.json").exists)
    lost = hub.server_token("ada")
    hub.stop(signal.SIGKILL)
    hub.set_faults()
    hub.start()
    wait_until(lambda: hub.api("GET", "user", token=lost).status_code == 403)
    assert server_tokens(hub) == 1
    assert hub.api("GET", "user", token=own).status_code == 200


# The machine ends once the test asks for it, and the hub has forgotten whom to tell.
DEAF = """
class DeafSpawner(NotingSpawner):
    def add_poll_callback(self, *_, **__):
        pass

    async def poll(self):
        if (folder / "end").exists():
            await self.provider.stop(self.machine, now=True)
        return await super().poll()


c.JupyterHub.spawner_class = DeafSpawner
c.NotingSpawner.poll_interval = 1
"""


def test_a_server_whose_end_nobody_was_told_of_is_ended(tmp_path):
    with RunningHub(tmp_path, extra_config=DEAF, provider_lines=GRACE) as hub:
        hub.start_server("ada")
        (hub.folder / "end").touch()
        wait_until(lambda: not hub.server("ada"))
        assert log_lines(hub, "is handed to the hub to end")
        (hub.folder / "end").unlink()
        hub.start_server("ada")
