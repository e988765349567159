"""A home on the file server: mounted before the lab's server, and away without anything lost."""

from __future__ import annotations

from pathlib import Path

import pytest

from fakes.fake_system import FakeSystem
from fakes.guest_seeds import make_seed
from lab.snapshots import snapshots
from vmlab_guest.apply import PhaseError, apply_seed
from vmlab_guest.errors import ApplyError, HomeAwayError
from vmlab_guest.filling import Filling
from vmlab_guest.home import Home
from vmlab_guest.shares import home, places
from vmlab_guest.shares.follow import Follower
from vmlab_guest.shares.watch import ShareWatch
from vmlab_guest.shares.words import WORDS
from vmlab_protocol.messages import Reason
from vmlab_protocol.phases import Phase
from vmlab_protocol.seed_reader import parse_seed
from vmlab_protocol.share import Share, parse_share, share_json

SHARE_JSON = {"server": "10.77.0.2", "folder": "ada", "is_trainer": False, "is_home": True}
SHARE = parse_share(SHARE_JSON)
SOURCE = "10.77.0.2:/srv/own/ada"
MOUNT = f"mount -t nfs4 -o {places.OPTIONS} {SOURCE} /home/trainee"
LOCAL = "/var/lib/vmlab/home"


def here(server: str, port: int, limit_s: float) -> bool:
    return True


def away(server: str, port: int, limit_s: float) -> bool:
    return False


@pytest.fixture
def system(tmp_path: Path) -> FakeSystem:
    system = FakeSystem(tmp_path / "root")
    system.said["setpriv"] = "".join(f"{name}\n" for name in home.LOCAL)
    (system.root / "etc/machine-id").write_text("0123456789abcdef" * 2 + "\n")
    parameters = system.root / "sys/module/nfs/parameters"
    parameters.mkdir(parents=True)
    (parameters / "nfs4_unique_id").write_text("\n")
    return system


@pytest.fixture
def mounted(system: FakeSystem) -> FakeSystem:
    home.mount_home(system, SHARE, here)
    system.commands.clear()
    return system


def notices(system: FakeSystem) -> list[str]:
    return sorted(p.read_text() for p in (system.root / "run/vmlab/notices.d").glob("*.en"))


def test_a_seed_says_that_the_home_is_there() -> None:
    assert Share(SHARE.server, "ada", is_home=True) == SHARE
    assert share_json(SHARE) == SHARE_JSON
    assert not parse_share({**SHARE_JSON, "is_home": "yes"}).is_home
    assert not parse_share({k: v for k, v in SHARE_JSON.items() if k != "is_home"}).is_home


def test_an_agent_that_knows_no_such_home_refuses_its_seed() -> None:
    """It would make another one, on the system disk."""
    assert make_seed(share=SHARE)["version"] == 2
    assert make_seed(share=Share(SHARE.server, "ada"))["version"] == 1


def test_it_is_mounted_with_folders_of_the_machine_in_it(system: FakeSystem) -> None:
    home.mount_home(system, SHARE, here)
    assert system.commands[0] == "modprobe nfs"
    assert system.commands[1] == MOUNT
    assert system.commands[3:] == [
        f"mount --bind {LOCAL}/.cache /home/trainee/.cache",
        f"mount --bind {LOCAL}/.ipython /home/trainee/.ipython",
        f"mount --bind {LOCAL}/.jupyter /home/trainee/.jupyter",
        f"mount --bind {LOCAL}/.local-share-jupyter /home/trainee/.local/share/jupyter",
        f"mount --bind {LOCAL}/.ssh /home/trainee/.ssh",
    ]
    assert system.owners[f"{LOCAL}/.ssh"] == 1000
    assert home.is_home_remote(system.root)
    assert "directory = *" in (system.root / "etc/gitconfig").read_text()


def test_nobody_writes_to_the_folder_below(system: FakeSystem) -> None:
    home.mount_home(system, SHARE, here)
    assert (system.root / "home/trainee").stat().st_mode & 0o777 == 0o555
    assert system.owners["/home/trainee"] == 0


def test_the_same_seed_again_mounts_nothing(mounted: FakeSystem) -> None:
    home.mount_home(mounted, SHARE, away)
    assert not [c for c in mounted.commands if c.startswith(("mount", "modprobe"))]


def test_what_is_no_folder_in_the_home_is_not_mounted_over(system: FakeSystem) -> None:
    system.said["setpriv"] = ".cache\n/etc\n..\n"
    home.mount_home(system, SHARE, here)
    binds = [c for c in system.commands if c.startswith("mount --bind")]
    assert binds == [f"mount --bind {LOCAL}/.cache /home/trainee/.cache"]
    assert system.owners[f"{LOCAL}/.jupyter"] == 1000, "what the server looks at is there"


def test_a_folder_that_cannot_be_laid_over_does_not_end_a_start(system: FakeSystem) -> None:
    system.fail = {f"mount --bind {LOCAL}/.cache": "no such folder"}
    home.mount_home(system, SHARE, here)
    assert any("no such folder" in line for line in system.logged)


def test_settings_of_git_that_are_there_stay(system: FakeSystem) -> None:
    (system.root / "etc/gitconfig").write_text("mine")
    home.mount_home(system, SHARE, here)
    assert (system.root / "etc/gitconfig").read_text() == "mine"


def test_another_home_is_not_mounted_over(mounted: FakeSystem) -> None:
    other = Share(SHARE.server, "bob", is_home=True)
    with pytest.raises(ApplyError, match=r"/srv/own/ada is mounted there, not .*/srv/own/bob"):
        home.mount_home(mounted, other, here)


@pytest.mark.parametrize(
    ("ask", "fail", "why"),
    [
        (away, {}, "it does not answer"),
        (here, {"mount -t nfs4": "access denied by server"}, "access denied by server"),
        (here, {"setpriv": "took longer than 20 s"}, "stopped to answer"),
    ],
)
def test_without_the_server_there_is_no_start_and_the_trainee_reads_why(system, ask, fail, why):
    system.fail = fail
    with pytest.raises(HomeAwayError, match=why):
        home.mount_home(system, SHARE, ask)


def test_a_seed_that_finds_no_home_says_so_with_its_reason(system: FakeSystem) -> None:
    system.add_card("enp0s3", 2)
    system.start_zygote()
    seed = parse_seed(make_seed(share=SHARE) | {"mounts": []})
    with pytest.raises(PhaseError) as caught:
        apply_seed(system, seed, 0, Courses(), lambda phase: None, ask=away)
    assert (caught.value.phase, caught.value.reason) == (Phase.MOUNTS, Reason.HOME_AWAY)
    assert system.servers == []
    apply_seed(system, seed, 0, Courses(), lambda phase: None, ask=here)
    assert len(system.servers) == 1
    assert system.commands.count(MOUNT) == 1


class Courses:
    """Delivers nothing."""

    def follow(self, env: dict[str, str]) -> None:
        """Do nothing."""


def test_the_server_may_come_while_one_waits(system: FakeSystem) -> None:
    is_there = []
    system.late = [lambda: is_there.append(True)]
    home.mount_home(system, SHARE, lambda *_: bool(is_there))
    assert MOUNT in system.commands


def test_nothing_of_the_agent_touches_a_home_that_may_hang(mounted: FakeSystem) -> None:
    Filling(mounted).look()
    Home(mounted).recover()
    with pytest.raises(ApplyError, match="no volume is mounted"):
        Home(mounted).freeze(5)
    watch = ShareWatch(mounted, SHARE, away)
    watch.begin()
    assert mounted.commands == []
    assert not (mounted.root / "home/trainee/shared").is_symlink()  # made when it was mounted


def test_a_server_that_is_away_is_told_with_what_waits(mounted: FakeSystem) -> None:
    answers = [True]
    watch = ShareWatch(mounted, SHARE, lambda *_: answers[0])
    watch.begin()
    watch.look()
    answers[0] = False
    mounted.tick_ns += 10 * 10**9
    watch.look()
    assert notices(mounted) == [f"{WORDS[True].away.en}\n"]
    answers[0] = True
    watch.look()
    assert notices(mounted) == [f"{WORDS[True].back.en}\n"]


def test_a_full_home_is_told_as_what_it_is(mounted: FakeSystem) -> None:
    watch = ShareWatch(mounted, SHARE, here)
    watch.begin()
    mounted.stat_f = "4096 1000 0"
    watch.look()
    assert notices(mounted)[0].startswith("Your home folder is full (3.9 MiB).")


def test_earlier_states_are_asked_of_a_facilitator(mounted, monkeypatch, capsys) -> None:
    monkeypatch.setenv("VMLAB_ROOT", str(mounted.root))
    snapshots()
    assert "on the class's file server" in capsys.readouterr().out


def follower(system: FakeSystem, ask) -> Follower:
    (system.root / "run/vmlab").mkdir(parents=True, exist_ok=True)
    (system.root / "run/vmlab/share.json").write_text(
        '{"server": "10.77.0.2", "folder": "ada", "is_home": true}'
    )
    return Follower(system, ask)


def test_before_it_powers_off_everything_arrives_and_the_home_stays(mounted: FakeSystem) -> None:
    follower(mounted, here).leave()
    assert mounted.commands == ["sync -f /home/trainee"]
    assert home.is_home_remote(mounted.root)


@pytest.mark.parametrize("ask", [away, here])
def test_a_server_that_is_away_does_not_keep_it_from_powering_off(mounted, ask):
    mounted.fail = {"sync": "took longer than 10 s"}
    follower(mounted, ask).leave()
    gone = [c for c in mounted.commands if c.startswith("umount")]
    assert gone == [
        "umount -i -l /home/trainee/.ssh",
        "umount -i -l /home/trainee/.local/share/jupyter",
        "umount -i -l /home/trainee/.jupyter",
        "umount -i -l /home/trainee/.ipython",
        "umount -i -l /home/trainee/.cache",
        "umount -i -f -l /home/trainee",
    ]
