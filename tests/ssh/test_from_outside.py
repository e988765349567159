"""What trainees do from their own computers, through the hub's own address and by the port."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import stat

import pytest
import requests

from fakes.waiting import wait_until
from ssh.computer import UNPACKED, Computer
from vmlab.lab.lab import load_lab
from vmlab.names import machine_name
from vmlab.providers import make_provider
from vmlab.providers.settings import provider_settings
from vmlab.system.host import find_free_port


@pytest.fixture(params=["address", "port"])
def computer(request, ada, ada_by_port) -> Computer:
    return ada if request.param == "address" else ada_by_port


def test_a_command_runs_in_ones_own_machine(computer):
    done = computer.ssh("desk", "id -un && echo $SSH_CONNECTION && cat", said=b"to it\n")
    assert done.returncode == 0, done.stderr.decode()
    assert done.stdout.splitlines()[0] == b"trainee"
    assert done.stdout.endswith(b"to it\n")
    assert b"known hosts" not in done.stderr, "nobody has to confirm a key"
    assert computer.ssh("desk", "exit 7").returncode == 7


def test_root_comes_in_with_the_same_key(computer):
    assert computer.ssh("root@desk", "id -u").stdout == b"0\n"


def test_files_go_there_and_back(computer, tmp_path):
    there, back = tmp_path / "there", tmp_path / "back"
    there.write_bytes(os.urandom(20_000_000))
    config = ("-F", str(computer.config), "-q")
    done = computer.run("scp", *config, str(there), "desk:big")
    assert done.returncode == 0, done.stderr.decode()
    assert computer.run("scp", *config, "desk:big", str(back)).returncode == 0
    assert digest(back) == digest(there)


def test_a_folder_is_synchronized(computer, tmp_path):
    folder = tmp_path / "results"
    folder.mkdir()
    (folder / "a").write_text("one")
    (folder / "b").write_text("two")
    rsync = str(UNPACKED / "bin/rsync")
    words = (rsync, "-a", "-e", f"ssh -F {computer.config}", f"--rsync-path={remote(rsync)}")
    done = computer.run(*words, f"{folder}/", "desk:results/")
    assert done.returncode == 0, done.stderr.decode()
    assert computer.ssh("desk", "cat results/a results/b").stdout == b"onetwo"


def remote(rsync: str) -> str:
    """The same rsync, as the machine runs it: it has the host's files."""
    libraries = next(UNPACKED.glob("lib/*-linux-gnu"))
    return f"env LD_LIBRARY_PATH={libraries} {rsync}"


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_port_of_the_machine_opens_at_home(hub, computer):
    machine = hub.folder / "processes" / machine_name("ada") / "process.json"
    far, near = json.loads(machine.read_text())["port"], find_free_port()
    process = computer.begin("-N", "-L", f"127.0.0.1:{near}:127.0.0.1:{far}", "desk")
    try:
        url = f"http://127.0.0.1:{near}/user/ada/"
        answers = []

        def answered() -> bool:
            try:
                answers.append(requests.get(url, timeout=10).json()["machine"])
            except requests.ConnectionError:
                assert process.poll() is None
            return bool(answers)

        wait_until(answered)
        assert answers == [machine_name("ada")]
    finally:
        process.terminate()
        process.communicate()


def test_setting_up_leaves_other_settings_alone(hub, ada):
    main = ada.home / ".ssh/config"
    assert main.read_text().splitlines()[0] == "Include vmlab/config"
    main.write_text("Host other\n    User me\n")
    ada.set_up()
    ada.set_up()
    assert main.read_text() == "Include vmlab/config\n\nHost other\n    User me\n"
    assert stat.S_IMODE((ada.home / ".ssh").stat().st_mode) == 0o700


def test_a_key_that_is_added_later_opens_a_machine_at_work(hub, bob, tmp_path):
    assert bob.ssh("desk", "true").returncode == 0
    newer = Computer(tmp_path / "home", hub, "bob")
    newer.set_up()
    done = newer.ssh("-o", "BatchMode=yes", "desk", "true")
    assert done.returncode != 0
    newer.register()
    done = newer.ssh("desk", "id -un")
    assert done.stdout == b"trainee\n", done.stderr.decode()


def test_a_token_stands_in_for_the_key_at_the_hub(hub, ada, tmp_path):
    other = Computer(tmp_path / "home", hub, "ada")
    other.set_up()
    other.change_config("User ada", "User ada\n    PubkeyAuthentication no")
    # The machine itself accepts keys only: this one is put there by hand.
    done = ada.ssh("desk", "mkdir -p -m 700 .ssh && cat >> .ssh/authorized_keys",
                   said=other.public().encode())  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    scopes = ["access:servers!user=ada", "read:users:name!user=ada"]
    done = other.ssh("desk", "id -un", password=hub.user_token("ada", scopes))
    assert done.stdout == b"trainee\n", done.stderr.decode()


def test_a_machine_that_is_off_is_said_to_be(hub, tmp_path):
    kim = Computer(tmp_path / "home", hub, "kim")
    kim.register()
    kim.set_up()
    done = kim.ssh("desk", "true")
    assert done.returncode == 255
    assert "your machine desk is off" in done.stderr.decode()
    hub.start_server("kim")
    assert kim.ssh("desk", "id -un").stdout == b"trainee\n"


def test_a_new_machine_is_recognized_without_another_line(hub, tmp_path):
    zoe = Computer(tmp_path / "home", hub, "zoe")
    zoe.register()
    zoe.set_up(port=True)
    hub.start_server("zoe")
    assert zoe.ssh("desk", "id -un").stdout == b"trainee\n"
    identity = hub.folder / "processes" / machine_name("zoe") / "identity.json"
    before = identity.read_bytes()
    hub.stop_server("zoe")
    settings = provider_settings(load_lab(hub.folder / "lab.toml"), hub.paths)
    assert asyncio.run(make_provider(settings).set_aside(machine_name("zoe")))
    hub.start_server("zoe")
    assert identity.read_bytes() != before
    done = zoe.ssh("desk", "id -un")
    assert done.stdout == b"trainee\n", done.stderr.decode()


def test_the_last_use_of_a_key_is_told(hub, ada):
    ada.ssh("desk", "true")
    answer = hub.api("GET", "vmlab/ssh/keys", token=hub.user_token("ada"))
    used = {key["comment"]: key["used"] for key in answer.json()["keys"]}
    assert used["ada@home"] is not None
