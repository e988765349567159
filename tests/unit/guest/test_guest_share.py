"""A machine's part of the file server: mounted, away without harm, gone before a power-off."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.fake_system import FakeSystem
from vmlab_guest.errors import ApplyError
from vmlab_guest.notices import add_notice, apply_notices
from vmlab_guest.shares import places
from vmlab_guest.shares.follow import Follower
from vmlab_guest.shares.null_call import is_answer, make_call
from vmlab_guest.shares.presence import (
    Fullness,
    Presence,
    Usage,
    choose_fullness,
    choose_presence,
    parse_usage,
)
from vmlab_guest.shares.watch import ShareWatch
from vmlab_guest.shares.words import AWAY, BACK, NOTE_NAME, make_quota_notice
from vmlab_guest.system import find_disk_mounts
from vmlab_protocol.notices import Notice
from vmlab_protocol.share import Share

SHARE = Share(IPv4Address("10.77.0.2"), "ada")
OTHER = Share(IPv4Address("10.77.0.3"), "ada")
OPTIONS = "vers=4.2,hard,timeo=600,retrans=2,noresvport,nosuid,nodev"
HERE, AWAY_FOLDER = "/run/vmlab/share/here", "/run/vmlab/share/away"
LINK, HOME_LINK = "run/vmlab/shared", "home/trainee/shared"


class Server:
    """Answers, or does not."""

    def __init__(self) -> None:
        self.answers = True
        self.asked: list[tuple[str, int, float]] = []

    def __call__(self, server: str, port: int, limit_s: float) -> bool:
        self.asked.append((server, port, limit_s))
        return self.answers


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def system(tmp_path: Path) -> FakeSystem:
    system = FakeSystem(tmp_path / "root")
    (system.root / "etc/machine-id").write_text("0123456789abcdef" * 2 + "\n")
    parameters = system.root / "sys/module/nfs/parameters"
    parameters.mkdir(parents=True)
    (parameters / "nfs4_unique_id").write_text("\n")
    return system


@pytest.fixture
def watch(system: FakeSystem, server: Server) -> ShareWatch:
    watch = ShareWatch(system, SHARE, server)
    watch.begin()
    return watch


def link(system: FakeSystem, path: str = LINK) -> str:
    return str((system.root / path).readlink())


def notices(system: FakeSystem) -> list[str]:
    return sorted(p.read_text() for p in (system.root / "run/vmlab/notices.d").glob("*.en"))


def wait(system: FakeSystem, seconds: float) -> None:
    system.tick_ns += int(seconds * 1e9)


def mounts(system: FakeSystem) -> list[str]:
    return [c for c in system.commands if c.startswith("mount")]


def test_before_the_server_was_seen_there_is_a_note(system, watch):
    assert link(system) == AWAY_FOLDER
    assert link(system, HOME_LINK) == "/run/vmlab/shared"
    assert system.owners["/home/trainee/shared"] == 1000
    note = (system.root / AWAY_FOLDER.lstrip("/") / NOTE_NAME).read_text()
    assert AWAY.en in note
    assert AWAY.fr in note


def test_the_folders_are_mounted_and_shown(system, watch, server):
    watch.look()
    assert server.asked == [("10.77.0.2", 2049, 3.0)]
    assert system.commands[:4] == [
        "modprobe nfs",
        f"mount -t nfs4 -o {OPTIONS} 10.77.0.2:/srv/own/ada {HERE}/mine",
        f"mount -t nfs4 -o {OPTIONS} 10.77.0.2:/srv/shared {HERE}/everyone",
        f"mount -t nfs4 -o {OPTIONS} 10.77.0.2:/srv/drop/ada {HERE}/drop",
    ]
    unique = system.root / "sys/module/nfs/parameters/nfs4_unique_id"
    assert unique.read_text() == "0123456789abcdef" * 2
    assert link(system) == HERE
    assert notices(system) == []


def test_a_trainer_sees_all_that_was_handed_in():
    found = places.find_places(Share(SHARE.server, "eve", is_trainer=True))
    assert found == {
        f"{HERE}/mine": "10.77.0.2:/srv/own/eve",
        f"{HERE}/everyone": "10.77.0.2:/srv/shared",
        f"{HERE}/drop": "10.77.0.2:/srv/drop",
    }


def test_a_server_that_is_away_is_told_after_ten_seconds_and_again_when_it_is_back(
    system, watch, server
):
    watch.look()
    server.answers = False
    wait(system, 9)
    watch.look()
    assert link(system) == HERE
    wait(system, 1)
    system.commands.clear()
    watch.look()
    assert link(system) == AWAY_FOLDER
    assert notices(system) == [f"{AWAY.en}\n"]
    assert system.commands == []  # nothing that could wait for the server
    server.answers = True
    watch.look()
    assert link(system) == HERE
    assert notices(system) == [f"{BACK.en}\n"]
    assert mounts(system) == []  # it is the same mount, and what waits in it goes on
    server.answers = False
    wait(system, 10)
    watch.look()
    assert notices(system) == [f"{AWAY.en}\n"]


def test_other_notices_stay(system, watch, server):
    add_notice(system, Notice("hello", "bonjour"))
    server.answers = False
    wait(system, 10)
    watch.look()
    assert notices(system) == sorted([f"{AWAY.en}\n", "hello\n"])


def test_a_server_that_does_not_know_the_machine_yet_is_asked_again_with_pauses(system, watch):
    system.fail = {"mount": "access denied by server"}
    for seconds in (0, 1, 1, 4):  # tried at 0, 2 and 6 s
        wait(system, seconds)
        watch.look()
    assert len(mounts(system)) == 3
    assert notices(system) == []
    wait(system, 10)
    watch.look()
    assert notices(system) == [f"{AWAY.en}\n"]
    system.fail = {}
    wait(system, 60)
    watch.look()
    assert link(system) == HERE


def test_what_is_mounted_already_is_not_mounted_again(system, watch, server):
    watch.look()
    system.commands.clear()
    again = ShareWatch(system, SHARE, server)
    again.begin()
    assert link(system) == HERE
    again.look()
    assert mounts(system) == []


def test_a_folder_of_the_trainees_own_stays(system, server):
    (system.root / HOME_LINK).mkdir()
    watch = ShareWatch(system, SHARE, server)
    watch.begin()
    watch.look()
    assert (system.root / HOME_LINK).is_dir()
    assert not (system.root / HOME_LINK).is_symlink()
    assert any("/run/vmlab/shared only" in line for line in system.logged)


def test_a_full_folder_is_told_while_it_is_so(system, watch):
    def look(stat_f: str) -> list[str]:
        system.stat_f = stat_f
        wait(system, 60)
        watch.look()
        return notices(system)

    assert look("4096 1000 900") == []
    (tight,) = look("4096 1000 200")
    assert tight.startswith("Your folder on the file server is nearly full: 3.1 MiB of 3.9 MiB.")
    assert look("4096 1000 240") == [tight]
    (full,) = look("4096 1000 0")
    assert full.startswith("Your folder on the file server is full (3.9 MiB).")
    assert look("4096 1000 300") == []


def test_the_usage_is_asked_now_and_then_and_not_while_the_server_is_away(system, watch, server):
    watch.look()
    wait(system, 4)
    watch.look()
    server.answers = False
    wait(system, 120)
    watch.look()
    asked = [c for c in system.commands if c.startswith("stat")]
    assert asked == ["stat -f -c '%S %b %f' /run/vmlab/share/here/mine"]
    assert not [c for c in system.commands if c.startswith("sync")]


def test_what_was_written_is_brought_to_the_server_as_long_as_there_is_little_room(system, watch):
    """A file that was deleted meanwhile counts there until all of it has arrived."""
    system.stat_f = "4096 1000 0"
    watch.look()
    system.commands.clear()
    wait(system, 7)
    watch.look()
    assert system.commands == []
    wait(system, 1)
    system.stat_f = "4096 1000 900"
    watch.look()
    assert system.commands == [f"sync -f {HERE}/mine", f"stat -f -c '%S %b %f' {HERE}/mine"]
    assert notices(system) == []
    wait(system, 8)
    watch.look()
    assert len(system.commands) == 2


def test_a_flush_that_takes_too_long_does_not_keep_the_quota_from_being_told(system, watch):
    system.stat_f = "4096 1000 0"
    watch.look()
    system.fail = {"sync": "took longer than 30 s"}
    system.stat_f = "4096 1000 900"
    wait(system, 8)
    watch.look()
    assert notices(system) == []


def test_trainers_are_told_of_what_is_shared_too(system, server):
    watch = ShareWatch(system, Share(SHARE.server, "eve", is_trainer=True), server)
    watch.begin()
    system.stat_f = "4096 1000 0"
    watch.look()
    mine, shared = sorted(notices(system), key=len)
    assert mine.startswith("Your folder on the file server is full (3.9 MiB).")
    assert shared.startswith("There is no more room for what is shared with everyone (3.9 MiB).")
    system.stat_f = "4096 1000 900"
    wait(system, 8)
    watch.look()
    assert notices(system) == []


def test_before_it_powers_off_everything_is_unmounted_first_in_peace(system, server, followed):
    followed.leave()
    gone = [c for c in system.commands if c.startswith("umount")]
    assert gone == [f"umount -i {HERE}/{name}" for name in ("drop", "everyone", "mine")]


def test_a_server_that_is_away_does_not_keep_a_machine_from_powering_off(system, server, followed):
    server.answers = False
    followed.leave()
    gone = [c for c in system.commands if c.startswith("umount")]
    assert gone == [f"umount -i -f -l {HERE}/{name}" for name in ("drop", "everyone", "mine")]


def test_what_somebody_uses_is_let_go_when_all_of_it_has_arrived(system, followed):
    system.fail = {f"umount -i {HERE}/everyone": "target is busy"}
    followed.leave()
    at = system.commands.index(f"sync -f {HERE}/everyone")
    assert system.commands[at + 1] == f"umount -i -l {HERE}/everyone"
    # -f would end what is being written, with an error.
    assert not [c for c in system.commands if " -f -l " in c]


def test_what_cannot_be_unmounted_in_peace_is_unmounted_all_the_same(system, followed):
    system.fail = {f"umount -i {HERE}/everyone": "target is busy", "sync": "took longer than 10 s"}
    followed.leave()
    assert f"umount -i -f -l {HERE}/everyone" in system.commands


@pytest.fixture
def followed(system: FakeSystem, server: Server) -> Follower:
    """A follower that an agent before has left everything mounted for."""
    watch = ShareWatch(system, SHARE, server)
    watch.begin()
    watch.look()
    kept = '{"server": "10.77.0.2", "folder": "ada", "is_trainer": false}'
    (system.root / "run/vmlab/share.json").write_text(kept)
    system.commands.clear()
    return Follower(system, server)


def test_a_seed_without_a_share_takes_everything_away(system, followed):
    followed.follow(None)
    assert not (system.root / HOME_LINK).is_symlink()
    assert not (system.root / LINK).is_symlink()
    assert not places.is_mounted(system, SHARE)
    followed.follow(None)


def test_a_machine_that_never_had_a_share_is_left_alone(tmp_path, server):
    system = FakeSystem(tmp_path / "root")
    follower = Follower(system, server)
    follower.follow(None)
    follower.recover()
    follower.leave()
    assert (system.commands, server.asked) == ([], [])


def test_another_share_takes_the_place_of_one(system, followed):
    followed.follow(OTHER)
    followed.leave()
    assert f"umount -i {HERE}/mine" in system.commands


@pytest.mark.parametrize("text", ["", "{", "[]", '{"server": 1}'])
def test_a_note_that_somebody_changed_is_no_share(system, followed, text):
    (system.root / "run/vmlab/share.json").write_text(text)
    followed.recover()
    followed.leave()
    assert system.commands == []


def test_a_name_that_the_client_has_already_is_not_set_again(system):
    unique = system.root / "sys/module/nfs/parameters/nfs4_unique_id"
    places.identify(system)
    unique.chmod(0o400)
    places.identify(system)
    system.fail = {"modprobe": "no such module"}
    with pytest.raises(ApplyError, match="no such module"):
        places.identify(system)


def test_notices_of_a_later_seed_replace_what_was_told(system, watch, server):
    server.answers = False
    wait(system, 10)
    watch.look()
    apply_notices(system, [])
    assert notices(system) == []
    server.answers = True
    watch.look()
    assert notices(system) == [f"{BACK.en}\n"]


# -- pure --------------------------------------------------------------------------------------


def answer(number: int, *, status: int = 0) -> bytes:
    return struct.pack(">7I", 0x80000018, number, 1, 0, 0, 0, status)


def test_a_null_call_as_the_rfc_has_it():
    assert make_call(0x01020304).hex(" ", 4) == (
        "80000028 01020304 00000000 00000002 000186a3 00000004 00000000 "
        "00000000 00000000 00000000 00000000"
    )


@given(st.integers(0, 2**32 - 1))
def test_only_its_own_answer_is_one(number):
    assert is_answer(answer(number), number)
    assert not is_answer(answer(number), number ^ 1)
    assert not is_answer(answer(number, status=1), number)
    assert not is_answer(answer(number)[:-1], number)


@given(st.binary(max_size=100), st.integers(0, 2**32 - 1))
def test_other_bytes_are_no_answer(data, number):
    assert is_answer(data, number) == (data == answer(number))


@pytest.mark.parametrize(
    ("before", "is_ready", "silent_s", "now"),
    [
        (Presence.UNKNOWN, False, 9.9, Presence.UNKNOWN),
        (Presence.UNKNOWN, False, 10, Presence.AWAY),
        (Presence.UNKNOWN, True, 0, Presence.HERE),
        (Presence.HERE, False, 9.9, Presence.HERE),
        (Presence.AWAY, False, 0, Presence.AWAY),
        (Presence.AWAY, True, 0, Presence.HERE),
    ],
)
def test_when_a_server_counts_as_away(before, is_ready, silent_s, now):
    assert choose_presence(before, is_ready=is_ready, silent_s=silent_s) is now


@pytest.mark.parametrize(
    ("percent", "before", "now"),
    [
        (79, Fullness.ROOMY, Fullness.ROOMY),
        (80, Fullness.ROOMY, Fullness.TIGHT),
        (76, Fullness.TIGHT, Fullness.TIGHT),
        (74, Fullness.TIGHT, Fullness.ROOMY),
        (98, Fullness.FULL, Fullness.TIGHT),
        (99, Fullness.ROOMY, Fullness.FULL),
    ],
)
def test_when_a_folder_is_tight(percent, before, now):
    assert choose_fullness(Usage(percent, 100), before) is now


def test_usage_as_stat_tells_it():
    assert parse_usage("1024 10240 240\n") == Usage(10000 * 1024, 10240 * 1024)
    with pytest.raises(ValueError, match="values"):
        parse_usage("")


@pytest.mark.parametrize("is_full", [True, False])
def test_what_is_told_of_a_folder_fits_a_notice(is_full):
    notice = make_quota_notice(2**40, 2**40, is_full=is_full)
    assert len(notice.en) < 4000
    assert "~/shared/mine" in notice.fr


def test_only_disks_are_flushed_and_each_once():
    text = (
        "22 1 254:0 / / rw,noatime shared:1 - ext4 /dev/vda rw\n"
        "30 22 254:16 / /home/trainee rw shared:9 - ext4 /dev/vdb rw\n"
        "31 22 254:16 /x /mnt/a\\040b rw - ext4 /dev/vdb rw\n"
        f"32 22 0:40 / {HERE}/mine rw - nfs4 10.77.0.2:/srv/own/ada rw\n"
        "33 22 0:41 / /run rw - tmpfs tmpfs rw\n"
    )
    assert find_disk_mounts(text) == ["/", "/home/trainee"]
