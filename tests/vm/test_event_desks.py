"""Desks in the networks of two events: real machines, real cards, by the provider alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from ipaddress import IPv4Interface, IPv4Network

import pytest

from fakes.benches import Bench, open_bench, start
from vmlab.model import Card, MachineSpec, NetworkSpec
from vmlab.paths import default_paths
from vmlab.providers.base import KeepsNetworks
from vmlab.providers.qemu.machine.machine import Machine
from vmlab.providers.qemu.provider import QemuProvider
from vmlab.seed import Seed

pytestmark = [pytest.mark.vm, pytest.mark.timeout(900)]

ADDRESSES = IPv4Network("10.77.0.0/16")
CLASS, OTHER = NetworkSpec("class", ADDRESSES), NetworkSpec("other", ADDRESSES)
_LIMIT_S = 300

# As a hub would have it that cannot be reached: the machine's server runs all the same.
ENV = {
    "JUPYTERHUB_ACTIVITY_URL": "http://10.0.2.2:8081/hub/api/users/ada/activity",
    "JUPYTERHUB_API_TOKEN": "secret",
    "JUPYTERHUB_API_URL": "http://10.0.2.2:8081/hub/api",
    "JUPYTERHUB_BASE_URL": "/",
    "JUPYTERHUB_CLIENT_ID": "jupyterhub-user-ada",
    "JUPYTERHUB_HOST": "",
    "JUPYTERHUB_OAUTH_ACCESS_SCOPES": "[]",
    "JUPYTERHUB_OAUTH_CALLBACK_URL": "/user/ada/oauth_callback",
    "JUPYTERHUB_SERVER_NAME": "",
    "JUPYTERHUB_SERVICE_PREFIX": "/user/ada/",
    "JUPYTERHUB_SERVICE_URL": "http://0.0.0.0:8888/user/ada/",
    "JUPYTERHUB_USER": "ada",
}
SEED = Seed(env=ENV, args=("--HubOAuth.base_url=/user/ada/",))

# nc says its host's name to whom connects; the second one, what somebody sends to a group.
SERVE = """
nc -N -l 5000 </etc/hostname &
python3 -c '
import socket
heard = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
heard.bind(("", 5001))
member = socket.inet_aton("239.1.2.3") + bytes(4)
heard.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
print("ready", flush=True)
print("heard", heard.recv(100).decode())
'
wait
"""
MEET = """
hostname
getent hosts desk-t02 desk desk-t01 | tr -s ' '
ping -c 1 -W 10 desk-t02 >/dev/null && echo pinged
nc -w 10 desk-t02 5000
echo several | nc -u -N -w 1 239.1.2.3 5001
for port in 22 8888; do nc -z -w 2 desk-t02 $port && echo open $port; done
ss -Hltn 'sport = :8888' | awk '{print $4}'
ip -4 route show default | cut -d ' ' -f 1-3
"""
STRAY = """
getent hosts desk-t02 || echo unknown
ping -c 1 -W 2 10.77.1.2 >/dev/null || echo silent
nc -z -w 2 10.77.1.2 5000 || echo shut
ip -4 -o addr show to 10.77.0.0/16 | grep -c 10.77.1.3/16
"""


def desk(bench: Bench, number: int, network: NetworkSpec) -> MachineSpec:
    card = Card(
        network,
        mac=f"02:00:0a:4d:01:{number:02x}",
        address=IPv4Interface(f"10.77.1.{number}/16"),
        trainee=f"t{number:02}",
        names=(f"desk-t{number:02}",),
        own_names=("desk",),
    )
    return bench.spec(f"desk-t{number:02}-0", None, card=card, memory_mib=512)


@pytest.fixture
async def bench(desk_image, failed):
    async with open_bench("qemu", default_paths().cache, failed) as made:
        yield replace(made, image=desk_image.name)
        assert isinstance(made.provider, KeepsNetworks)
        for network in await made.provider.networks():
            await made.provider.remove_network(network.name)


@asynccontextmanager
async def shell(
    provider: QemuProvider, spec: MachineSpec, command: str
) -> AsyncIterator[asyncio.StreamReader]:
    """Run a command in the machine; give what it writes."""
    await provider.await_ssh(spec.name)
    process = await asyncio.create_subprocess_exec(
        *provider.ssh_command(spec.name), command, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        yield process.stdout
        await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def run(provider: QemuProvider, spec: MachineSpec, command: str) -> list[str]:
    async with shell(provider, spec, command) as said:
        return (await said.read()).decode().splitlines()


async def test_desks_of_one_event_meet_by_name_and_those_of_another_do_not(bench):
    first, second = desk(bench, 1, CLASS), desk(bench, 2, CLASS)
    stranger = desk(bench, 3, OTHER)
    specs = (first, second, stranger)
    await bench.provider.make_template(replace(first, name="spare", owner="", card=None))
    async with asyncio.timeout(_LIMIT_S):
        await asyncio.gather(*(start(bench.provider, spec, SEED) for spec in specs))
        async with shell(bench.provider, second, SERVE) as served:
            assert await served.readline() == b"ready\n"
            assert await run(bench.provider, stranger, STRAY) == ["unknown", "silent", "shut", "1"]
            assert await run(bench.provider, first, MEET) == [
                "desk-t01",
                "10.77.1.2 desk-t02",
                "10.77.1.1 desk-t01 desk",
                "10.77.1.1 desk-t01 desk",
                "pinged",
                "desk-t02",
                "10.0.2.15:8888",
                "default via 10.0.2.2",
            ]
            assert await served.readline() == b"heard several\n"
    record = Machine.below(bench.settings.state / "machines", first.name).record()
    assert record is not None
    assert record.style == "clone", "its server was made before it had an address"
    await serves(bench, first)


async def serves(bench: Bench, spec: MachineSpec) -> None:
    """See that the hub's side reaches the machine's server."""
    socket = Machine.below(bench.settings.state / "machines", spec.name).server
    reader, writer = await asyncio.open_unix_connection(str(socket))
    writer.write(b"GET /user/ada/api HTTP/1.0\r\n\r\n")
    async with asyncio.timeout(60):
        assert (await reader.readline()).startswith(b"HTTP/1.1 ")
    writer.close()
