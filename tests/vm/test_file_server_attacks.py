"""Attacks on the file server of an event, real: root in a machine against server and other people.

The tests stand in any order: each cleans up after itself. What keeps addresses to their machines is
the event's network (`event.frames`); here everybody has their own.
"""

from __future__ import annotations

import pytest

from fakes.waiting import wait_until
from vm.nfs_class import (
    ADA_ID,
    BOB_ID,
    MINE,
    QUOTA_MIB,
    ROSTER,
    SERVER,
    mount_as,
    start_class,
    used_kib,
)
from vm.nfs_pair import MIB
from vmlab_protocol.share import Share

pytestmark = [pytest.mark.vm, pytest.mark.timeout(1500)]

LIMIT_S = 240
BOB = "/mnt/bob/mine"
# Numbers that a request may claim (AUTH_SYS): root, the server's own, another trainee, a trainer.
CLAIMS = (0, 1, 1000, 2000, BOB_ID, 2003, 65534)
ANY = range(256)


@pytest.fixture(scope="module")
def pair():
    with start_class() as (server, client):
        server.serve(ROSTER)
        client.seed(2, share=Share(SERVER, "ada"))
        wait_until(
            lambda: client.run("readlink /run/vmlab/shared").strip().endswith("/here"), LIMIT_S
        )
        client.run(mount_as("bob", "/srv/own/bob", BOB))
        client.run(f"echo secret > {BOB}/exam && chmod 600 {BOB}/exam")
        yield server, client


@pytest.fixture(scope="module")
def server(pair):
    return pair[0]


@pytest.fixture(scope="module")
def client(pair):
    return pair[1]


def claim(number: int, command: str) -> str:
    """Return a command as somebody whose requests claim this user, and all groups that matter."""
    return f"setpriv --reuid {number} --regid {number} --groups 0,2000,{BOB_ID} {command}"


@pytest.mark.attack("files.identity", "claims other users and groups in its requests")
def test_what_a_request_claims_to_be_changes_nothing(server, client, tried):
    for number in CLAIMS:
        path = f"{MINE}/by-{number}"
        client.run(claim(number, f"touch {path}"))
        client.run(claim(number, f"chown {BOB_ID}:{BOB_ID} {path}"), ok=(1,))
        owner = server.run(f"stat -c %u:%g /srv/own/ada/by-{number}")
        assert owner == f"{ADA_ID}:{ADA_ID}\n"
    tried(2 * len(CLAIMS))
    client.run(f"rm {MINE}/by-*")


@pytest.mark.attack("files.identity", "makes programs that would run as root, and devices")
def test_nothing_gains_rights_on_the_server(server, client, tried):
    client.run(f"cp /bin/id {MINE}/id && chmod 6755 {MINE}/id")
    client.run(f"setcap cap_setuid+ep {MINE}/id", ok=ANY)
    client.run(f"mknod {MINE}/disk b 254 0", ok=(1,))
    client.run(f"mknod {MINE}/memory c 1 1", ok=(1,))
    tried(4)
    mount = server.run("findmnt -rn -o OPTIONS /srv")
    assert {"nosuid", "nodev"} <= set(mount.strip().split(","))
    assert server.run("stat -c %u /srv/own/ada/id") == f"{ADA_ID}\n"
    assert server.run("find /srv -type b -o -type c") == ""
    client.run(f"rm {MINE}/id")


@pytest.mark.attack("files.others", "mounts, lists, reads and writes what is another trainee's")
def test_another_ones_files_are_out_of_reach(server, client, tried):
    paths = [
        f"{before}{path}"
        for before in ("", "/srv/own/ada/..", "/srv/own/ada/../..")
        for path in ("/srv/own/bob", "/srv/own/eve", "/srv/drop/bob", "/srv/drop", "/srv/.vmlab")
    ]
    for path in (*paths, "/srv/own", "/srv", "/", "/etc", "/srv/own/bob/exam"):
        client.run(
            f"mkdir -p /mnt/x && {{ mount -t nfs4 -o vers=4.2 {SERVER}:{path} /mnt/x && {{ "
            "find /mnt/x -maxdepth 4; cat /mnt/x/exam /mnt/x/bob/exam /mnt/x/srv/own/bob/exam; "
            "touch /mnt/x/own-by-ada /mnt/x/srv/own/bob/own-by-ada; umount -l /mnt/x; }; } "
            "> /run/seen 2>&1",
            ok=ANY,
        )
        assert "secret" not in client.run("cat /run/seen"), path
    tried(len(paths) + 5)
    assert server.run("find / -xdev -name own-by-ada; find /srv -name own-by-ada") == ""


@pytest.mark.attack("files.others", "follows links on the server's side to what is another's")
def test_a_link_leads_nowhere_on_the_server(server, client, tried):
    targets = ("/srv/own/bob", "../bob/exam", "/etc/shadow", "/srv/.vmlab/roster.json", "/")
    for number, target in enumerate(targets):
        client.run(f"ln -s {target} {MINE}/link{number}")
        # A client resolves links by itself: what it finds is its own machine's.
        client.run(f"cat {MINE}/link{number}/exam {MINE}/link{number}", ok=ANY)
    client.run(f"ln /run/vmlab/share.json {MINE}/hard", ok=(1,))  # another file system
    tried(len(targets) + 1)
    # The server walks through nobody's links: roster and quotas are applied again beside them.
    assert server.serve(ROSTER) == ROSTER.serial
    assert server.run("stat -c %u:%a /srv/own/bob /etc/shadow").split()[0] == f"{BOB_ID}:700"
    assert server.run("cat /srv/own/bob/exam") == "secret\n"
    client.run(f"rm {MINE}/link*")


@pytest.mark.attack("files.hand-in", "reads, lists and replaces what was handed in")
def test_what_is_handed_in_is_for_trainers_only(server, client, tried):
    client.run(mount_as("bob", "/srv/drop/bob", "/mnt/bob/drop"))
    client.run("echo his > /mnt/bob/drop/report && chmod 666 /mnt/bob/drop/report")
    drop = "/run/vmlab/share/here/drop"
    client.run(f"echo hers > {drop}/report")
    for number in CLAIMS:
        assert "Permission denied" in client.run(claim(number, f"ls {drop}"), ok=(2,))
    client.run(f"cat {drop}/../bob/report {drop}/bob/report", ok=(1,))
    client.run(f"mount -t nfs4 -o vers=4.2 {SERVER}:/srv/drop/bob /mnt/x", ok=ANY)
    tried(len(CLAIMS) + 3)
    client.run(mount_as("eve", "/srv/drop", "/mnt/eve/drop"))
    assert client.run("cat /mnt/eve/drop/ada/report /mnt/eve/drop/bob/report") == "hers\nhis\n"
    for command in ("rm", "chmod 777", "truncate -s 0"):
        refused = client.run(f"{command} /mnt/eve/drop/ada/report", ok=(1,))
        assert "Read-only file system" in refused
    assert server.run("stat -c %a /srv/drop/ada /srv/drop/bob").split() == ["1733", "1733"]


@pytest.mark.attack(
    "files.shared", "writes to what is shared, as everybody that it can claim to be"
)
def test_what_is_shared_is_written_by_trainers_only(server, client, tried):
    client.run(mount_as("eve", "/srv/shared", "/mnt/eve/shared"))
    client.run("echo read me > /mnt/eve/shared/sheet && chmod 666 /mnt/eve/shared/sheet")
    client.run("mkdir -m 777 /mnt/eve/shared/open")
    everyone = "/run/vmlab/share/here/everyone"
    for number in CLAIMS:
        for command in ("touch", "rm -f", "chmod 777", "truncate -s 0"):
            client.run(claim(number, f"{command} {everyone}/sheet"), ok=(1,))
        client.run(claim(number, f"touch {everyone}/open/x"), ok=(1,))
    tried(5 * len(CLAIMS))
    # Mounted once more, for writing: what counts is what the server allows.
    client.run(f"mkdir -p /mnt/rw && mount -t nfs4 -o vers=4.2,rw {SERVER}:/srv/shared /mnt/rw")
    client.run("touch /mnt/rw/open/x", ok=(1,))
    client.run("umount /mnt/rw")
    assert server.run("cat /srv/shared/sheet; ls -A /srv/shared/open") == "read me\n"


@pytest.mark.attack("files.quota", "fills its folder with bytes, files and folders, in both places")
def test_nobody_takes_more_than_their_quota(server, client, tried):
    limit_kib = QUOTA_MIB * MIB // 1024
    drop = "/run/vmlab/share/here/drop"
    client.run(f"dd if=/dev/zero of={MINE}/big bs=1M count=40 conv=fsync", ok=(1,))
    client.run(f"dd if=/dev/zero of={drop}/big bs=1M count=4 conv=fsync", ok=(1,))
    client.run(f"fallocate -l 100M {MINE}/reserved", ok=(1,))
    client.run(f"cp --reflink=auto {MINE}/big {MINE}/copy", ok=(1,))
    # A project that is another's, or none, would count elsewhere.
    client.run(f"chattr -p {BOB_ID} {MINE}/big", ok=ANY)
    assert used_kib(server, ADA_ID) <= limit_kib
    client.run(f"rm -f {MINE}/big {MINE}/reserved {MINE}/copy {drop}/big")
    wait_until(lambda: used_kib(server, ADA_ID) < 1024, 60)
    most = 64 * QUOTA_MIB
    script = f"mkdir {MINE}/many && cd {MINE}/many && for n in $(seq {most + 50}); do : > $n; done"
    client.run(script, ok=ANY)
    tried(6 + most + 50)
    assert int(server.run("find /srv/own/ada /srv/drop/ada | wc -l")) <= most
    # Nobody else notices.
    client.run(f"dd if=/dev/zero of={BOB}/big bs=1M count=20 conv=fsync && rm {BOB}/big")
    client.run(f"rm -rf {MINE}/many")


@pytest.mark.attack("files.names", "gives files every name that there can be")
def test_no_name_means_anything_to_the_server(server, client, tried):
    names = [
        *(bytes([n]) for n in range(1, 256) if n not in b"/."),
        b"-rf", b"--help", b"$(reboot)", b"`id`", b"a\nb", b"(rw,no_root_squash)", b"#", b"%s%n",
        b"x" * 255, b"\xff" * 255, b"roster.json", b".vmlab", b"vmlab.exports", b"aquota.user",
    ]  # fmt: skip
    script = "; ".join(f"open({name!r}, 'w').close()" for name in names)
    client.run(f"mkdir {MINE}/names && cd {MINE}/names && python3 -c {quoted(script)}")
    tried(len(names))
    before = server.run("exportfs -s; cat /etc/exports.d/vmlab.exports")
    assert server.serve(ROSTER) == ROSTER.serial
    assert server.run("exportfs -s; cat /etc/exports.d/vmlab.exports") == before
    counted = "import os; print(len(os.listdir(b'/srv/own/ada/names')))"
    assert server.run(f"python3 -c {quoted(counted)}") == f"{len(names)}\n"
    client.run(f"rm -rf {MINE}/names")


def quoted(text: str) -> str:
    """Return the text as one word of the shell."""
    return "'" + text.replace("'", "'\\''") + "'"


@pytest.mark.attack("files.server", "reaches everything but NFS on the server")
def test_the_server_answers_nothing_but_nfs(client, tried):
    scan = (
        "import socket\n"
        "for port in [*range(1, 1024), 2049, *range(20048, 20060), 8080, 8888, 32765]:\n"
        "    s = socket.socket(); s.settimeout(3)\n"
        f"    if s.connect_ex(('{SERVER}', port)) == 0: print(port)\n"
    )
    found = client.run(f"python3 -c {quoted(scan)}").split()
    tried(1039)
    # sshd is the operator's way in: without a password, and closed to trainees by the network.
    assert set(found) <= {"22", "2049"}
    for version in ("3", "4.0", "4.1"):
        client.run(
            f"mount -t nfs -o vers={version},soft,timeo=50,retrans=1 {SERVER}:/srv/own/ada /mnt/x",
            ok=(1, 32),
        )
