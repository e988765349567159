"""A provider that VMLab does not know: a hub's start, its server, the board, the command line."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
import time
from pathlib import Path

import pytest
import requests

from fakes.plugged_in import plugged_in
from hub.running_hub import PROJECT, RunningHub
from vmlab import cli
from vmlab.errors import ConfigError
from vmlab.lab.lab import load_lab, parse_lab
from vmlab.names import machine_name
from vmlab.paths import Paths
from vmlab.providers import make_provider
from vmlab.providers.settings import provider_settings

LIMIT_S = 90


@pytest.fixture(scope="module")
def hub(processes):
    folder = Path(tempfile.mkdtemp(prefix="vmlab-"))  # short: unix sockets are below it
    lines = "[provider.processes]\nboot_s = 0.2"
    with plugged_in(processes):
        try:
            with RunningHub(folder, provider="processes", provider_lines=lines) as running:
                yield running
        finally:
            asyncio.run(end_all(folder))
            shutil.rmtree(folder)


async def end_all(folder: Path) -> None:
    provider = provider_of(folder)
    for name in await provider.status():
        await provider.delete(name)


def provider_of(folder: Path):
    return make_provider(provider_settings(load_lab(folder / "lab.toml"), Paths(folder, folder)))


@pytest.fixture
def vmlab(hub, monkeypatch, capfd):
    """A command as an operator runs it, who knows nothing of providers: its status and words."""
    monkeypatch.setenv("VMLAB_PROJECT", str(PROJECT))
    monkeypatch.setenv("VMLAB_LAB", str(hub.folder / "lab.toml"))
    monkeypatch.setenv("VMLAB_STATE", str(hub.folder))
    monkeypatch.setenv("VMLAB_CACHE", str(hub.folder))
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["vmlab", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capfd.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


def states(hub: RunningHub) -> dict[str, str]:
    answer = hub.api("GET", "vmlab/board", token=hub.user_token("facilitator"))
    answer.raise_for_status()
    return {row["user"]: row["state"] for row in answer.json()["rows"]}


def until(question, wanted) -> None:
    deadline = time.monotonic() + LIMIT_S
    while (found := question()) != wanted:
        assert time.monotonic() < deadline, found
        time.sleep(0.1)


def test_a_server_behind_the_proxy_the_board_and_a_volume_that_stays(hub: RunningHub) -> None:
    assert states(hub)["ada"] == "absent"
    hub.start_server("ada")
    until(lambda: states(hub)["ada"], "running")
    note = f"{hub.machine_url('ada')}/note"
    answer = requests.get(note, timeout=LIMIT_S)
    assert answer.json() == {"machine": machine_name("ada"), "note": ""}
    requests.put(note, data="kept", timeout=LIMIT_S).raise_for_status()
    hub.stop_server("ada")
    until(lambda: states(hub)["ada"], "stopped")
    asyncio.run(provider_of(hub.folder).delete(machine_name("ada")))
    hub.start_server("ada")
    assert requests.get(note, timeout=LIMIT_S).json()["note"] == "kept"


def test_what_the_hub_says_to_agents_reaches_its_machines(hub: RunningHub) -> None:
    hub.start_server("bob")
    run = hub.folder / "processes" / machine_name("bob") / "root/run/vmlab"
    assert (run / "language").read_text() == "en\n", "the lab's, by the seed"
    token = hub.user_token("bob")
    hub.api("POST", "vmlab/language", token=token, json={"language": "fr"}).raise_for_status()
    assert (run / "language").read_text() == "fr\n"


def test_the_command_line_works_with_it(hub: RunningHub, vmlab) -> None:
    hub.start_server("eve")
    eve = machine_name("eve")
    listed = json.loads(vmlab("machine", "list", "--json")[1])["machines"]
    assert {m["name"]: m["state"] for m in listed}[eve] == "running"
    assert "vmlab" in vmlab("machine", "console", "eve")[1]
    status, _, said = vmlab("machine", "ssh", "eve")
    assert (status, "provider processes has no SSH" in said) == (1, True)
    assert vmlab("machine", "pool")[1].startswith("0 of 0 machines ready")
    assert "provider processes has no templates" in vmlab("image", "template", "desk")[2]
    assert vmlab("machine", "kill", "eve", "--yes")[0] == 0
    until(lambda: states(hub)["eve"], "stopped")


def test_the_doctor_says_nothing_of_other_providers(vmlab) -> None:
    told = json.loads(vmlab("doctor", "--json")[1])
    found = {finding["what"] for finding in told["findings"]}
    assert {"lab", "proxy", "room"} <= found
    assert not {"qemu", "accelerator", "image"} & found
    assert told["seats"] is None, "it does not count them"


def test_its_options_are_checked_by_its_own_description(hub: RunningHub) -> None:
    lab = hub.folder / "lab.toml"
    text = lab.read_text()
    with pytest.raises(ConfigError, match=r"processes\.boots: unknown key; did you mean 'boot_s'"):
        parse_lab(text.replace("boot_s", "boots"), lab)
    assert parse_lab(text, lab).provider.options == (("boot_s", 0.2),)
