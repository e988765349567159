"""A class with a file server: ada, bob and the trainer eve, in two machines.

One is the server; the other one is ada's desk, and has ada's node, bob and eve in namespaces with
addresses of their own, behind the same card.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from pathlib import Path

from vm.nfs_pair import SmallMachine
from vmlab.images.store import ImageStore
from vmlab.paths import default_paths
from vmlab_protocol.share import Roster, Sharer

ADDRESS = IPv4Interface("10.77.0.2/16")
SERVER = ADDRESS.ip
DESK = IPv4Address("10.77.1.1")
OTHERS = {"node": "10.77.1.2", "bob": "10.77.2.1", "eve": "10.77.9.1"}
MOUNT = "mount -t nfs4 -o vers=4.2,hard,timeo=600,retrans=2,noresvport,nosuid,nodev"
MINE = "/run/vmlab/share/here/mine"
QUOTA_MIB = 24
ROSTER = Roster(
    serial=1,
    readers=IPv4Network("10.77.0.0/16"),
    shared_quota_mib=64,
    sharers=(
        Sharer("ada", (DESK, IPv4Address(OTHERS["node"])), QUOTA_MIB),
        Sharer("bob", (IPv4Address(OTHERS["bob"]),), QUOTA_MIB),
        Sharer("eve", (IPv4Address(OTHERS["eve"]),), QUOTA_MIB, is_trainer=True),
    ),
)
ADA_ID, BOB_ID = 2001, 2002
"""Their numbers on the server, in the order in which their folders are made."""


@contextmanager
def start_class() -> Generator[tuple[SmallMachine, SmallMachine]]:
    """Start both machines; the server has not got its roster yet."""
    image = ImageStore(default_paths().images).find("server")
    folder = Path(tempfile.mkdtemp(prefix="vmlab-nfs-"))
    wires = folder / "wire1", folder / "wire2"
    server = SmallMachine(folder / "server", "server", image, *wires)
    server.add_volume(256)
    client = SmallMachine(folder / "client", "desk-ada", image, *reversed(wires))
    try:
        server.power_on()
        client.power_on()
        server.seed(1, address=ADDRESS)
        _make_people(client)
        yield server, client
    finally:
        client.kill()
        server.kill()
        shutil.rmtree(folder)


def _make_people(client: SmallMachine) -> None:
    """Give ada's desk the machine's own address, and the others namespaces behind the same card."""
    client.run(
        "ip link add br0 type bridge && ip link set eth1 master br0 && ip link set eth1 up && "
        f"ip addr add {DESK}/16 dev br0 && ip link set br0 up"
    )
    for name, address in OTHERS.items():
        client.run(
            f"ip netns add {name} && ip link add {name} type veth peer name card netns {name} && "
            f"ip link set {name} master br0 up && "
            f"ip -n {name} addr add {address}/16 dev card && ip -n {name} link set card up "
            # a name of its own for the client of this namespace, as another machine has
            f"&& modprobe nfs && ip netns exec {name} sh -c "
            f"'echo {name} > /sys/fs/nfs/net/nfs_client/identifier' && mkdir -p /mnt/{name}"
        )


def mount_as(name: str, path: str, target: str) -> str:
    """Return the command with which somebody mounts a folder of the server."""
    return f"mkdir -p {target} && nsenter --net=/run/netns/{name} {MOUNT} {SERVER}:{path} {target}"


def used_kib(server: SmallMachine, project: int) -> int:
    """Return what counts for this project's quota."""
    rows = server.run("repquota -P -v -n /srv").splitlines()
    (row,) = [row.split() for row in rows if row.startswith(f"#{project} ")]
    return int(row[2])
