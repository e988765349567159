"""The commands that bring things to machines: what a shell makes of them."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess

import pytest

from vmlab.errors import ConfigError
from vmlab.model import MachineRole
from vmlab.rehearsal import configuration
from vmlab.rehearsal.configuration import (
    apply_user_data,
    make_copy,
    make_inventory,
    run_as,
    run_playbook,
)
from vmlab.rehearsal.description import Copy, Host, Package
from vmlab.rehearsal.inventory import make_question, parse_answer
from vmlab.rehearsal.versions import compare_versions
from vmlab_guest import user_data
from vmlab_protocol.commands import MAX_COMMAND_BYTES

ME = pwd.getpwuid(os.geteuid()).pw_name


@pytest.fixture(autouse=True)
def _own_folder(tmp_path, monkeypatch):
    monkeypatch.setattr(configuration, "FOLDER", str(tmp_path / "in the machine"))


def bring(copy: Copy) -> None:
    for command in make_copy(copy):
        assert len(command.encode()) <= MAX_COMMAND_BYTES
        subprocess.run(["/bin/sh", "-c", command], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="files in a machine are root's")
class TestCopies:
    def test_a_folder_is_brought_as_it_is_and_once_more(self, tmp_path):
        source, target = tmp_path / "a b", tmp_path / "to here/now"
        (source / "inner/__pycache__").mkdir(parents=True)
        (source / "inner/__pycache__/x.pyc").touch()
        (source / "run.sh").write_text("#!/bin/sh\n")
        (source / "run.sh").chmod(0o755)
        (source / "inner/large").write_bytes(os.urandom(200_000))
        (source / "link").symlink_to("/etc/shadow")
        for _ in range(2):
            bring(Copy(source, str(target), ME))
        found = {str(path.relative_to(target)) for path in target.rglob("*")}
        assert found == {"run.sh", "inner", "inner/large"}
        assert (target / "inner/large").read_bytes() == (source / "inner/large").read_bytes()
        assert os.access(target / "run.sh", os.X_OK)

    def test_a_file_gets_the_name_that_it_is_to_have(self, tmp_path):
        (tmp_path / "source.yaml").write_text("a: 1\n")
        bring(Copy(tmp_path / "source.yaml", f"{tmp_path}/other/user-data"))
        assert (tmp_path / "other/user-data").read_text() == "a: 1\n"


def test_what_is_large_belongs_into_an_image(tmp_path, monkeypatch):
    monkeypatch.setattr(configuration, "MAX_COPY_BYTES", 1000)
    (tmp_path / "large").write_bytes(os.urandom(2000))
    with pytest.raises(ConfigError, match="large has 0 MiB when packed"):
        list(make_copy(Copy(tmp_path / "large", "/opt/large")))
    with pytest.raises(ConfigError, match="cannot be read"):
        list(make_copy(Copy(tmp_path / "absent", "/opt/large")))


def test_a_user_has_what_a_log_in_gives(tmp_path):
    assert run_as("root", "true") == "true"
    assert run_as("trainee", "echo 'a b'") == """runuser -l trainee -c 'echo '"'"'a b'"'"''"""


COMMANDS = [apply_user_data("node1.t01-5"), run_playbook("/a b", "s.yml", "x")]


@pytest.mark.parametrize("command", COMMANDS)
def test_they_are_commands_of_a_shell(command):
    subprocess.run(["/bin/sh", "-n", "-c", command], check=True)


def test_a_machine_without_ansible_says_so(tmp_path):
    (tmp_path / "book").mkdir()
    command = run_playbook(str(tmp_path / "book"), "site.yml", "")
    words, nothing = ["/bin/sh", "-c", command], {"PATH": "/nowhere"}
    ran = subprocess.run(words, env=nothing, capture_output=True, text=True, check=False)
    assert ran.returncode == 127
    assert "put ansible-core into the packages of the image" in ran.stdout


def test_the_inventory_has_the_trainees_machines_by_their_names():
    roles = {
        "desk": MachineRole.DESK,
        "node2": MachineRole.NODE,
        "node1": MachineRole.NODE,
        "server": MachineRole.SERVER,
    }
    assert make_inventory(roles, "node1") == (
        "[desks]\ndesk ansible_host=desk\n\n"
        "[nodes]\nnode1 ansible_host=node1 ansible_connection=local\nnode2 ansible_host=node2\n\n"
        "[all:vars]\nansible_user=trainee\nansible_become=true\n"
        "ansible_python_interpreter=/usr/bin/python3\n"
    )


HOST = Host(("node1",), packages=(Package("dpkg"), Package("no-such")), services=("ssh",))


def test_the_question_is_one_that_a_shell_takes_and_answers():
    ran = subprocess.run(
        ["/bin/sh", "-c", make_question(HOST)], capture_output=True, text=True, check=True
    )
    found = parse_answer(ran.stdout)
    assert found.host_name
    assert found.cpus > 0
    assert found.memory_mib > 0
    assert all(len(key.split("/")) == 2 for key in found.ports)


@pytest.mark.skipif(shutil.which("dpkg") is None, reason="only Debian has dpkg")
def test_it_is_dpkgs_order():
    odd = ["1.0", "1.0-0", "1.00", "1.0a", "1.0+", "1.0.", "0:1.0", "1.0-1~", "10~1", "1.a", "1.Z"]
    for one in odd:
        for other in odd:
            words = ["dpkg", "--compare-versions", one, "lt", other]
            is_older = subprocess.run(words, check=False).returncode == 0
            assert (compare_versions(one, other) < 0) is is_older, (one, other)


USER_DATA = """\
#cloud-config
write_files:
  - path: {folder}/etc/farm
    content: written
    owner: {me}
    permissions: "0600"
runcmd:
  - echo "$(cat {folder}/etc/farm) and run" >{folder}/ran
  - [sh, -c, 'exit {status}']
"""


@pytest.mark.parametrize("status", [0, 3])
def test_user_data_is_applied_and_a_command_that_fails_is_told(tmp_path, capfd, status):
    file = tmp_path / "user-data"
    file.write_text(USER_DATA.format(folder=tmp_path, me=ME, status=status))
    assert user_data.main([str(file)]) == bool(status)
    assert (tmp_path / "ran").read_text() == "written and run\n"
    assert (tmp_path / "etc/farm").stat().st_mode & 0o777 == 0o600
    told = capfd.readouterr().out.splitlines()[-1]
    assert told.endswith(f"`sh -c exit {status}` ended with status 3") is bool(status)


def test_a_script_is_run_and_what_is_refused_does_nothing(tmp_path, capfd):
    file = tmp_path / "user-data"
    file.write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    assert user_data.main([str(file)]) == 0
    assert (tmp_path / "ran").exists()
    file.write_text(f"#cloud-config\nruncmd: [touch {tmp_path}/second]\nusers: []\n")
    assert user_data.main([str(file)]) == 1
    assert "users: cloud-init is not in this machine" in capfd.readouterr().out
    assert not (tmp_path / "second").exists()
