"""Commands on machines, with the fake provider of this process."""

from __future__ import annotations

import asyncio
import io
import json
from pathlib import Path

import pytest

from vmlab import cli
from vmlab.errors import ProviderError
from vmlab.lab.lab import load_lab
from vmlab.model import MachineSpec, MachineState, OldDisk
from vmlab.names import machine_name
from vmlab.paths import Paths
from vmlab.providers import make_provider
from vmlab.providers.fake import FakeProvider
from vmlab.providers.settings import provider_settings
from vmlab.seed import Seed
from vmlab_protocol.phases import Phase

USERS = ("ada", "grace")


@pytest.fixture
def provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeProvider:
    """Two machines that boot, on the provider that the commands will use."""
    (tmp_path / "jupyterhub_config.py").touch()
    (tmp_path / "lab.toml").write_text('[provider]\nname = "fake"\n')
    paths = Paths(tmp_path / "state", tmp_path / "cache")
    monkeypatch.setenv("VMLAB_PROJECT", str(tmp_path))
    monkeypatch.setenv("VMLAB_STATE", str(paths.state))
    monkeypatch.setenv("VMLAB_CACHE", str(paths.cache))
    monkeypatch.delenv("VMLAB_LAB", raising=False)
    monkeypatch.setenv("COLUMNS", "300")
    provider = make_provider(provider_settings(load_lab(tmp_path / "lab.toml"), paths))
    assert isinstance(provider, FakeProvider)

    async def power_on(user: str) -> None:
        spec = MachineSpec(
            name=machine_name(user),
            owner=user,
            image="desk",
            memory_mib=512,
            cpus=1,
            internet=False,
            volume=None,
        )
        start = provider.start(spec, Seed(env={}))
        async for event in start:
            if event.phase is Phase.BOOT:
                break
        await start.aclose()

    for user in USERS:
        asyncio.run(power_on(user))
    return provider


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["vmlab", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capfd.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


def states(provider: FakeProvider) -> dict[str, MachineState]:
    return {m.owner: m.state for m in asyncio.run(provider.status()).values()}


def test_list(run, provider: FakeProvider) -> None:
    status, out, _ = run("machine", "list", "--json")
    machines = json.loads(out)["machines"]
    assert status == 0
    assert {(m["owner"], m["state"]) for m in machines} == {(u, "starting") for u in USERS}
    assert "◐ starting" in run("machine", "list")[1]


def test_console_of_a_user(run, provider: FakeProvider) -> None:
    status, out, _ = run("machine", "console", "ada")
    assert status == 0
    assert out.endswith("vmlab: boot\n")


def test_the_nearest_machine_is_named(run, provider: FakeProvider) -> None:
    status, _, err = run("machine", "console", "adda")
    assert status == 1
    assert "hint: did you mean ada?" in err


@pytest.mark.parametrize("command", ["kill", "renew"])
def test_nobody_is_led_to_another_persons_machine(run, provider: FakeProvider, command) -> None:
    status, _, err = run("machine", command, "adda")
    assert status == 1
    assert "did you mean" not in err
    assert "hint: `vmlab machine list` shows all machines" in err
    assert states(provider) == dict.fromkeys(USERS, MachineState.STARTING)


def test_kill_asks_first(run, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert run("machine", "kill", "ada")[0] == 1
    assert states(provider)["ada"] is MachineState.STARTING
    status, out, _ = run("machine", "kill", "ada", "--yes")
    assert status == 0
    assert f"{machine_name('ada')} is off; its disks are kept." in out
    assert states(provider) == {"ada": MachineState.STOPPED, "grace": MachineState.STARTING}
    assert "is not running" in run("machine", "kill", "ada", "--yes")[1]


def test_ssh_where_there_is_none(run, provider: FakeProvider) -> None:
    status, _, err = run("machine", "ssh", "ada")
    assert status == 1
    assert "provider fake has no SSH" in err


def test_down_stops_all_machines(run, provider: FakeProvider) -> None:
    status, out, _ = run("down", "--json")
    answer = json.loads(out)
    assert status == 0
    assert {(m["user"], m["problem"]) for m in answer["machines"]} == {(u, "") for u in USERS}
    assert set(states(provider).values()) == {MachineState.STOPPED}


def test_down_goes_on_when_one_machine_does_not_stop(
    run, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop = FakeProvider.stop

    async def stop_or_fail(self: FakeProvider, name: str, *, now: bool = False) -> None:
        if name == machine_name("ada"):
            raise ProviderError(name, "QEMU (pid 7) does not end")
        await stop(self, name, now=now)

    monkeypatch.setattr(FakeProvider, "stop", stop_or_fail)
    status, out, _ = run("down")
    assert status == 1
    assert f"✗ {machine_name('ada')}: QEMU (pid 7) does not end" in out
    assert states(provider) == {"ada": MachineState.STARTING, "grace": MachineState.STOPPED}


def test_renew_without_a_hub_sets_the_machine_aside(run, provider: FakeProvider) -> None:
    assert run("machine", "aside", "list")[1] == "No machine was set aside.\n"
    status, out, _ = run("machine", "renew", "ada", "--yes")
    assert status == 0
    assert "is set aside as desk-ada-" in out
    assert "The next start makes a new one." in out
    assert set(states(provider)) == {"grace"}
    (kept,) = json.loads(run("machine", "aside", "list", "--json")[1])["aside"]
    assert (kept["machine"], kept["owner"]) == (machine_name("ada"), "ada")
    assert "ada" in run("machine", "aside", "list")[1]
    assert "no machine of this name" in run("machine", "renew", "ada", "--yes")[2]


def test_renew_asks_first(run, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert run("machine", "renew", "ada")[0] == 1
    assert set(states(provider)) == set(USERS)


def test_old_disks_of_a_provider_that_keeps_none(run, provider: FakeProvider) -> None:
    status, _, err = run("machine", "old", "ada")
    assert status == 1
    assert "fake keeps no old disks" in err


def test_old_disks_and_how_to_read_them(run, provider: FakeProvider, monkeypatch) -> None:
    disk = OldDisk(machine_name("ada"), "v1", 1000.0, 12, "/state/root-v1-1000.qcow2")

    async def old_disks(self, name: str) -> list[OldDisk]:
        return [disk] if name == disk.machine else []

    monkeypatch.setattr(FakeProvider, "old_disks", old_disks, raising=False)
    monkeypatch.setattr(FakeProvider, "prune_old_disks", old_disks, raising=False)
    status, out, err = run("machine", "old", "ada")
    assert status == 0
    assert "12 MiB" in out
    assert f"qemu-img convert -O raw {disk.path}" in err
    assert json.loads(run("machine", "old", "ada", "--json")[1])["disks"][0]["path"] == disk.path
    assert "no disks of older images" in run("machine", "old", "grace")[1]
