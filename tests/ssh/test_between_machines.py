"""From one of a trainee's own machines to another, with OpenSSH at both ends.

The machines are processes without a network: what a connection would carry goes from one to the
other by their sockets. Settings, keys and certificates are those that the agents have written.
"""

from __future__ import annotations

import asyncio
import json
import shlex
from pathlib import Path

import psutil
import pytest

from fakes.waiting import wait_until
from ssh.computer import Computer
from ssh.conftest import SshHub, running_ssh_hub
from vmlab.lab.lab import load_lab
from vmlab.names import machine_name, node_name
from vmlab.providers import make_provider
from vmlab.providers.settings import provider_settings

GROUP = "[[node]]\ncount = 1\n"
QUIET = "-o BatchMode=yes"


@pytest.fixture(scope="module")
def hub(processes):
    """A hub on which ada and bob have two machines each, which run."""
    with running_ssh_hub(processes, lab_lines=GROUP) as running:
        for name in ("ada", "bob"):
            running.start_server(name)
        yield running


@pytest.fixture(scope="module")
def ada(hub, tmp_path_factory) -> Computer:
    computer = Computer(tmp_path_factory.mktemp("ada") / "home", hub, "ada")
    computer.register()
    computer.set_up(port=True)
    return computer


def machine_of(user: str, host: str) -> str:
    desk = machine_name(user)
    return desk if host == "desk" else node_name(desk, host)


def from_desk(ada: Computer, words: str, way_to: str, *, before: str = ""):
    """Have ada's desk, as root, run ssh with these words, on the way to that machine."""
    socket = ada.hub.folder / "processes" / way_to / "ssh.sock"
    way = shlex.quote(f"ProxyCommand=socat - UNIX-CONNECT:{socket}")
    return ada.ssh("root@desk", f"{before}ssh -o {way} {QUIET} {words}")


@pytest.mark.parametrize("host", ["node1", "node1.t01", "desk"])
def test_another_machine_is_reached_without_a_question(ada, host):
    label = host.partition(".")[0]
    done = from_desk(ada, f"{host} 'id -un; cat'", machine_of("ada", label), before="echo hi | ")
    assert done.stdout == b"root\nhi\n", done.stderr.decode()
    assert b"known hosts" not in done.stderr


def test_the_trainee_s_user_has_the_key_too(ada):
    done = ada.ssh("desk", "stat -c %a:%U /run/vmlab/kin/trainee && ssh -G node1")
    assert done.stdout.splitlines()[0] == b"600:trainee", done.stderr.decode()
    settings = done.stdout.decode().splitlines()
    assert f"hostkeyalias {machine_of('ada', 'node1')}" in settings
    assert "identityfile /run/vmlab/kin/%u" in settings
    assert ada.ssh("desk", "cat /run/vmlab/kin/root").returncode != 0


def test_a_node_is_reached_from_outside_as_well(ada):
    assert ada.ssh("node1", "id -un").stdout == b"trainee\n"


@pytest.mark.attack("ssh.kin", "stands where a machine of somebody else is expected")
def test_the_machine_of_another_trainee_is_not_taken_for_one_s_own(ada, tried):
    done = from_desk(ada, "node1 id", machine_of("bob", "node1"))
    assert done.returncode == 255
    assert b"verification failed" in done.stderr
    tried(1)


@pytest.mark.attack("ssh.kin", "logs in at the machine of another trainee, and by a password")
def test_one_s_own_key_opens_no_machine_of_others(ada, tried):
    trusting = "-o StrictHostKeyChecking=no -o HostKeyAlias=x -o UserKnownHostsFile=/dev/null"
    for user in ("root", "trainee"):
        done = from_desk(ada, f"{trusting} {user}@node1 id", machine_of("bob", "node1"))
        assert b"Permission denied (publickey)" in done.stderr, done.stderr.decode()
    words = "-o PubkeyAuthentication=no -o PreferredAuthentications=password,keyboard-interactive"
    done = from_desk(ada, f"{words} node1 id", machine_of("ada", "node1"))
    assert b"Permission denied (publickey)" in done.stderr, "no password is even asked for"
    tried(3)


@pytest.mark.attack("ssh.kin", "looks for keys in logs and command lines of the host")
def test_keys_are_in_no_log_and_no_command_line(hub: SshHub, ada, tried):
    kept = hub.paths.ssh / "kin"
    secrets = [json.loads(path.read_text())["private"] for path in kept.iterdir()]
    assert len(secrets) == 4
    parts = [secret.splitlines()[2] for secret in secrets]
    shown = [hub.log.read_text(), *(path.read_text("utf-8", "replace") for path in _logs(hub))]
    shown += [" ".join(words) for words in _command_lines()]
    assert not [text for text in shown if any(part in text for part in parts)]
    on_disk = [
        path
        for path in (hub.folder / "processes").rglob("*")
        if path.is_file()
        and "/root/run/" not in str(path)  # memory, in a machine
        and any(part.encode() in path.read_bytes() for part in parts)
    ]
    assert on_disk == []
    tried(len(shown))


def _command_lines() -> list[list[str]]:
    return [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]


def _logs(hub: SshHub) -> list[Path]:
    return [*hub.folder.glob("*.log"), *(hub.folder / "processes").rglob("*.log")]


def renew(hub: SshHub, user: str, label: str) -> None:
    """Put a node aside, as the operator does, and have its trainee start a new one."""
    settings = provider_settings(load_lab(hub.folder / "lab.toml"), hub.paths)
    assert asyncio.run(make_provider(settings).set_aside(machine_of(user, label)))
    token, path = hub.user_token(user), f"vmlab/machines/{user}"
    assert hub.api("POST", f"{path}/{label}/restart", token=token).status_code == 202

    def is_on() -> bool:
        told = hub.api("GET", path, token=token).json()["machines"]
        return [row["state"] for row in told if row["label"] == label] == ["running"]

    wait_until(is_on)


@pytest.mark.attack("ssh.kin", "goes on with the key of a machine that was replaced, in a machine")
def test_a_new_machine_is_recognized_and_the_key_of_the_old_one_opens_nothing(hub, ada, tried):
    node = machine_of("ada", "node1")
    socket = hub.folder / "processes" / machine_of("ada", "desk") / "ssh.sock"
    old = json.loads((hub.paths.ssh / "kin" / node).read_text())["private"]
    renew(hub, "ada", "node1")
    done = from_desk(ada, "node1 id -un", node)
    assert done.stdout == b"root\n", "the desk was never restarted"
    stolen = ada.home / "stolen"
    stolen.write_text(old)
    stolen.chmod(0o600)
    words = ("-F", "none", "-i", str(stolen), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
             "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
             "-o", f"ProxyCommand=socat - UNIX-CONNECT:{socket}")  # fmt: skip
    assert b"Permission denied" in ada.run("ssh", *words, "root@desk", "id").stderr
    assert ada.ssh("node1", "id -un").stdout == b"trainee\n", "nothing was pasted again"
    tried(1)
