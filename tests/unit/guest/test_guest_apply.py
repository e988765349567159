"""The whole sequence of a seed, on a fake machine below a temporary folder."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from shutil import rmtree
from typing import Any
from uuid import UUID

import pytest

from fakes.fake_system import FakeSystem
from fakes.guest_seeds import (
    CARD,
    CERTIFICATE,
    ENV,
    KIN,
    NOW_NS,
    PRIVATE_KEY,
    PUBLIC_KEY,
    TOKEN,
    make_seed,
)
from vmlab_guest.apply import PhaseError, apply_seed, is_seeded, read_hub_env
from vmlab_guest.errors import ApplyError
from vmlab_guest.identity import is_parked
from vmlab_guest.keys import change_keys
from vmlab_guest.park import park, warm
from vmlab_guest.server_request import ServerRequest
from vmlab_protocol.phases import Phase
from vmlab_protocol.seed_reader import SeedError, parse_seed

ORDER = ["identity", "keys", "network", "mounts", "exercises", "server"]


class Recorder:
    """Stands where the delivery of courses stands."""

    def __init__(self) -> None:
        self.envs: list[dict[str, str]] = []

    def follow(self, env: dict[str, str]) -> None:
        self.envs.append(env)


@pytest.fixture
def system(tmp_path: Path) -> FakeSystem:
    system = FakeSystem(tmp_path / "root")
    system.add_card("lo", 1, real=False)
    system.add_card("enp0s3", 2)
    system.add_disk("vdb", "home")
    system.start_zygote()
    return system


def apply(system: FakeSystem, courses: Recorder | None = None, **changes: object) -> list[str]:
    phases: list[Phase] = []
    seed = parse_seed(make_seed(**changes))
    apply_seed(system, seed, system.monotonic_ns(), courses or Recorder(), phases.append)
    return [phase.value for phase in phases]


def offline_files(system: FakeSystem) -> list[Path]:
    return [
        system.root / name
        for name in (
            "etc/apt/apt.conf.d/50vmlab-offline",
            "etc/profile.d/vmlab-offline.sh",
            "etc/pip.conf",
        )
    ]


def test_a_machine_without_internet_says_so_as_long_as_that_is_so(system: FakeSystem) -> None:
    apply(system)
    assert not any(path.exists() for path in offline_files(system))
    apply(system, dns=())
    assert all(path.exists() for path in offline_files(system))
    assert "nameserver" not in (system.root / "etc/resolv.conf").read_text()
    apply(system)
    assert not any(path.exists() for path in offline_files(system))


def test_a_file_of_the_trainees_own_stays(system: FakeSystem) -> None:
    own = system.root / "etc/pip.conf"
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_text("[global]\nindex-url = http://mirror\n")
    apply(system)
    apply(system, dns=())
    assert "mirror" in own.read_text()


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_first_seed_makes_the_machine_its_own(system: FakeSystem) -> None:
    courses = Recorder()
    assert apply(system, courses) == ORDER
    root = system.root
    assert system.randomness == [bytes(range(64))]
    assert system.clock_sets == [NOW_NS]
    assert (root / "etc/machine-id").read_text() == "0" * 31 + "a\n"
    assert (root / "etc/hostname").read_text() == "desk-ada\n"
    assert (root / "etc/hosts").read_text() == "127.0.0.1\tlocalhost\n127.0.1.1\tdesk-ada\n"
    assert system.host_names == ["desk-ada"]
    key = root / "etc/ssh/ssh_host_ed25519_key"
    assert (key.read_text(), mode(key)) == (PRIVATE_KEY, 0o600)
    keys = root / "etc/ssh/authorized_keys.d/trainee"
    assert (keys.read_text(), mode(keys)) == (PUBLIC_KEY + "\n", 0o644)
    for user in ("trainee", "root"):
        assert (root / "etc/ssh/own_keys.d" / user).read_text() == ""
    assert system.addresses[2] == ["10.0.2.15/24"]
    assert system.gateways[2] == "10.0.2.2"
    assert (root / "etc/resolv.conf").read_text() == "nameserver 10.0.2.3\n"
    mount = "mount -t ext4 -o nodev,nosuid,discard /dev/vdb /home/trainee"
    assert system.commands.index("e2fsck -p /dev/vdb") < system.commands.index(mount)
    assert (root / "home/trainee/.bashrc").read_text() == "# skel\n"
    assert system.owners["/home/trainee"] == system.owners["/home/trainee/.bashrc"] == 1000
    assert courses.envs == [ENV]
    request = root / "run/vmlab/server.json"
    assert (mode(request), TOKEN in request.read_text()) == (0o600, True)
    assert system.servers == [ServerRequest(ENV, ("--HubOAuth.base_url=/user/ada/",))]
    assert (root / "run/vmlab/language").read_text() == "fr\n"
    assert "export LANGUAGE=fr" in (root / "etc/profile.d/vmlab-language.sh").read_text()
    assert system.units == {"ssh.service": 1, "systemd-journald.service": 1}
    starts = [c for c in system.commands if c.startswith("systemctl")]
    restart = "systemctl restart --no-block"
    assert sorted(starts) == [f"{restart} ssh.service", f"{restart} systemd-journald.service"]
    assert system.commands.index("zygote launch") < system.commands.index(starts[0])
    assert is_seeded(system)
    assert read_hub_env(system)["JUPYTERHUB_API_TOKEN"] == TOKEN


def test_a_machine_beside_others_logs_in_to_them(system: FakeSystem) -> None:
    apply(system, kin=KIN, certify=lambda _public: CERTIFICATE)
    root = system.root
    for user, uid in (("trainee", 1000), ("root", 0)):
        key = root / "run/vmlab/kin" / user
        assert (key.read_text(), mode(key)) == (KIN.private, 0o600)
        assert system.owners[f"/run/vmlab/kin/{user}"] == uid
    known = (root / "etc/ssh/vmlab_known_hosts").read_text().splitlines()[-1]
    machines = "desk-ada-0123456789ab,node1-ada-0123456789ab"
    assert known == f"@cert-authority {machines} {KIN.authority}"
    config = (root / "etc/ssh/ssh_config.d/10-vmlab.conf").read_text()
    assert "Host node1 node1.t01\n    HostKeyAlias node1-ada-0123456789ab\n" in config
    assert "Host desk desk-t01 node1 node1.t01\n    IdentityFile /run/vmlab/kin/%u\n" in config
    assert "StrictHostKeyChecking yes" in config
    daemon = (root / "etc/ssh/sshd_config.d/10-vmlab.conf").read_text()
    assert "HostCertificate /etc/ssh/ssh_host_ed25519_key-cert.pub\n" in daemon
    assert (root / "etc/ssh/ssh_host_ed25519_key-cert.pub").read_text() == f"{CERTIFICATE}\n"


@pytest.mark.attack("ssh.kin", "looks for the machines' key in files, commands and logs")
def test_the_key_to_other_machines_is_in_memory_only(system: FakeSystem, tried: Any) -> None:
    apply(system, kin=KIN)
    secret = KIN.private.splitlines()[1]
    holders = [
        path.relative_to(system.root)
        for path in system.root.rglob("*")
        if path.is_file() and secret in path.read_text(errors="replace")
    ]
    assert sorted(map(str, holders)) == ["run/vmlab/kin/root", "run/vmlab/kin/trainee"]
    assert secret not in "".join(system.commands + system.logged)
    tried(3)


def test_a_machine_that_is_alone_again_forgets_the_others(system: FakeSystem) -> None:
    apply(system, kin=KIN)
    apply(system)
    root = system.root
    assert not list((root / "run/vmlab/kin").iterdir())
    assert not (root / "etc/ssh/vmlab_known_hosts").exists()
    assert not (root / "etc/ssh/ssh_config.d/10-vmlab.conf").exists()


def test_sshd_knows_no_passwords(system: FakeSystem) -> None:
    apply(system)
    daemon = (system.root / "etc/ssh/sshd_config.d/10-vmlab.conf").read_text().splitlines()
    assert {
        "AuthenticationMethods publickey",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PermitEmptyPasswords no",
        "PermitRootLogin prohibit-password",
    } <= set(daemon)


def test_a_machine_without_a_server_is_set_up_and_asks_the_hub_nothing(system: FakeSystem) -> None:
    courses = Recorder()
    assert apply(system, courses, serves=False) == ORDER[:-2]
    assert is_seeded(system)
    assert read_hub_env(system) == {}
    assert courses.envs == []
    assert system.servers == []


def test_the_token_is_only_where_root_reads_it(system: FakeSystem) -> None:
    apply(system)
    holders = [
        path
        for path in system.root.rglob("*")
        if path.is_file() and TOKEN in path.read_text(errors="replace")
    ]
    assert {path.name for path in holders} == {"server.json", "seeded.json"}
    assert {mode(path) for path in holders} == {0o600}
    assert TOKEN not in "".join(system.commands + system.logged)


def test_the_same_seed_again_restarts_nothing(system: FakeSystem) -> None:
    apply(system)
    before = dict(system.units)
    (system.root / "home/trainee/.bashrc").write_text("# mine\n")
    begin = len(system.commands)
    apply(system)
    assert (system.units, len(system.servers)) == (before, 1)
    again = system.commands[begin:]
    assert not [c for c in again if c.startswith(("mount", "e2fsck", "bind")) or "journald" in c]
    assert (system.root / "home/trainee/.bashrc").read_text() == "# mine\n"


def test_a_new_environment_restarts_the_server_only(system: FakeSystem) -> None:
    apply(system)
    courses = Recorder()
    apply(system, courses, env={**ENV, "JUPYTERHUB_API_TOKEN": "another"})
    assert [s.env["JUPYTERHUB_API_TOKEN"] for s in system.servers] == [TOKEN, "another"]
    assert system.units["ssh.service"] == 1
    assert system.units["systemd-journald.service"] == 1
    assert courses.envs[0]["JUPYTERHUB_API_TOKEN"] == "another"
    assert read_hub_env(system)["JUPYTERHUB_API_TOKEN"] == "another"


def test_a_clock_that_is_right_is_left_alone(system: FakeSystem) -> None:
    system.now_ns = NOW_NS + 50_000_000
    apply(system)
    assert system.clock_sets == []


def test_the_clock_counts_the_time_since_the_seed_arrived(system: FakeSystem) -> None:
    seed = parse_seed(make_seed())
    received = system.monotonic_ns()
    system.tick_ns += 3 * 10**9
    apply_seed(system, seed, received, Recorder(), lambda _: None)
    assert system.clock_sets == [NOW_NS + 3 * 10**9]


def test_card_and_disk_may_come_late(tmp_path: Path) -> None:
    system = FakeSystem(tmp_path / "root")
    system.start_zygote()
    system.late = [lambda: system.add_card("eth0", 2), lambda: system.add_disk("vdb", "home")]
    assert apply(system) == ORDER
    assert system.addresses[2] == ["10.0.2.15/24"]


def test_a_machine_joins_its_event(system: FakeSystem) -> None:
    # It came first: a clone's cards come in any order.
    system.add_card("enp0s1", 1, mac=CARD.mac)
    assert apply(system, card=CARD) == ORDER
    assert (system.addresses[2], system.gateways) == (["10.0.2.15/24"], {2: "10.0.2.2"})
    assert system.addresses[1] == ["10.77.1.1/16"]
    assert "route 1 224.0.0.0/4" in system.commands
    root = system.root
    assert (root / "proc/sys/net/ipv6/conf/enp0s1/disable_ipv6").read_text() == "1\n"
    assert (root / "proc/sys/net/ipv6/conf/enp0s3/disable_ipv6").read_text() == "0\n"
    assert system.host_names == ["desk-t01"]
    assert "10.77.1.1\tdesk-t01 desk\t#" in (root / "etc/hosts").read_text()
    assert "nameserver 10.77.0.1\nnameserver 10.0.2.3\n" in (root / "etc/resolv.conf").read_text()
    (server,) = system.servers
    assert server.address == "10.0.2.15"


def test_a_machine_in_an_event_is_seeded_again(system: FakeSystem) -> None:
    system.add_card("enp0s1", 3, mac=CARD.mac)
    apply(system, card=CARD)
    before = (system.root / "etc/hosts").read_text()
    apply(system, card=CARD)
    assert (system.root / "etc/hosts").read_text() == before
    assert len(system.servers) == 1, "its server goes on"
    assert system.addresses == {1: [], 2: ["10.0.2.15/24"], 3: ["10.77.1.1/16"]}


def test_a_machine_that_left_its_event_is_on_its_own(system: FakeSystem) -> None:
    system.add_card("enp0s1", 3, mac=CARD.mac)
    apply(system, card=CARD)
    rmtree(system.root / "sys/class/net/enp0s1")
    apply(system)
    assert (system.root / "etc/resolv.conf").read_text() == "nameserver 10.0.2.3\n"
    assert "10.77.1.1" not in (system.root / "etc/hosts").read_text()
    assert [server.address for server in system.servers] == ["10.0.2.15", "0.0.0.0"]


def test_the_events_card_may_come_late_or_never(system: FakeSystem) -> None:
    system.late = [lambda: system.add_card("enp0s1", 3, mac=CARD.mac)]
    assert apply(system, card=CARD) == ORDER
    rmtree(system.root / "sys/class/net/enp0s1")
    with pytest.raises(
        PhaseError, match="no network card 02:00:0a:4d:01:01 of the event"
    ) as caught:
        apply(system, card=CARD)
    assert caught.value.phase is Phase.NETWORK


def test_without_ipv6_a_machine_joins_its_event(system: FakeSystem) -> None:
    system.add_card("enp0s1", 3, mac=CARD.mac)
    rmtree(system.root / "proc/sys/net/ipv6")
    assert apply(system, card=CARD) == ORDER


@pytest.mark.parametrize(
    ("program", "phase", "begun"),
    [
        ("address", "network", 3),
        ("e2fsck", "mounts", 4),
        ("mount", "mounts", 4),
    ],
)
def test_a_failure_names_its_phase_and_stops(
    system: FakeSystem, program: str, phase: str, begun: int
) -> None:
    system.fail = {program: "the disk is upside down"}
    phases: list[Phase] = []
    with pytest.raises(PhaseError, match="upside down") as caught:
        apply_seed(system, parse_seed(make_seed()), 0, Recorder(), phases.append)
    assert caught.value.phase == phase
    assert [p.value for p in phases] == ORDER[:begun]
    assert not is_seeded(system)
    system.fail = {}
    assert apply(system) == ORDER


def test_a_zygote_that_was_stopped_is_started(system: FakeSystem) -> None:
    (system.root / "run/vmlab/zygote/control").unlink()
    assert apply(system) == ORDER
    assert system.units["vmlab-server.service"] == 1
    assert "start --no-block vmlab-server.service" in "".join(system.commands)


def test_what_can_wait_does_not_fail_a_start(system: FakeSystem) -> None:
    system.fail = {"systemctl": "the bus is late"}
    system.while_pausing = [lambda: None, lambda: None, system.fail.clear]
    assert apply(system) == ORDER
    assert "the bus is late" in "".join(system.logged)
    assert system.pauses == [1.0, 2.0, 4.0], "tried again, and not given up"
    assert system.units["ssh.service"] == 1
    assert system.units["systemd-journald.service"] == 1


def test_a_tool_that_never_works_is_not_tried_for_ever(system: FakeSystem) -> None:
    system.fail = {"systemctl restart --no-block ssh": "no such unit"}
    assert apply(system) == ORDER
    assert "given up after 30 times" in "".join(system.logged)
    assert max(system.pauses) == 60.0
    assert system.units == {"systemd-journald.service": 1}, (
        "does not keep other units from starting"
    )


def test_parking_makes_a_dry_run_and_forgets(system: FakeSystem) -> None:
    seed = system.root / "var/lib/systemd/random-seed"
    seed.parent.mkdir(parents=True)
    seed.write_text("x")
    system.boot_state = "degraded"
    park(system)
    assert (system.words, is_parked(system), system.syncs) == (["rehearse"], True, 1)
    assert not seed.exists()
    assert "modprobe --all virtio_net virtio_blk" in system.commands
    warm(system)
    assert system.words == ["rehearse", "rehearse"]


def test_a_clone_gets_a_boot_id_of_its_own_once(system: FakeSystem) -> None:
    park(system)
    assert apply(system) == ORDER
    binds = [c for c in system.commands if c.startswith("bind")]
    assert binds == ["bind /run/vmlab/boot_id /proc/sys/kernel/random/boot_id"]
    assert UUID((system.root / "run/vmlab/boot_id").read_text().strip()).version == 4
    assert not is_parked(system)
    apply(system)
    assert [c for c in system.commands if c.startswith("bind")] == binds


@pytest.mark.parametrize("trouble", ["zygote rehearse", "modprobe", "udevadm"])
def test_a_machine_that_cannot_be_parked_is_none_that_is(system: FakeSystem, trouble: str) -> None:
    system.fail = {trouble: "no"}
    with pytest.raises(ApplyError, match="no"):
        park(system)
    assert not is_parked(system)
    assert not system.halted


def test_device_events_wait_from_parking_until_the_server_serves(system: FakeSystem) -> None:
    park(system)
    assert system.halted == {system.udev_pid}
    held = []
    system.late = [lambda: held.append(set(system.halted))]  # while the server is waited for
    apply(system)
    assert held == [{system.udev_pid}]
    assert not system.halted


def test_a_seed_that_fails_lets_device_events_go_on(system: FakeSystem) -> None:
    park(system)
    system.fail = {"address": "no"}
    with pytest.raises(PhaseError):
        apply(system)
    assert not system.halted


def test_without_udev_no_machine_is_parked(system: FakeSystem) -> None:
    system.udev_pid = 0
    with pytest.raises(ApplyError, match=r"systemd-udevd\.service does not run"):
        park(system)
    assert not is_parked(system)


def test_a_boot_that_never_ends_is_not_parked(system: FakeSystem) -> None:
    system.boot_state = "starting"
    with pytest.raises(ApplyError, match="the boot was not over"):
        park(system)


def test_no_card_and_no_disk_are_said(tmp_path: Path) -> None:
    system = FakeSystem(tmp_path / "root")
    with pytest.raises(PhaseError, match="no network card appeared"):
        apply(system)
    system.add_card("eth0", 2)
    with pytest.raises(PhaseError, match="virtio-home for /home/trainee did not appear"):
        apply(system)


def test_another_file_system_at_the_place_is_a_conflict(system: FakeSystem) -> None:
    with (system.root / "proc/self/mountinfo").open("a") as stream:
        stream.write("31 22 0:40 / /home/trainee rw - nfs server:/x rw\n")
    with pytest.raises(PhaseError, match="server:/x is mounted there"):
        apply(system)


def test_a_used_home_gets_no_skel(system: FakeSystem) -> None:
    (system.root / "home/trainee/thesis.tex").write_text("work")
    apply(system)
    assert not (system.root / "home/trainee/.bashrc").exists()


def test_a_link_in_the_volume_does_not_lead_root_out(system: FakeSystem) -> None:
    skel = system.root / "etc/skel/.config"
    skel.mkdir()
    (skel / "settings").write_text("x")
    (system.root / "home/trainee/.config").symlink_to(system.root / "etc")
    apply(system)
    assert not (system.root / "etc/settings").exists()


def test_a_transient_machine_id_is_taken_off(system: FakeSystem) -> None:
    with (system.root / "proc/self/mountinfo").open("a") as stream:
        stream.write("32 22 0:25 /machine-id /etc/machine-id ro - tmpfs tmpfs rw\n")
    apply(system)
    assert "umount /etc/machine-id" in system.commands


def test_notices_for_notebooks_and_terminals(system: FakeSystem) -> None:
    apply(system)
    run = system.root / "run/vmlab"
    (notice,) = json.loads((run / "notices.json").read_text())
    assert (notice["en"], notice["fr"]) == ("The system is new.", "Le système est neuf.")
    assert (run / f"notices.d/{notice['id']}.fr").read_text() == "Le système est neuf.\n"
    assert (run / "language").read_text() == "fr\n"
    assert system.owners["/run/vmlab/notices-seen"] == 1000
    apply(system, notices=())
    assert json.loads((run / "notices.json").read_text()) == []
    assert list((run / "notices.d").iterdir()) == []


def test_the_trainee_s_own_keys_open_their_user_and_root(system: FakeSystem) -> None:
    apply(system, keys=(PUBLIC_KEY,))
    own = system.root / "etc/ssh/own_keys.d"
    for user in ("trainee", "root"):
        assert (own / user).read_text() == f"{PUBLIC_KEY}\n"
    assert not (system.root / "etc/ssh/authorized_keys.d/root").exists(), "the operator's does not"
    settings = (system.root / "etc/ssh/sshd_config.d/10-vmlab.conf").read_text().splitlines()
    assert "PermitRootLogin prohibit-password" in settings
    assert "PasswordAuthentication no" in settings
    assert change_keys(system, {"keys": []}) == {"type": "keyed"}
    assert [(own / user).read_text() for user in ("trainee", "root")] == ["", ""]


@pytest.mark.parametrize(
    "keys",
    [None, "ssh-ed25519 AAAA", [1], ['command="rm" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA'],
     [f"{PUBLIC_KEY}\n{PUBLIC_KEY}"], [PUBLIC_KEY] * 101],
)  # fmt: skip
def test_what_is_not_a_list_of_keys_changes_nothing(system: FakeSystem, keys: object) -> None:
    apply(system, keys=(PUBLIC_KEY,))
    with pytest.raises(SeedError):
        change_keys(system, {"keys": keys})
    assert (system.root / "etc/ssh/own_keys.d/root").read_text() == f"{PUBLIC_KEY}\n"
