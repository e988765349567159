"""What the hub's programs and machines may take, and from whom. A real hub, fake machines."""

from __future__ import annotations

import json
import socket
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlparse

import psutil
import pytest

from fakes.waiting import wait_until
from hub.running_hub import TRAINEES, RunningHub
from vmlab.hub.descriptors import descriptors_for

_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIPNJtR4x1ElzWJ5PjzKZkYv3mYkVqzWn8aQqQw1Tn0Ab"
_CANARY = "canary-5b07"


@pytest.fixture(scope="module")
def hub(tmp_path_factory):
    patch = pytest.MonkeyPatch()
    patch.setenv("JUPYTERHUB_CRYPT_KEY_FILE", _CANARY)  # what an operator may export
    with RunningHub(tmp_path_factory.mktemp("hub"), is_forked=False) as running:
        yield running
    patch.undo()


def kept_options(hub: RunningHub) -> list[object]:
    """The options that the hub would use again."""
    with sqlite3.connect(f"file:{hub.folder / 'jupyterhub.sqlite'}?mode=ro", uri=True) as database:
        rows = database.execute("SELECT user_options FROM spawners").fetchall()
    return [json.loads(row[0]) for row in rows if row[0]]


@pytest.mark.attack("shares.starter", "a facilitator starts a machine with a key of their own")
@pytest.mark.parametrize(
    "body",
    [{"user_options": {"ssh_public_key": _KEY}}, {"ssh_public_key": _KEY}],
    ids=["today's form", "JupyterHub's older form"],
)
@pytest.mark.parametrize("who", ["facilitator", "admin", "ada"])
def test_nobody_brings_options_to_a_start(hub, who, body):
    answer = hub.api("POST", "users/ada/server", token=hub.user_token(who), json=body)
    assert answer.status_code == 400
    assert "ssh_public_key" in answer.json()["message"]
    assert "authorized_keys" in answer.json()["message"]
    assert not hub.server("ada")
    assert not any(kept_options(hub))


@pytest.mark.attack("shares.starter", "sets options that the next start would use")
def test_no_options_are_left_for_the_next_start(hub):
    body = {"user_options": {"ssh_public_key": _KEY}}
    for method, path in (("PATCH", "users/ada/server"), ("PUT", "users/ada/servers/x")):
        answer = hub.api(method, path, token=hub.user_token("admin"), json=body)
        assert answer.status_code >= 400, (method, path)
    assert not any(kept_options(hub))


@pytest.mark.attack("shares.starter", "a link with options, which the owner follows")
def test_a_link_brings_no_options_to_a_start(hub):
    session = hub.login("bob")
    answer = session.get(
        f"{hub.base_url}/hub/spawn", params={"opt-ssh_public_key": _KEY, "image": "x"}, timeout=60
    )
    assert answer.status_code == 200
    hub.wait_until_ready("bob")
    assert not any(kept_options(hub))
    hub.stop_server("bob")


def test_a_start_without_options_is_as_ever(hub):
    for body in ({}, {"user_options": None}, {"user_options": {}}):
        answer = hub.api("POST", "users/eve/server", token=hub.user_token("facilitator"), json=body)
        assert answer.ok, answer.text
        hub.wait_until_ready("eve")
        hub.stop_server("eve")


@pytest.mark.attack("shares.environment", "looks for a secret of the operator in the proxy")
def test_the_proxy_gets_its_token_and_nothing_else_of_the_hub(hub, tried):
    assert _CANARY in psutil.Process(hub.pid).environ().values()
    children = psutil.Process(hub.pid).children(recursive=True)
    assert any("configurable-http-proxy" in word for word in children[0].cmdline())
    for child in children:
        environment = Path(f"/proc/{child.pid}/environ").read_bytes()
        assert _CANARY.encode() not in environment
        names = {word.partition(b"=")[0].decode() for word in environment.split(b"\0") if word}
        assert names <= {"CONFIGPROXY_AUTH_TOKEN", "PATH", "LANG", "LC_ALL", "TZ"}
    tried(len(children))


def knock(port: int, connections: int) -> list[socket.socket]:
    """Connections that the kernel has taken and perhaps nobody else."""
    return [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]


@contextmanager
def few_descriptors(process: psutil.Process, spare: int):
    """A process that may open so many files more, and no more."""
    before = process.rlimit(psutil.RLIMIT_NOFILE)
    process.rlimit(psutil.RLIMIT_NOFILE, (process.num_fds() + spare, before[1]))
    try:
        yield
    finally:
        process.rlimit(psutil.RLIMIT_NOFILE, before)


def hub_port(hub: RunningHub) -> int:
    """Where the hub itself listens, behind its proxy."""
    return urlparse(hub.api("GET", "proxy").json()["/"]["target"]).port


@pytest.mark.attack("shares.descriptors", "takes all descriptors of the hub, and waits")
def test_a_hub_without_descriptors_rests_and_comes_back(hub, tried):
    process = psutil.Process(hub.pid)
    port = hub_port(hub)
    hub.log.write_text("")
    with few_descriptors(process, 20):
        held = knock(port, 60)
        wait_until(lambda: "no file descriptor is left" in hub.log.read_text())
        began = process.cpu_times()
        wait_until(lambda: hub.log.read_text().count("no file descriptor is left") >= 4)
        used = process.cpu_times()
        assert used.user + used.system - began.user - began.system < 1, "three seconds' rest"
        assert "Traceback" not in hub.log.read_text()
        for connection in held:
            connection.close()
    assert hub.api("GET", "").ok
    tried(60)


@pytest.mark.attack("shares.descriptors", "takes all descriptors of the proxy, and waits")
def test_a_proxy_without_descriptors_comes_back(hub, tried):
    (process,) = psutil.Process(hub.pid).children()
    with few_descriptors(process, 10):
        held = knock(hub.port, 60)
        # It takes what it can, and closes the others at once instead of leaving them to wait.
        wait_until(lambda: process.num_fds() == process.rlimit(psutil.RLIMIT_NOFILE)[0] - 1)
        assert process.is_running()
        for connection in held:
            connection.close()
    assert hub.api("GET", "").ok
    tried(60)


def test_hub_and_proxy_have_descriptors_for_all_machines_of_the_lab(hub):
    wanted = descriptors_for(len(TRAINEES))
    (proxy,) = psutil.Process(hub.pid).children()
    for process in (psutil.Process(hub.pid), proxy):
        assert process.rlimit(psutil.RLIMIT_NOFILE)[0] >= wanted
