"""Connections end when what let them in is gone; and what happens when processes end."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from fakes.forks import run_command
from fakes.waiting import wait_until
from ssh.computer import LIMIT_S, Computer
from vmlab.names import machine_name
from vmlab.people.accounts import read_passwords

OWN_KEYS = "root/etc/ssh/own_keys.d/root"


@pytest.fixture
def eve(hub, tmp_path) -> Iterator[Computer]:
    """The computer of eve, whose machine runs, with one key."""
    if not hub.server("eve"):
        hub.start_server("eve")
    computer = Computer(tmp_path / "home", hub, "eve")
    _, key = computer.register()
    computer.set_up(port=True)
    yield computer
    hub.api("DELETE", f"vmlab/ssh/keys/{key}", token=hub.user_token("eve"))


@contextmanager
def session(computer: Computer, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A session that is open."""
    process = computer.begin(*words, "desk", "echo ready; cat")
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n", process.stderr.read()
        yield process
    finally:
        process.kill()
        process.communicate()


def ends(process: subprocess.Popen[bytes]) -> bool:
    process.wait(LIMIT_S)
    return process.returncode == 255


@pytest.mark.attack("ssh.revoked", "goes on with a key that was deleted")
def test_a_deleted_key_ends_connections_and_opens_nothing(hub, eve, tried):
    spare = eve.make_key("spare")
    _, key = eve.register(spare)
    with session(eve, "-i", str(spare)) as process:
        path = f"vmlab/ssh/keys/{key}"
        assert hub.api("DELETE", path, token=hub.user_token("eve")).status_code == 204
        assert ends(process)
    assert hub.api("DELETE", path, token=hub.user_token("eve")).status_code == 404
    only = ("-o", "IdentitiesOnly=yes", "-o", f"IdentityFile={spare}", "-F", "none")
    done = eve.run("ssh", *only, "-o", "StrictHostKeyChecking=no", "-o", "BatchMode=yes",
                   "-o", f"UserKnownHostsFile={eve.home / 'known'}", "-p", str(hub.ssh_port),
                   "-W", "desk:22", "eve@127.0.0.1")  # fmt: skip
    assert b"Permission denied" in done.stderr, "not at the hub"
    own = eve.config.read_text()
    try:
        eve.change_config("User trainee", f"User trainee\n    IdentityFile {spare}")
        eve.change_config(f"    IdentityFile {eve.key}\n", "")
        eve.change_config("Host vmlab-hub\n", f"Host vmlab-hub\n    IdentityFile {eve.key}\n")
        done = eve.ssh("-o", "BatchMode=yes", "desk", "true")
        assert b"Permission denied" in done.stderr, "nor in the machine"
    finally:
        eve.config.write_text(own)
    assert eve.ssh("desk", "true").returncode == 0, "the other one does"
    tried(3)


@pytest.mark.attack("ssh.revoked", "goes on after a log-out at the hub")
def test_logging_out_ends_connections(hub, eve):
    browser = hub.login("eve")
    with session(eve) as process:
        browser.get(f"{hub.base_url}/hub/logout", timeout=LIMIT_S).raise_for_status()
        assert ends(process)
    assert eve.ssh("desk", "true").returncode == 0, "the key is there still"


@pytest.mark.attack("ssh.revoked", "goes on with a token that was revoked")
def test_a_revoked_token_ends_its_connection(hub, eve):
    scopes = ["access:servers!user=eve", "read:users:name!user=eve"]
    made = hub.api("POST", "users/eve/tokens", json={"scopes": scopes}).json()
    words = ["ssh", "-F", str(eve.config), "-o", "PubkeyAuthentication=no", "-W", "desk:22"]
    words.append("vmlab-hub")
    environment = eve.environment(made["token"])
    with subprocess.Popen(words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE) as process:  # fmt: skip
        assert process.stdout.readline().startswith(b"SSH-2.0"), process.stderr.read()
        assert hub.api("DELETE", f"users/eve/tokens/{made['id']}").ok
        process.wait(LIMIT_S)
    assert process.returncode == 255


@pytest.mark.attack("ssh.revoked", "goes on after the password was changed, and comes again")
def test_a_changed_password_ends_connections_and_keys(hub, eve, tried):
    file, keys = hub.paths.accounts, hub.folder / "processes" / machine_name("eve") / OWN_KEYS
    before = file.read_text()
    assert keys.read_text()
    try:
        with session(eve) as process:
            file.write_text(before.replace(read_passwords(file)["eve"], "another-one-47"))
            assert ends(process)
        done = eve.ssh("-o", "BatchMode=yes", "desk", "true")
        assert b"Permission denied" in done.stderr
        answer = hub.api("GET", "vmlab/ssh/keys", token=hub.user_token("eve"))
        assert answer.json() == {"keys": []}
        wait_until(lambda: keys.read_text() == "")
    finally:
        file.write_text(before)
    done = eve.ssh("-o", "BatchMode=yes", "desk", "true")
    assert b"Permission denied" in done.stderr, "not even with the password of before"
    tried(3)


def test_the_operator_lists_and_deletes_keys(hub, eve, monkeypatch):
    environment = os.environ | {
        "VMLAB_STATE": str(hub.folder), "VMLAB_CACHE": str(hub.folder),
        "VMLAB_LAB": str(hub.folder / "lab.toml"), "COLUMNS": "300",
    }  # fmt: skip

    def vmlab(*words: str) -> subprocess.CompletedProcess[str]:
        return run_command(*words, environment=environment)

    spare = eve.make_key("lost")
    fingerprint, _ = eve.register(spare)
    assert fingerprint in vmlab("ssh", "keys", "eve").stdout
    assert fingerprint not in vmlab("ssh", "keys", "bob").stdout
    with session(eve) as process:
        done = vmlab("ssh", "delete", "eve", fingerprint)
        assert "Closed 1 SSH connection." in done.stdout, done.stderr
        assert ends(process)
    assert "has no key" in vmlab("ssh", "delete", "eve", fingerprint).stderr


def service(hub) -> psutil.Process:
    """The jump host's process."""
    for child in psutil.Process(hub.pid).children():
        if "vmlab.ssh.service" in child.cmdline():
            return child
    raise AssertionError("no jump host")


def test_a_jump_host_that_ends_is_started_again(hub, eve):
    process = service(hub)
    process.send_signal(signal.SIGKILL)
    process.wait(LIMIT_S)
    wait_until(lambda: service_pid(hub) not in {0, process.pid})
    hub.wait_for_ssh()
    wait_until(lambda: eve.ssh("desk", "true").returncode == 0)


def service_pid(hub) -> int:
    try:
        return service(hub).pid
    except (AssertionError, psutil.Error):
        return 0


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL])
def test_a_restarted_hub_has_the_same_key_and_one_jump_host(hub, eve, sig):
    old, key = service(hub), (hub.paths.ssh / "host_key").read_bytes()
    with session(eve) as process:
        hub.stop(sig)
        assert ends(process), "the jump host ends with its hub, however that ended"
    old.wait(LIMIT_S)
    hub.start()
    hub.wait_for_ssh()
    assert (hub.paths.ssh / "host_key").read_bytes() == key
    wait_until(lambda: eve.ssh("desk", "id -un").stdout == b"trainee\n")
