"""The agent of a file server: folders, numbers, quotas and exports; an older roster never wins."""

from __future__ import annotations

import stat
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Any

import pytest

from fakes.fake_system import FakeSystem
from fakes.guest_seeds import make_seed
from fakes.superblocks import BLOCK, make_superblock
from vmlab_guest.apply import apply_seed
from vmlab_guest.errors import ApplyError
from vmlab_guest.home import Home
from vmlab_guest.serving.exports import make_exports, make_quotas
from vmlab_guest.serving.fullness import ServerFullness
from vmlab_guest.serving.serve import read_roster, resume_serving, serve
from vmlab_guest.system import DiskSpace
from vmlab_protocol.errors import FormatError
from vmlab_protocol.ext4 import Space
from vmlab_protocol.seed_reader import parse_seed
from vmlab_protocol.share import Roster, Sharer, roster_json

ADA = Sharer("ada", (IPv4Address("10.77.1.1"), IPv4Address("10.77.1.2")), 100)
BOB = Sharer("bob", (), 100)
EVE = Sharer("eve", (IPv4Address("10.77.9.1"),), 50, is_trainer=True)
SPACE = Space(262144, 200000, 0, BLOCK)
NETWORK = IPv4Network("10.77.0.0/16")
ALWAYS = "sync,sec=sys,insecure,no_subtree_check,all_squash"


def make_roster(*sharers: Sharer, serial: int = 1) -> Roster:
    return Roster(serial, NETWORK, 400, sharers)


def serve_roster(system: FakeSystem, *sharers: Sharer, serial: int = 1) -> dict[str, Any]:
    return serve(system, roster_json(make_roster(*sharers, serial=serial)))


@pytest.fixture
def system(tmp_path: Path) -> FakeSystem:
    """A file server whose volume is mounted."""
    system = FakeSystem(tmp_path / "root")
    (system.root / "srv").mkdir()
    system.mount("/dev/vdb", "/srv", "ext4", "prjquota")
    system.commands.clear()
    return system


def exports(system: FakeSystem) -> str:
    return (system.root / "etc/exports.d/vmlab.exports").read_text()


def mode(system: FakeSystem, path: str) -> int:
    return stat.S_IMODE((system.root / path).stat().st_mode)


def test_what_is_exported_to_whom():
    text = make_exports(make_roster(ADA, BOB, EVE), {"ada": 2001, "bob": 2002, "eve": 2003})
    ada = f"(rw,{ALWAYS},anonuid=2001,anongid=2001,fsid=2001)"
    drop = f"(rw,{ALWAYS},anonuid=2001,anongid=2001,fsid=1002001)"
    eve = f"(rw,{ALWAYS},anonuid=2003,anongid=2003,fsid=2003)"
    read = f"(ro,{ALWAYS},anonuid=65534,anongid=65534,fsid=2000)"
    write = f"(rw,{ALWAYS},anonuid=2000,anongid=2000,fsid=2000)"
    collect = f"(ro,{ALWAYS},anonuid=0,anongid=0,fsid=1999)"
    assert text.splitlines()[1:] == [
        f"/srv/own/ada 10.77.1.1{ada} 10.77.1.2{ada}",
        f"/srv/drop/ada 10.77.1.1{drop} 10.77.1.2{drop}",
        f"/srv/own/eve 10.77.9.1{eve}",
        f"/srv/shared 10.77.0.0/16{read} 10.77.9.1{write}",
        f"/srv/drop 10.77.9.1{collect}",
    ]


def test_without_trainers_nobody_writes_what_is_shared_or_reads_what_was_handed_in():
    text = make_exports(make_roster(ADA), {"ada": 2001})
    assert "anonuid=0," not in text
    assert "anonuid=2000," not in text
    assert "/srv/drop " not in text


def test_nothing_above_the_folders_is_exported():
    text = make_exports(make_roster(ADA, EVE), {"ada": 2001, "eve": 2002})
    paths = {line.split()[0] for line in text.splitlines()[1:]}
    assert not paths & {"/", "/srv", "/srv/own"}


def test_limits_of_blocks_and_files():
    text = make_quotas(make_roster(ADA, EVE), {"ada": 2002, "eve": 2001})
    assert text.splitlines() == [
        "2000 409600 409600 25600 25600",
        "2001 51200 51200 3200 3200",
        "2002 102400 102400 6400 6400",
    ]


def test_a_first_roster_makes_the_folders_and_serves_them(system):
    assert serve_roster(system, ADA, EVE) == {"type": "serving", "serial": 1}
    assert system.owners == {
        "/srv": 0, "/srv/shared": 2000, "/srv/own/ada": 2001, "/srv/own/eve": 2002,
    }  # fmt: skip
    modes = {"srv": 0o711, "srv/own": 0o711, "srv/own/ada": 0o700, "srv/shared": 0o755}
    modes |= {"srv/drop": 0o711, "srv/drop/ada": 0o1733, "srv/.vmlab": 0o700}
    assert {path: mode(system, path) for path in modes} == modes
    assert not (system.root / "srv/drop/eve").exists()
    assert system.commands == [
        "chattr -p 2000 +P /srv/shared",
        "chattr -p 2001 +P /srv/own/ada",
        "chattr -p 2002 +P /srv/own/eve",
        "chattr -p 2001 +P /srv/drop/ada",
        "setquota -P -b /srv",
        "systemctl start nfs-server.service",
        "exportfs -ra",
    ]
    assert exports(system) == make_exports(make_roster(ADA, EVE), {"ada": 2001, "eve": 2002})
    assert system.units == {"nfs-server.service": 1}
    assert mode(system, "srv/.vmlab/roster.json") == 0o600


def test_the_same_roster_again_makes_nothing_new(system):
    serve_roster(system, ADA, EVE)
    before = dict(system.owners)
    system.commands.clear()
    serve_roster(system, ADA, EVE)
    assert system.owners == before
    assert not [c for c in system.commands if c.startswith("chattr")]
    assert system.units == {"nfs-server.service": 1}


def test_an_older_roster_never_wins(system):
    serve_roster(system, ADA, serial=5)
    assert serve_roster(system, ADA, BOB, serial=4)["serial"] == 5
    assert not (system.root / "srv/own/bob").exists()
    assert read_roster(system) == make_roster(ADA, serial=5)


def test_two_rosters_with_one_serial_are_a_mistake(system):
    serve_roster(system, ADA, serial=5)
    with pytest.raises(ApplyError, match="another roster with the serial 5"):
        serve_roster(system, ADA, BOB, serial=5)


def test_who_leaves_keeps_folder_and_number_and_cannot_mount_any_more(system):
    serve_roster(system, ADA, BOB, serial=1)
    serve_roster(system, BOB, EVE, serial=2)
    assert system.owners["/srv/own/ada"] == 2001
    assert system.owners["/srv/own/eve"] == 2003
    assert "/srv/own/ada" not in exports(system)
    serve_roster(system, EVE, ADA, serial=3)
    assert "/srv/own/ada 10.77.1.1(rw" in exports(system)
    assert system.owners["/srv/own/ada"] == 2001


@pytest.mark.parametrize("command", ["chattr -p 2001", "chattr -p 2002 +P /srv/drop", "setquota"])
def test_what_was_cut_off_is_finished_by_the_next_start(system, command):
    serve_roster(system, BOB, serial=1)
    system.fail = {command.replace("2001", "2002"): "the power is gone"}
    with pytest.raises(ApplyError, match="power"):
        serve_roster(system, BOB, ADA, serial=2)
    system.fail = {}
    resume_serving(system)
    assert system.owners["/srv/own/ada"] == 2002
    assert mode(system, "srv/drop/ada") == 0o1733
    assert "/srv/own/ada" in exports(system)


def test_a_server_that_starts_again_serves_before_the_hub_says_anything(system):
    serve_roster(system, ADA, EVE)
    (system.root / "etc/exports.d/vmlab.exports").unlink()  # a new system disk
    system.units.clear()
    resume_serving(system)
    assert "/srv/own/ada" in exports(system)
    assert system.units == {"nfs-server.service": 1}


def test_a_new_server_waits_for_its_roster(system):
    resume_serving(system)
    assert system.units == {"nfs-server.service": 1}
    assert (system.root / "srv/.vmlab/nfsdcld").is_dir()
    assert not (system.root / "etc/exports.d/vmlab.exports").exists()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"serial": 1}', '{"serial": NaN}'])
def test_a_damaged_roster_is_passed_over(system, text):
    serve_roster(system, ADA)
    (system.root / "srv/.vmlab/roster.json").write_text(text)
    resume_serving(system)
    assert any("roster.json is passed over" in line for line in system.logged)
    serve_roster(system, ADA, serial=2)


def test_a_desk_serves_nothing(tmp_path):
    desk = FakeSystem(tmp_path / "root")
    resume_serving(desk)
    assert desk.commands == []
    with pytest.raises(ApplyError, match="not a file server"):
        serve_roster(desk, ADA)


def test_a_broken_message_changes_nothing(system):
    with pytest.raises(FormatError):
        serve(system, {"type": "serve", "serial": 1})
    assert system.commands == []


@pytest.fixture
def machine(tmp_path: Path) -> FakeSystem:
    system = FakeSystem(tmp_path / "root")
    system.add_card("eth0", 2)
    return system


class NoCourses:
    def follow(self, env: dict[str, str]) -> None: ...


def seed_server(system: FakeSystem) -> None:
    mount = {"device": "/dev/disk/by-id/virtio-home", "path": "/srv", "type": "ext4"}
    seed = make_seed(serves=False) | {"mounts": [{**mount, "options": "nodev"}]}
    apply_seed(system, parse_seed(seed), 0, NoCourses(), lambda _: None)


def test_a_seed_makes_the_volume_limit_projects_and_starts_the_server(machine):
    machine.add_disk("vdb", "home", make_superblock(SPACE))
    seed_server(machine)
    tune = machine.commands.index("tune2fs -O project -Q prjquota /dev/vdb")
    assert tune < machine.commands.index("mount -t ext4 -o nodev,prjquota /dev/vdb /srv")
    assert machine.units["nfs-server.service"] == 1
    assert machine.servers == []  # no notebooks


def test_a_volume_that_limits_projects_is_left_alone(machine):
    machine.add_disk("vdb", "home", make_superblock(SPACE, limits_projects=True))
    seed_server(machine)
    assert not [c for c in machine.commands if c.startswith("tune2fs")]


def test_nothing_of_the_volume_is_kept_for_root(machine):
    kept = replace(SPACE, reserved=13107)
    machine.add_disk("vdb", "home", make_superblock(kept, limits_projects=True))
    seed_server(machine)
    assert "tune2fs -r 0 /dev/vdb" in machine.commands


def test_an_operator_is_told_once_that_the_volume_is_full(system):
    fullness = ServerFullness(system)
    fullness.look()
    system.disk_spaces["/srv"] = DiskSpace(2**30, 2**20)
    system.logged.clear()
    fullness.look()
    fullness.look()
    (told,) = system.logged
    assert told.startswith("console: the volume at /srv is full: 1 MiB of 1024 MiB left.")
    system.disk_spaces["/srv"] = DiskSpace(2**30, 2**29)
    fullness.look()
    fullness.look()
    assert system.logged[1:] == ["console: the volume at /srv has room again"]


def test_other_machines_have_no_such_volume(machine):
    machine.disk_spaces["/srv"] = DiskSpace(2**30, 0)
    ServerFullness(machine).look()
    assert machine.logged == []


def test_the_volume_of_a_server_is_frozen_and_thawed_as_a_home_is(system):
    home = Home(system)
    home.freeze(10)
    assert system.frozen == {"/srv"}
    assert home.thaw()
    home.freeze(10)
    Home(system).recover()
    assert not system.frozen
