"""The file server of an event, real: NFS, quotas and the agents of both sides.

The two machines of `nfs_class` serve all tests, in the order in which they stand; the last ones
stop the server and take its power away while everybody writes.
"""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Interface

import pytest

from fakes.waiting import wait_until
from vm.nfs_class import (
    ADA_ID,
    ADDRESS,
    DESK,
    MINE,
    QUOTA_MIB,
    ROSTER,
    SERVER,
    mount_as,
    start_class,
    used_kib,
)
from vm.nfs_pair import MIB, SmallMachine
from vmlab_guest.shares.home import LOCAL
from vmlab_protocol.machine import HOME
from vmlab_protocol.share import Share

pytestmark = [pytest.mark.vm, pytest.mark.timeout(1500)]

LIMIT_S = 240
WRITERS = 10
AS_ADA = "setpriv --reuid 1000 --regid 1000 --clear-groups"
# Writes numbered lines, each brought to the server before it is noted as written.
WRITER = """
import os, sys
path, noted = sys.argv[1:]
file, note = open(path, "a"), open(noted, "a")
number = 0
while not os.path.exists("/run/enough"):
    file.write(f"{number}\\n"); file.flush(); os.fsync(file.fileno())
    note.write(f"{number}\\n"); note.flush()
    number += 1
"""
# Holds a lock until it is told to look whether it still has it.
HOLDER = """
import fcntl, os, sys, time
file = open(sys.argv[1], "a")
fcntl.lockf(file, fcntl.LOCK_EX)
open("/run/locked", "w").close()
while not os.path.exists("/run/look"): time.sleep(0.2)
file.write("still mine\\n"); file.flush(); os.fsync(file.fileno())
"""
TRY_LOCK = """
import fcntl, sys
fcntl.lockf(open(sys.argv[1], "a"), fcntl.LOCK_EX | fcntl.LOCK_NB)
"""


@pytest.fixture(scope="module")
def pair():
    with start_class() as machines:
        yield machines


@pytest.fixture(scope="module")
def server(pair):
    return pair[0]


@pytest.fixture(scope="module")
def client(pair):
    return pair[1]


def test_a_new_server_takes_its_roster(server):
    assert server.serve(ROSTER) == 1
    assert server.serve(ROSTER) == 1
    later = replace(ROSTER, serial=3)
    assert server.serve(later) == 3
    assert server.serve(replace(ROSTER, serial=2, sharers=())) == 3
    listed = server.run("exportfs -s | cut -d' ' -f1")
    assert set(listed.split()) == {
        "/srv/own/ada", "/srv/own/bob", "/srv/own/eve", "/srv/drop/ada", "/srv/drop/bob",
        "/srv/drop", "/srv/shared",
    }  # fmt: skip
    versions = set(server.run("cat /proc/fs/nfsd/versions").split())
    assert {word for word in versions if word.startswith("+")} == {"+4", "+4.2"}
    assert server.run("cat /proc/fs/nfsd/nfsv4leasetime /proc/fs/nfsd/nfsv4gracetime") == "90\n90\n"


def test_the_agent_mounts_the_folders_of_its_seed(client):
    client.seed(2, share=Share(SERVER, "ada"))
    wait_until(lambda: client.run("readlink /run/vmlab/shared").strip().endswith("/here"), LIMIT_S)
    assert client.run("cat /sys/module/nfs/parameters/nfs4_unique_id") == f"{2:032x}\n"
    assert client.run("ls /home/trainee/shared/").split() == ["drop", "everyone", "mine"]


def test_root_in_a_machine_is_one_trainee_on_the_server(server, client):
    client.run(f"echo ada > {MINE}/hers && ! chown 0 {MINE}/hers")
    assert server.run("stat -c %u:%g:%a /srv/own/ada /srv/own/ada/hers").split() == [
        "2001:2001:700",
        "2001:2001:644",
    ]


@pytest.mark.parametrize(
    "path", ["/srv/own/ada", "/srv/own", "/srv/drop/ada", "/srv/drop", "/srv/.vmlab"]
)
def test_another_ones_folder_is_not_to_be_mounted(client, path):
    listed = client.run(
        f"{mount_as('bob', path, '/mnt/x')} && {{ ls -A /mnt/x; cat /mnt/x/hers /mnt/x/ada/hers; "
        "umount /mnt/x; }",
        ok=range(256),
    )
    assert "ada\n" not in listed.replace("/ada", "")


def test_above_the_folders_one_sees_the_way_to_ones_own_only(client):
    client.run(mount_as("bob", "/", "/mnt/root"))
    assert client.run("cd /mnt/root; find . -maxdepth 3 | sort").split() == [
        ".", "./srv", "./srv/drop", "./srv/drop/bob", "./srv/own", "./srv/own/bob", "./srv/shared",
    ]  # fmt: skip
    client.run("touch /mnt/root/srv/x", ok=(1,))
    client.run("umount /mnt/root")


def test_what_is_shared_is_read_by_all_and_written_by_trainers(client):
    client.run(mount_as("eve", "/srv/shared", "/mnt/eve/shared"))
    client.run("echo read me > /mnt/eve/shared/sheet")
    everyone = "/home/trainee/shared/everyone"
    assert client.run(f"cat {everyone}/sheet") == "read me\n"
    denied = client.run(f"touch {everyone}/x {everyone}/sheet", ok=(1,))
    assert "Read-only file system" in denied


def test_what_is_handed_in_is_for_trainers_only(client):
    drop = "/home/trainee/shared/drop"
    client.run(f"echo mine > {drop}/report; chmod 600 {drop}/report")
    assert "Permission denied" in client.run(f"ls {drop}", ok=(2,))
    client.run(mount_as("eve", "/srv/drop", "/mnt/eve/drop"))
    assert client.run("cat /mnt/eve/drop/ada/report") == "mine\n"
    assert "Read-only" in client.run("touch /mnt/eve/drop/ada/x", ok=(1,))
    client.run(mount_as("bob", "/srv/drop/bob", "/mnt/bob/drop"))
    client.run("echo his > /mnt/bob/drop/report")
    assert client.run("cat /mnt/eve/drop/ada/report /mnt/eve/drop/bob/report") == "mine\nhis\n"


def test_a_quota_is_told_kept_and_free_again_after_rm(server, client):
    block, blocks = map(int, client.run(f"stat -f -c '%S %b' {MINE}").split())
    assert block * blocks == QUOTA_MIB * MIB
    full = client.run(f"dd if=/dev/zero of={MINE}/big bs=1M count=40 conv=fsync", ok=(1,))
    assert "Disk quota exceeded" in full
    # Others are not concerned.
    client.run(mount_as("bob", "/srv/own/bob", "/mnt/bob/mine"))
    other = "/mnt/bob/mine/big"
    client.run(f"dd if=/dev/zero of={other} bs=1M count=10 conv=fsync && rm {other}")
    client.run(f"rm -f {MINE}/big")
    # What this machine has not got to the server yet keeps the file there, as .nfs...: see
    # decision 32. The agent, which has seen that there is little room, brings it there.
    kept = server.run("ls -A /srv/own/ada")
    wait_until(lambda: used_kib(server, ADA_ID) < 1024, 60)
    assert "/.nfs" not in server.run("find /srv/own/ada"), kept
    client.run(f"dd if=/dev/zero of={MINE}/again bs=1M count=15 conv=fsync && rm {MINE}/again")


def begin_writing(client: SmallMachine) -> list[tuple[str, int]]:
    client.run(f"rm -f /run/enough; cat > /run/writer.py <<'END'\n{WRITER}\nEND")
    # Who looks at once must find them, whenever the writers come to write.
    client.run(f"for n in $(seq 0 {WRITERS - 1}); do >> /run/noted$n; done")
    paths = [f"{MINE}/w{n}" for n in range(WRITERS // 2)]
    paths += [f"/mnt/bob/mine/w{n}" for n in range(WRITERS // 2)]
    return [
        (path, client.begin(f"exec python3 /run/writer.py {path} /run/noted{number}"))
        for number, path in enumerate(paths)
    ]


def noted(client: SmallMachine) -> list[int]:
    return [int(n) for n in client.run("cat /run/noted* | wc -l; wc -l < /run/noted0").split()]


def check_written(
    server: SmallMachine, client: SmallMachine, writers: list[tuple[str, int]]
) -> None:
    """See that all writers went on, and that nothing that they had noted is missing."""
    client.run("touch /run/enough")
    for number, (path, pid) in enumerate(writers):
        done = client.finish(pid)
        assert done.status == 0, done
        there = path.replace(MINE, "/srv/own/ada").replace("/mnt/bob/mine", "/srv/own/bob")
        lines = client.run(f"cat /run/noted{number}")
        assert server.run(f"cat {there}") == lines
    client.run(f"rm -f /run/noted* {MINE}/w* /mnt/bob/mine/w*")


def test_a_lock_is_kept_while_the_server_restarts(server, client):
    lock = f"{MINE}/lock"
    for name, text in (("holder", HOLDER), ("try", TRY_LOCK)):
        client.run(f"cat > /run/{name}.py <<'END'\n{text}\nEND")
    client.run(mount_as("node", "/srv/own/ada", "/mnt/node/mine"))
    holder = client.begin(f"exec python3 /run/holder.py {lock}")
    wait_until(lambda: client.run("ls /run/locked 2>/dev/null", ok=(0, 2)), LIMIT_S)
    writers = begin_writing(client)
    wait_until(lambda: noted(client)[0] >= 5 * WRITERS, LIMIT_S)
    server.run("systemctl stop nfs-server && sleep 12 && systemctl start nfs-server")
    before = noted(client)[0]
    wait_until(lambda: noted(client)[0] >= before + 2 * WRITERS, LIMIT_S)
    taken = client.run("python3 /run/try.py /mnt/node/mine/lock", ok=(1,))
    assert "BlockingIOError" in taken
    client.run("touch /run/look")
    assert client.finish(holder).status == 0
    client.run("python3 /run/try.py /mnt/node/mine/lock")
    assert server.run("cat /srv/own/ada/lock") == "still mine\n"
    check_written(server, client, writers)


def test_nothing_acknowledged_is_lost_when_the_server_loses_its_power(server, client):
    writers = begin_writing(client)
    wait_until(lambda: noted(client)[0] >= 5 * WRITERS, LIMIT_S)
    server.kill()
    # The lab goes on: the link is turned, and what people see touches no NFS.
    wait_until(lambda: client.run("readlink /run/vmlab/shared").strip().endswith("/away"), LIMIT_S)
    assert client.run("ls -lL /home/trainee /home/trainee/shared/", limit_s=30)
    assert "file server does not answer" in client.run("cat /run/vmlab/notices.json")
    server.power_on()
    server.seed(1, address=ADDRESS)  # and no word of the hub: it serves what it served
    wait_until(lambda: client.run("readlink /run/vmlab/shared").strip().endswith("/here"), LIMIT_S)
    assert "answers again" in client.run("cat /run/vmlab/notices.json")
    before = noted(client)[0]
    wait_until(lambda: noted(client)[0] >= before + 2 * WRITERS, LIMIT_S)
    check_written(server, client, writers)


def test_a_machine_powers_off_while_the_server_is_away(server, client):
    server.kill()
    client.begin(f"dd if=/dev/zero of={MINE}/late bs=1M count=5 conv=fsync")
    client.power_off(limit_s=LIMIT_S)


def test_a_desk_without_the_server_that_has_its_home_is_not_started(server, client):
    client.power_on()
    home = Share(SERVER, "ada", is_home=True)
    with pytest.raises(AssertionError, match=r"the file server .* it does not answer"):
        client.seed(2, address=IPv4Interface(f"{DESK}/16"), share=home)
    assert client.run("ls -A /home/trainee; stat -c %a:%u /home/trainee").split()[-1] == "555:0"


def test_a_home_on_the_server_is_the_own_folder(server, client):
    server.power_on()
    server.seed(1, address=ADDRESS)
    server.run("rm -rf /srv/own/ada/late")
    client.seed(2, address=IPv4Interface(f"{DESK}/16"), share=Share(SERVER, "ada", is_home=True))
    mounts = client.run("findmnt -rn -o TARGET,SOURCE,FSTYPE | grep ^/home/trainee")
    places = [line.split()[0] for line in mounts.splitlines()]
    assert places == [HOME, *(f"{HOME}/{name}" for name in LOCAL)]
    assert mounts.startswith(f"{HOME} {SERVER}:/srv/own/ada nfs4")
    client.run(f"{AS_ADA} sh -c 'echo hello > ~trainee/report && mkdir ~trainee/.ssh/x'")
    assert server.run("cat /srv/own/ada/report") == "hello\n"
    assert server.run("ls -A /srv/own/ada/.ssh") == ""
    assert client.run(f"readlink {HOME}/shared").strip() == "/run/vmlab/shared"
    wait_until(lambda: client.run("readlink /run/vmlab/shared").strip().endswith("/here"), LIMIT_S)
    assert client.run(f"cat {MINE}/report") == "hello\n"


def test_a_home_waits_for_the_server_and_loses_nothing(server, client):
    """What somebody saves while it is away is there when it is back."""
    server.kill()
    saving = client.begin(f"exec {AS_ADA} sh -c 'echo late > {HOME}/late && sync -f {HOME}/late'")
    told = "file server does not answer, and your files are on it"
    wait_until(lambda: told in client.run("cat /run/vmlab/notices.json", limit_s=30), LIMIT_S)
    # What needs no file of the home goes on, and so does the agent.
    assert client.run("echo on") == "on\n"
    server.power_on()
    server.seed(1, address=ADDRESS)
    assert client.finish(saving, LIMIT_S).status == 0
    assert server.run("cat /srv/own/ada/late") == "late\n"
    server.kill()
    client.power_off(limit_s=LIMIT_S)
