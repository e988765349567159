"""Many clones of one template at once: each is itself in all that clones share by birth.

Four in every run, twenty in the long play. They serve both tests of this file, in the order in
which they stand.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from hub.running_hub import RunningHub
from vm.desk import Desk
from vmlab.bench.kernel import (
    Channels,
    ChannelsClosedError,
    execute,
    open_channels,
    start_kernel,
)
from vmlab.hub.access import HubAccess
from vmlab.hub.client import HubClient
from vmlab.lab.lab import load_lab
from vmlab.names import machine_name
from vmlab.paths import default_paths
from vmlab.providers.qemu.provider import QemuProvider
from vmlab.providers.settings import spare_machine
from vmlab.upkeep.stop_all import stop_all

pytestmark = [pytest.mark.vm, pytest.mark.timeout(1800)]

SEATS = [4, pytest.param(20, marks=pytest.mark.long)]
CLOCK_S = 0.5
_LIMIT_S = 900.0

# As the trainee, in a kernel: the server forked it, so all of this has been through the clone.
ASK = """
import json, os, pathlib, random, socket, subprocess, time, uuid
read = lambda name: pathlib.Path(name).read_text().strip()
(secret,) = pathlib.Path(os.environ["JUPYTER_RUNTIME_DIR"]).glob("jupyter_cookie_secret")
clock, parent = time.time(), read(f"/proc/{os.getppid()}/comm")
journal = "sudo -n journalctl --merge --output=cat _SYSTEMD_UNIT=vmlab-server.service"
why = journal + " | grep -v 'imported ahead' | tail -n 40"
print(json.dumps({
    "clock": clock,
    "not forked": "" if parent == "vmlab-kernels" else parent + subprocess.getoutput(why),
    "getrandom": os.getrandom(64).hex(),
    "uuid": str(uuid.uuid4()),
    "random": random.random(),
    "cookie secret": secret.read_text(),
    "machine-id": read("/etc/machine-id"),
    "boot id": read("/proc/sys/kernel/random/boot_id"),
    "MAC": read("/sys/class/net/eth0/address"),
    "host name": socket.gethostname(),
    "SSH host key": read("/etc/ssh/ssh_host_ed25519_key.pub"),
}))
"""


@dataclass(frozen=True)
class Crowd:
    """A hub, and its trainees, all of whose machines run."""

    hub: RunningHub
    trainees: tuple[str, ...]

    @property
    def machines(self) -> set[str]:
        return {machine_name(user) for user in self.trainees}

    @property
    def provider(self) -> QemuProvider:
        return Desk(self.hub, self.trainees[0], default_paths().cache).provider


@pytest.fixture(scope="module", params=SEATS)
def crowd(desk_image, request):
    trainees = tuple(f"trainee{number:02d}" for number in range(1, request.param + 1))
    cache = default_paths().cache
    folder = Path(tempfile.mkdtemp(prefix="vmlab-"))
    folder.chmod(0o711)
    extra = "c.VMSpawner.provider_options = {'start_style': 'clone'}\n"
    with RunningHub(
        folder,
        trainees=trainees,
        provider="qemu",
        cache=cache,
        extra_config=extra,
        hub_lines="one_origin = true",  # the bench's client knows one name
    ) as hub:
        made = Crowd(hub, trainees)
        lab = load_lab(folder / "lab.toml")
        asyncio.run(made.provider.make_template(spare_machine(lab)))
        try:
            asyncio.run(start_all(made))
            yield made
        finally:
            asyncio.run(remove_all(made))  # those of a start that failed would outlive the tests
    shutil.rmtree(folder)


async def remove_all(crowd: Crowd) -> None:
    for machine in crowd.machines:
        await crowd.provider.delete(machine)


async def start_all(crowd: Crowd) -> None:
    async with open_client(crowd.hub, crowd.hub.token) as client, asyncio.timeout(_LIMIT_S):
        await asyncio.gather(*(start(client, user) for user in crowd.trainees))


def open_client(hub: RunningHub, token: str) -> HubClient:
    return HubClient(HubAccess(hub.base_url, token), limit_s=_LIMIT_S)


async def start(client: HubClient, user: str) -> None:
    await client.start_server(user)
    async for _ in client.progress(user):
        pass


async def ask(hub: RunningHub, user: str, slots: asyncio.Semaphore) -> dict[str, object]:
    """Return what one machine says of itself, and between which moments it said it."""
    async with (
        slots,
        open_client(hub, hub.user_token(user)) as client,
        start_kernel(client.session, client.server_url(user)) as kernel,
    ):
        while True:
            # A server that gets no turn for long loses a connection; its kernel lives on.
            with suppress(ChannelsClosedError):
                async with open_channels(client.session, kernel) as socket:
                    return await ask_kernel(socket)


async def ask_kernel(socket: Channels) -> dict[str, object]:
    await collect(socket, "0")  # the kernel is up
    before = time.time()
    said = json.loads(await collect(socket, ASK))
    return {**said, "before": before, "after": time.time()}


async def collect(socket, code: str) -> str:
    return "".join([text async for text in execute(socket, code)])


async def ask_all(crowd: Crowd) -> list[dict[str, object]]:
    slots = asyncio.Semaphore(2)  # kernels that start at once; machines are all up by now
    async with asyncio.timeout(_LIMIT_S):
        return list(await asyncio.gather(*(ask(crowd.hub, u, slots) for u in crowd.trainees)))


def test_clones_at_once_share_nothing_that_is_anybodys(crowd):
    answers = asyncio.run(ask_all(crowd))
    records = (crowd.hub.folder / "machines" / name / "machine.json" for name in crowd.machines)
    assert {json.loads(record.read_text())["style"] for record in records} == {"clone"}
    not_forked = [str(answer["not forked"]) for answer in answers if answer["not forked"]]
    assert not not_forked, "\n".join(not_forked)
    facts = set(answers[0]) - {"clock", "before", "after", "not forked"}
    shared = {fact: len({str(answer[fact]) for answer in answers}) for fact in facts}
    assert shared == dict.fromkeys(facts, len(crowd.trainees))
    for answer in answers:
        assert answer["before"] - CLOCK_S < answer["clock"] < answer["after"] + CLOCK_S


def test_machines_are_taken_down_side_by_side_and_leave_nothing(crowd):
    told = []
    asyncio.run(stop_all(crowd.provider, told.append))
    assert {stopped.machine for stopped in told} == crowd.machines
    assert [stopped for stopped in told if stopped.problem or stopped.forced] == []
    assert asyncio.run(crowd.provider.leftovers()) == []
