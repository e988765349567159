"""A machine's folder is root's; nothing in one of the version before is believed to be its name."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path

import pytest

from vmlab.errors import MachineNotFoundError, ProviderError
from vmlab.providers.qemu.machine.machine import Machine
from vmlab.providers.qemu.machine.status import machine_status, read_console
from vmlab.providers.qemu.machine.users import (
    MACHINE_UIDS,
    ensure_machine_user,
    find_machine_user,
    make_folder,
    share_folder,
)
from vmlab.system.files import read_end
from vmlab_protocol.atomic import write_atomic

OLD_USER = 64_000  # as the user of all machines before
as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


@pytest.fixture
def folder(monkeypatch):
    """The place of a machine's folder; its parent is nobody else's."""
    if os.geteuid() == 0:  # without the account that `vmlab up` makes
        monkeypatch.setattr(
            "vmlab.providers.qemu.machine.users.find_machines_gid", lambda: OLD_USER
        )
    with tempfile.TemporaryDirectory() as state:
        yield Machine(Path(state) / "desk-ada-0")


@pytest.fixture
def old(folder):
    """A folder as the version before left it."""
    folder.path.mkdir(mode=0o700)
    folder.checkpoint.write_text("{}")
    folder.access_key.write_text("key")
    for disk in ("root.qcow2", "root-1-5.qcow2"):
        (folder.path / disk).write_text("disk")
    folder.qmp.symlink_to("/run/elsewhere.sock")
    os.chown(folder.path, OLD_USER, OLD_USER)
    for path in folder.path.iterdir():
        os.chown(path, OLD_USER, OLD_USER, follow_symlinks=False)
    return folder


def owners(folder: Machine) -> dict[str, tuple[int, int]]:
    facts = {path.name: path.lstat() for path in folder.path.iterdir()}
    return {name: (fact.st_uid, stat.S_IMODE(fact.st_mode)) for name, fact in facts.items()}


def test_a_new_folder_is_ours_and_known_again(folder):
    user = make_folder(folder)
    assert make_folder(folder) == user == find_machine_user(folder)
    if os.geteuid() == 0:
        assert user.uid in MACHINE_UIDS
        assert stat.S_IMODE(folder.path.stat().st_mode) == 0o710
    else:
        assert user.uid == os.geteuid()
        assert stat.S_IMODE(folder.path.stat().st_mode) == 0o700
    assert folder.path.stat().st_uid == os.geteuid()


@as_root
def test_no_two_machines_have_one_user(folder):
    found = {make_folder(Machine(folder.path.with_name(f"desk-{i}"))).uid for i in range(6)}
    assert len(found) == 6


@as_root
def test_a_folder_of_the_version_before_is_taken_over(old):
    user = make_folder(old)
    assert old.path.stat().st_uid == 0
    found = owners(old)
    assert found["root.qcow2"] == found["root-1-5.qcow2"] == (user.uid, 0o600)
    for name in ("machine.json", "access_key", "user"):
        assert found[name] == (0, 0o600), name
    assert "qmp.sock" not in found, "a link that led elsewhere"
    assert old.access_key.read_text() == "key"
    assert old.server_for_proxy.is_symlink()


@as_root
@pytest.mark.attack("worker.take-over", "leaves links, pipes, another's number and second names")
def test_what_a_worker_left_in_an_old_folder_is_not_believed(old, folder, tmp_path, tried):
    canary = tmp_path / "canary"
    canary.write_text("root's own")
    canary.chmod(0o600)
    other = make_folder(Machine(folder.path.with_name("desk-bob-0")))
    old.checkpoint.unlink()
    old.checkpoint.symlink_to(canary)
    (old.path / "root.partial").symlink_to(canary)
    (old.path / ".machine.json.tmp").symlink_to(canary)
    os.mkfifo(old.console)
    os.mkfifo(old.shim_lock)
    old.user.write_text(f"{other.uid}\n")
    os.chown(old.user, OLD_USER, OLD_USER)
    assert find_machine_user(old) is None, "a stop would end the other machine"
    old.user.unlink()
    old.user.symlink_to(Machine(folder.path.with_name("desk-bob-0")).user)
    assert find_machine_user(old) is None
    tried(len(list(old.path.iterdir())))
    user = make_folder(old)
    assert user.uid != other.uid
    assert canary.stat().st_uid == 0
    left = {path.name for path in old.path.iterdir() if not stat.S_ISREG(path.lstat().st_mode)}
    assert left == {"server.sock:80"}
    assert not old.checkpoint.exists()


@as_root
@pytest.mark.attack("worker.take-over", "gives a file of another the name of its disk")
def test_a_disk_with_a_second_name_is_not_given_away(old, tmp_path, tried):
    canary = old.path.parent / "another's"
    canary.write_text("disk of another")
    old.root_disk.unlink()
    old.root_disk.hardlink_to(canary)
    with pytest.raises(ProviderError, match="second hard link"):
        make_folder(old)
    assert canary.stat().st_uid == 0
    canary.chmod(0o600)
    with pytest.raises(ProviderError, match="second hard link"):
        share_folder(old.path)
    assert stat.S_IMODE(canary.stat().st_mode) == 0o600
    tried(2)


@as_root
def test_a_number_that_is_no_machines_is_refused(folder):
    make_folder(folder)
    for text in ("0\n", "1000\n", "-1\n", "rubbish", "", "1" * 100_000):
        folder.user.write_text(text)
        with pytest.raises(ProviderError, match="its user"):
            ensure_machine_user(folder)


@pytest.mark.attack("worker.reads", "puts a pipe, a link and a file of 6 TiB where root reads")
def test_what_root_reads_may_be_a_pipe_a_link_or_endless(folder, tmp_path, tried):
    folder.path.mkdir()
    write_atomic(
        folder.checkpoint, b'{"version":2,"name":"a","owner":"","image":"","stage":"live"}'
    )
    secret = tmp_path / "secret"
    secret.write_text("root's own")
    with pytest.raises(MachineNotFoundError):
        read_console(folder, 1000)
    for path in (folder.console, folder.exit_report):
        os.mkfifo(path)
        with pytest.raises(ValueError, match="not a regular file"):
            read_end(path, 10)
    with pytest.raises(ProviderError, match="cannot be read"):
        read_console(folder, 1000)
    assert machine_status(folder).problem == "its process was killed"
    for path in (folder.console, folder.exit_report):
        path.unlink()
        path.symlink_to(secret)
    with pytest.raises(ProviderError, match="cannot be read"):
        read_console(folder, 1000)
    assert "root's own" not in machine_status(folder).problem
    for path in (folder.console, folder.exit_report):
        path.unlink()
        path.touch()
        os.truncate(path, 6 * 2**40)
    assert len(read_console(folder, 1000)) == 1000
    assert machine_status(folder).problem == "its process ended; the report is not readable"
    tried(6)
