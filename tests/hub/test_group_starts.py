"""A group's start in one process: order, roll-back, and a hub that is killed at every stage.

The provider lives on, as machines do; what starts them is made again each time, as a hub is.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from vmlab.database import SshKey, open_database
from vmlab.errors import (
    GuestError,
    HostError,
    LabError,
    MachineConflictError,
    MachineTimeoutError,
    VolumeNotFoundError,
)
from vmlab.groups.plan import make_server
from vmlab.groups.rules import group_rules
from vmlab.lab.lab import parse_lab
from vmlab.model import MachineState
from vmlab.paths import Paths
from vmlab.people.account_language import open_languages
from vmlab.people.accounts import format_passwords
from vmlab.providers.fake import FakeProvider
from vmlab.providers.fake.faults import START_PHASES
from vmlab.providers.settings import ProviderSettings
from vmlab.seed import Seed
from vmlab.spawning.log import StartLog
from vmlab.spawning.nodes import SingleRestarts
from vmlab.spawning.own_machines import OwnMachines
from vmlab.spawning.settings import SpawnerSettings
from vmlab.spawning.shared_server import shared_start
from vmlab.ssh.marks import PasswordMarks
from vmlab_protocol.notices import Language
from vmlab_protocol.phases import Phase

LAB = """
[machine]
after = ["node2"]
[[node]]
count = 2
volume = "64M"
after = ["server"]
ready = { command = "true" }
[server]
"""
LIMIT_S = 60


class Hub:
    """What a hub's process has: it can be killed, and made again with the same machines."""

    def __init__(self, folder: Path, text: str = LAB) -> None:
        self.folder = folder
        self.rules = group_rules(parse_lab(text, folder / "lab.toml"))
        self.provider = FakeProvider(ProviderSettings("fake", folder, folder))

    def set_faults(self, **faults: object) -> None:
        (self.folder / "fake.json").write_text(json.dumps(faults))

    def machines(self, user: str = "ada") -> OwnMachines:
        """Return a trainee's machines as a hub that has just begun knows them."""
        shared_start.cache_clear()
        spawner = SimpleNamespace(
            user=SimpleNamespace(name=user, settings={}),
            name="",
            server=SimpleNamespace(base_url=f"/user/{user}/"),
            provider=self.provider,
            provider_name="fake",
            rules=self.rules,
            paths=Paths(self.folder, self.folder),
            get_env=lambda: {"JUPYTERHUB_SERVICE_PREFIX": f"/user/{user}/"},
            get_args=list,
            image="desk",
            memory_mib=512,
            cpus=1,
            internet=False,
            internet_names=[],
            volume_mib=64,
            disk_mib_s=0,
            disk_iops=0,
            network_mbit_s=0,
            language="en",
            start_slots=2,
            queue_timeout=LIMIT_S,
            machine_timeout=LIMIT_S,
        )
        return OwnMachines(cast("SpawnerSettings", spawner))

    def new_log(self) -> StartLog:
        return StartLog("en", after=self.rules.after, slots=2)

    async def start(self, own: OwnMachines, log: StartLog | None = None) -> str:
        async with asyncio.timeout(LIMIT_S):
            return await own.start(log or self.new_log(), self.rules.after, ())

    async def states(self) -> dict[str, MachineState]:
        """Return what is there, by the first word of its name."""
        found = await self.provider.status()
        return {name.partition("-")[0]: status.state for name, status in found.items()}

    async def on(self) -> set[str]:
        return {name for name, state in (await self.states()).items() if state.is_on}


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    made = Hub(tmp_path)
    yield made
    await made.provider.close()


ALL = {"desk", "node1", "node2", "server"}


async def test_all_machines_run_and_only_the_desk_is_told_of_the_hub(hub: Hub) -> None:
    log = hub.new_log()
    url = await hub.start(hub.machines(), log)
    await log.end()
    assert url.startswith("http://127.0.0.1:")
    assert await hub.on() == ALL
    assert [track.phase for track in log.tracks.values()] == [Phase.READY] * 4
    events = [event async for event in log.replay()]
    order = [event["machine"] for event in events[:-1] if event["message"].endswith("Ready")]
    assert order[0] == "server"
    assert set(order) == {"server", "node1", "node2"}
    assert not any("TOKEN" in name for name in hub.provider.languages)
    (network,) = await hub.provider.networks()
    assert len(network.machines) == 4


async def test_a_home_on_the_server_takes_no_volume_and_comes_after_the_server(
    tmp_path: Path,
) -> None:
    text = """
[server]
volume = "4G"
files = true
[volume]
size = "64M"
home = "server"
[accounts]
trainees = ["ada"]
"""
    hub = Hub(tmp_path, text)
    try:
        own, log = hub.machines(), hub.new_log()
        await hub.start(own, log)
        await log.end()
        assert await hub.on() == {"desk", "server"}
        with pytest.raises(VolumeNotFoundError):
            await hub.provider.volumes.find(own.volume)
        events = [event async for event in log.replay()]
        ready = [e["machine"] for e in events if e.get("message", "").endswith("Ready")]
        assert ready[0] == "server"
        # Somebody who is in no list of the lab has no folder there, and so a volume.
        stranger = hub.machines("stranger")
        await hub.start(stranger)
        assert (await hub.provider.volumes.find(stranger.volume)).size_mib == 64
    finally:
        await hub.provider.close()


async def test_what_is_stopped_needs_no_memory_of_the_start(hub: Hub) -> None:
    await hub.start(hub.machines())
    own = hub.machines()
    await own.stop(hub.rules.own_machines(own.desk), now=False)
    assert await hub.on() == {"server"}


async def test_a_second_trainee_shares_the_server_that_runs(hub: Hub) -> None:
    hub.set_faults(journal=True)
    await asyncio.gather(hub.start(hub.machines()), hub.start(hub.machines("bob")))
    journal = (hub.folder / "fake-journal.jsonl").read_text()
    lines = [json.loads(line) for line in journal.splitlines()]
    begun = [line["machine"] for line in lines if line["event"] == "begin"]
    assert sum(name.startswith("server-") for name in begun) == 1
    assert len(begun) == len(set(begun)) == 7


async def test_one_that_fails_ends_the_start_of_all_but_not_the_server(hub: Hub) -> None:
    hub.set_faults(fail_at="mounts", only="node2-")
    own = hub.machines()
    with pytest.raises(GuestError, match="node2-ada"):
        await hub.start(own)
    await own.stop(hub.rules.own_machines(own.desk), now=False)  # as the spawner does
    assert await hub.on() == {"server"}
    assert "desk" not in await hub.states(), "its turn never came"
    hub.set_faults()
    await hub.start(own)
    assert await hub.on() == ALL


async def test_a_server_that_does_not_start_is_off_and_tried_again_by_the_next(hub: Hub) -> None:
    hub.set_faults(fail_at="boot", only="server-")
    with pytest.raises(GuestError, match="server-lab"):
        await hub.start(hub.machines())
    assert await hub.on() == set()
    hub.set_faults()
    await hub.start(hub.machines("bob"))
    assert "server" in await hub.on()


async def test_who_is_cancelled_while_the_server_starts_does_not_end_it_for_others(
    hub: Hub,
) -> None:
    hub.set_faults(delays_s={"boot": 0.2})
    first, second = hub.machines(), hub.machines("bob")
    starts = [asyncio.create_task(hub.start(own)) for own in (first, second)]
    await until(lambda: shared_start(hub.rules.server_machine).is_under_way)
    starts[0].cancel()
    with pytest.raises(asyncio.CancelledError):
        await starts[0]
    await starts[1]
    assert await hub.on() == ALL


async def test_a_node_that_never_gets_ready_is_told_by_its_name(tmp_path: Path) -> None:
    hub = Hub(tmp_path, "[[node]]\nready = { port = 9000, within = 1 }")
    hub.set_faults(runs={"ss -Hltn 'sport = :9000' | grep -q .": {"status": 1, "output": "no"}})
    with pytest.raises(MachineTimeoutError, match="not ready within 1 s by port 9000") as caught:
        await hub.start(hub.machines())
    assert caught.value.public is not None
    assert "node was not ready in time" in caught.value.public.en
    await hub.provider.close()


async def until(question: Callable[[], bool]) -> None:
    """Return when the answer is yes."""
    async with asyncio.timeout(LIMIT_S):
        while not question():  # noqa: ASYNC110 - nobody announces it
            await asyncio.sleep(0.001)


async def kill_at(hub: Hub, machine: str, phase: str) -> None:
    """Begin a start, and kill the hub when this machine is in this phase."""
    hub.set_faults(hang_at=phase, only=machine)
    own, log = hub.machines(), hub.new_log()
    start = asyncio.create_task(hub.start(own, log))
    label = machine.rstrip("-")
    while log.tracks[label].phase != phase:
        assert not start.done(), start
        await asyncio.sleep(0.001)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    task = shared_start(hub.rules.server_machine)._task
    if task is not None and not task.done():  # it goes on without whoever began it; not so here
        task.cancel()
        await asyncio.wait([task])
    hub.set_faults()


STAGES = [
    (machine, phase)
    for machine in ("server-", "node1-", "desk-")
    for phase in (START_PHASES if machine == "desk-" else START_PHASES[:-2])
]


@pytest.mark.parametrize(("machine", "phase"), STAGES)
async def test_a_hub_that_was_killed_in_the_middle_resumes(
    hub: Hub, machine: str, phase: str
) -> None:
    await kill_at(hub, machine, phase)
    before = set(await hub.provider.status())
    await hub.start(hub.machines())
    after = await hub.provider.status()
    assert before <= set(after), "no other machine was made instead"
    assert await hub.on() == ALL
    volumes = await hub.provider.volumes.all()
    assert len(volumes) == 3
    assert {volume.holder for volume in volumes} <= set(after)


async def test_a_hub_that_was_killed_while_a_node_was_not_ready_resumes(hub: Hub) -> None:
    hub.set_faults(runs={"true": {"status": 1, "output": "not yet"}})
    own, log = hub.machines(), hub.new_log()
    start = asyncio.create_task(hub.start(own, log))
    await until(lambda: log.tracks["node1"].phase is Phase.SERVER)
    start.cancel()
    with pytest.raises(asyncio.CancelledError):
        await start
    hub.set_faults()
    await hub.start(hub.machines())
    assert await hub.on() == ALL
    (network,) = await hub.provider.networks()
    assert len(network.machines) == 4


async def test_a_network_that_is_removed_in_the_middle_of_a_start(hub: Hub) -> None:
    hub.set_faults(delays_s={"boot": 0.2})
    own, log = hub.machines(), hub.new_log()
    start = asyncio.create_task(hub.start(own, log))
    await until(lambda: log.tracks["server"].phase is Phase.BOOT)
    (network,) = await hub.provider.networks()
    await hub.provider.remove_network(network.name)
    await start
    assert await hub.on() == ALL
    (network,) = await hub.provider.networks()
    assert len(network.machines) == 3, "all who came later; the board tells of the server"


async def test_a_network_that_cannot_be_made_fails_the_start_and_leaves_nothing(hub: Hub) -> None:
    hub.set_faults(no_network="user namespaces are forbidden")
    with pytest.raises(HostError, match=r"network 'event-lab.*user namespaces are forbidden"):
        await hub.start(hub.machines())
    assert await hub.on() == set()


async def test_two_machines_of_one_name_are_refused_by_name(hub: Hub) -> None:
    await hub.start(hub.machines())
    (network,) = await hub.provider.networks()
    server = make_server(hub.rules)
    assert server is not None
    twin = replace(server.spec, name="server-twin-0", volume=None)
    seed = Seed(env={}, language="en", serves=False)
    with pytest.raises(
        MachineConflictError, match=r"server-twin-0: server-.* has the name 'server'"
    ):
        async for _ in hub.provider.start(twin, seed):
            pass
    assert (await hub.provider.networks()) == [network]


async def test_a_server_whose_volume_is_held_elsewhere_says_by_whom(tmp_path: Path) -> None:
    hub = Hub(tmp_path, '[server]\nvolume = "64M"\n[machine]\nafter = ["server"]')
    server = make_server(hub.rules)
    assert server is not None
    other = replace(server.spec, name="server-old-0", card=None)
    seed = Seed(env={}, language="en", serves=False)
    async for _ in hub.provider.start(other, seed):
        pass
    with pytest.raises(MachineConflictError, match="server-old-0") as caught:
        await hub.start(hub.machines())
    assert caught.value.public is not None
    assert await hub.on() == {"server"}, "the one that holds it; of the start nothing is left"
    assert (await hub.provider.status())[server.spec.name].state is not MachineState.RUNNING
    await hub.provider.stop("server-old-0")
    await hub.start(hub.machines())
    await hub.provider.close()


async def test_one_node_is_restarted_while_the_others_go_on(hub: Hub) -> None:
    own = hub.machines()
    await hub.start(own)
    before = await hub.provider.status()
    await own.restart_node("node1")
    after = await hub.provider.status()
    changed = {name for name in after if after[name].since != before[name].since}
    assert changed == {own.nodes["node1"]}
    name = await own.restart_node("node1", renew=True)
    assert [kept.name for kept in await hub.provider.list_aside()] == [name]
    assert [kept.machine for kept in await hub.provider.list_aside()] == [own.nodes["node1"]]
    assert await hub.on() == ALL


async def test_whoever_comes_while_the_server_is_restarted_waits_for_the_new_one(hub: Hub) -> None:
    own, other = hub.machines(), hub.machines("bob")
    await hub.start(own)
    server = hub.rules.server_machine
    before = (await hub.provider.status())[server].since
    hub.set_faults(delays_s={"stop": 0.2}, journal=True)
    own.begin_server_restart()
    await until(lambda: shared_start(server).is_under_way)
    with pytest.raises(MachineConflictError, match="being started"):
        other.begin_server_restart()
    await hub.start(other)
    assert (await hub.provider.status())[server].since != before
    journal = (hub.folder / "fake-journal.jsonl").read_text()
    lines = [json.loads(line) for line in journal.splitlines()]
    begun = [line["machine"] for line in lines if line["event"] == "begin"]
    assert begun.count(server) == 1


async def test_the_trainee_s_keys_open_all_of_their_machines_and_not_the_server(hub: Hub) -> None:
    keys = open_database(hub.folder / "vmlab.sqlite").ssh_keys
    (hub.folder / "accounts.toml").write_text(format_passwords({"ada": "rivo-dasu-pena-47"}))
    mark = PasswordMarks(Paths(hub.folder, hub.folder)).of("ada")
    keys.add(SshKey("ada", "SHA256:1", "ssh-ed25519 AAAA1", 1.0, mark=mark), 10)
    hub.set_faults(delays_s={"boot": 0.5})
    own, log = hub.machines(), hub.new_log()
    starting = asyncio.create_task(hub.start(own, log))
    await until(lambda: log.tracks["node1"].phase is Phase.BOOT)
    keys.add(SshKey("ada", "SHA256:2", "ssh-ed25519 AAAA2", 2.0, mark=mark), 10)
    await starting
    await log.end()
    both = ("ssh-ed25519 AAAA1", "ssh-ed25519 AAAA2")
    assert {hub.provider.keys[name] for name in (own.desk, *own.nodes.values())} == {both}
    assert [keys for name, keys in hub.provider.keys.items() if name.startswith("server-")] == [()]


async def test_a_language_chosen_while_a_node_starts_reaches_it(hub: Hub) -> None:
    hub.set_faults(hang_at="boot", only="node1-")
    own, log = hub.machines(), hub.new_log()
    starting = asyncio.create_task(hub.start(own, log))
    await until(lambda: log.tracks["node1"].phase is Phase.BOOT)
    await until(lambda: log.tracks["node2"].phase is Phase.READY)
    await open_languages(Paths(hub.folder, hub.folder).database).choose("ada", Language.FR)
    # A hub that dies here has told nobody; the next one finds node2 running, and node1 not.
    starting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await starting
    hub.set_faults()
    again = hub.machines()
    await hub.start(again)
    own_names = (again.desk, *again.nodes.values())
    assert {hub.provider.languages[name] for name in own_names} == {"fr"}


async def test_a_node_that_cannot_be_restarted_is_off_and_the_others_are_on(hub: Hub) -> None:
    own, singles = hub.machines(), SingleRestarts()
    await hub.start(own)
    hub.set_faults(fail_at="boot", only="node1-")
    with pytest.raises(LabError):
        await own.restart_node("node1")
    assert await hub.on() == ALL - {"node1"}
    hub.set_faults()
    singles.begin(own.nodes["node1"], "node1", lambda: own.restart_node("node1"))
    with pytest.raises(LabError, match="being restarted already"):
        singles.begin(own.nodes["node1"], "node1", lambda: own.restart_node("node1"))
    await until(lambda: not singles.under_way)
    assert await hub.on() == ALL
