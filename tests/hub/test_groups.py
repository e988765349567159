"""Groups in a real hub: started and stopped as one, restarted one by one, and what is told."""

from __future__ import annotations

import json
from functools import partial
from urllib.parse import quote

import pytest

from fakes.waiting import wait_until
from hub.running_hub import RunningHub

LAB = """
[machine]
after = ["node"]
[[node]]
count = 2
after = ["server"]
ready = { port = 9000, within = 1 }
[server]
"""

# Nothing of the hub's own shows single machines to tests: pages have their own tests.
LOOK = """
from jupyterhub.app import JupyterHub
from tornado import web
from vmlab.errors import LabError
from vmlab.providers import make_provider
from vmlab.providers.settings import provider_settings

c.VMSpawner.poll_interval = 1
machines = make_provider(provider_settings(load_lab(folder / "lab.toml"), Paths(folder, folder)))


class Look(web.RequestHandler):
    async def get(self):
        states = await machines.status()
        self.write({name: [str(s.state), s.since] for name, s in states.items()})


class Restart(web.RequestHandler):
    async def get(self, user, label):
        spawner = JupyterHub.instance().users[user].spawners[""]
        try:
            spawner.begin_restart(label, renew=bool(self.get_argument("renew", "")))
        except LabError as error:
            self.set_status(409)
            self.write(str(error))


class Stop(web.RequestHandler):
    async def get(self, name):
        await machines.stop(name, now=True)


c.JupyterHub.extra_handlers.extend([
    ("/test/look", Look), ("/test/restart/([^/]+)/([^/]+)", Restart), ("/test/stop/(.+)", Stop),
])
"""
NOT_READY = {"ss -Hltn 'sport = :9000' | grep -q .": {"status": 1, "output": "no"}}


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hub")
    with RunningHub(
        folder,
        trainees=tuple("abcdef"),
        extra_config=LOOK,
        lab_lines=LAB,
        provider_lines="orphan_grace = 0.02",
    ) as running:
        yield running


@pytest.fixture(autouse=True)
def no_faults(hub):
    yield
    hub.set_faults()


def look(hub: RunningHub, user: str) -> dict[str, list]:
    """State and time of each machine of a trainee, and of the server, by the word before -."""
    answer = hub.api("GET", "../test/look").json()
    return {
        name.partition("-")[0]: found
        for name, found in answer.items()
        if f"-{user}-" in name or name.startswith("server-")
    }


def states(hub: RunningHub, user: str) -> dict[str, str]:
    return {label: state for label, (state, _) in look(hub, user).items()}


ON = {"desk": "running", "node1": "running", "node2": "running", "server": "running"}


def watch(hub: RunningHub, user: str) -> list[dict]:
    """Return the events of a start, from its beginning to its end."""
    hub.api("POST", f"users/{quote(user)}/server").raise_for_status()
    answer = hub.api("GET", f"users/{quote(user)}/server/progress", stream=True)
    answer.raise_for_status()
    lines = answer.iter_lines()
    return [json.loads(line[5:]) for line in lines if line.startswith(b"data:")]


def is_newer(hub: RunningHub, user: str, label: str, before: dict[str, list]) -> bool:
    return bool(look(hub, user)[label][1] > before[label][1])


def test_a_group_starts_as_one_with_one_bar(hub):
    hub.set_faults(delays_s={"boot": 0.3})
    *events, last = watch(hub, "a")
    assert last["ready"] is True
    assert states(hub, "a") == ON
    percents = [event["progress"] for event in events]
    assert percents == sorted(percents)
    steps = events[-1]["machines"]
    assert [step["name"] for step in steps] == ["desk", "node1", "node2", "server"]
    assert {step["state"] for step in steps} == {"ready"}
    told = "".join(event.get("html_message", "") for event in events)  # the first is the hub's own
    assert "node1\u202f: Démarrage de son système" in told
    hub.stop_server("a")
    left = states(hub, "a")
    assert {left[label] for label in ("desk", "node1", "node2")} == {"stopped"}


def test_a_node_that_never_gets_ready_is_told_and_nothing_is_left(hub):
    hub.set_faults(runs=NOT_READY)
    *_, last = watch(hub, "b")
    assert last["failed"] is True
    assert "node1 was not ready in time" in last["message"] or "node2 was not" in last["message"]
    assert "Aucune n'a été laissée en marche" in last["html_message"].replace("&#x27;", "'")
    wait_until(lambda: not hub.server("b"))
    wait_until(lambda: "running" not in {s for k, s in states(hub, "b").items() if k != "server"})


def test_one_that_fails_takes_the_others_with_it(hub):
    hub.set_faults(fail_at="mounts", only="node2-", delays_s={"boot": 0.2})
    *_, last = watch(hub, "c")
    assert last["failed"] is True
    wait_until(lambda: not hub.server("c"))
    wait_until(lambda: set(states(hub, "c").values()) <= {"stopped", "absent", "running"})
    wait_until(lambda: "running" not in {s for k, s in states(hub, "c").items() if k != "server"})


def test_a_start_that_waits_for_the_server_is_stopped_and_the_server_goes_on(hub):
    """Nothing of the trainee's own has begun then."""
    server = next((n for n in hub.api("GET", "../test/look").json() if "server-" in n), "")
    assert hub.api("GET", f"../test/stop/{server}").ok
    hub.set_faults(delays_s={"boot": 3.0})
    hub.api("POST", "users/f/server").raise_for_status()
    wait_until(lambda: states(hub, "f").get("server") == "starting")
    hub.stop_server("f")
    wait_until(lambda: states(hub, "f")["server"] == "running")
    assert "running" not in {s for label, s in states(hub, "f").items() if label != "server"}


def test_machines_are_restarted_one_by_one(hub):
    hub.start_server("d")
    before = look(hub, "d")
    for label in ("node1", "desk"):
        assert hub.api("GET", f"../test/restart/d/{label}").ok
        wait_until(partial(is_newer, hub, "d", label, before))
        wait_until(lambda: states(hub, "d") == ON)
    after = look(hub, "d")
    assert after["node2"] == before["node2"]
    assert hub.server("d")["ready"], "never given up"
    refused = hub.api("GET", "../test/restart/d/server")
    assert (refused.status_code, "no machine of this name" in refused.text) == (409, True)
    hub.stop_server("d")


def test_a_node_that_reboots_comes_back_and_one_switched_off_does_not(hub):
    hub.start_server("e")
    before = look(hub, "e")
    node = next(name for name in hub.api("GET", "../test/look").json() if "node1-e-" in name)
    hub.set_faults(ends={node: "reboot"})
    wait_until(lambda: look(hub, "e")["node1"][1] > before["node1"][1])
    wait_until(lambda: states(hub, "e") == ON)
    hub.set_faults(ends={node: "poweroff"})
    wait_until(lambda: states(hub, "e")["node1"] == "stopped")
    assert states(hub, "e") == ON | {"node1": "stopped"}
    assert hub.api("GET", "../test/restart/e/node1").ok
    wait_until(lambda: states(hub, "e") == ON)


def test_a_server_that_ended_is_started_again_and_goes_when_nobody_is_left(hub):
    if not hub.server("e"):
        hub.start_server("e")
    server = next(name for name in hub.api("GET", "../test/look").json() if "server-" in name)
    since = look(hub, "e")["server"][1]
    assert hub.api("GET", f"../test/stop/{server}").ok
    wait_until(lambda: look(hub, "e")["server"][0] == "running")
    assert look(hub, "e")["server"][1] > since
    for user in "abcdef":
        if hub.server(user):
            hub.stop_server(user)
    wait_until(lambda: states(hub, "e")["server"] == "stopped")
    assert "nobody has a machine in its event any more" in hub.log.read_text()
