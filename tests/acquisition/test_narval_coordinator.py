"""A coordinator with real processes of actors that move no data (fake_actor.py)."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
import signal
import stat
import sys
from pathlib import Path

import psutil
import pytest

from acquisition.programs import LOCAL, STARTING, act, chain, in_error, is_running, kill, until
from narval.client import Access, SubSystem
from narval.config import Address, config_folder, ensure_secret
from narval.control.central_log import serve_log
from narval.control.naming import serve_names
from narval.control.peer import RemoteError, connect
from narval.control.registration import look_up
from narval.coordinator.coordinator import Coordinator, coordinate
from narval.coordinator.settings import Settings
from narval.runs import list_runs
from narval.states import Action, State
from narval.topology.model import LogLevel


@pytest.fixture
async def names(acquisition_folder):
    secret = ensure_secret(acquisition_folder)
    service = await serve_names(LOCAL, secret, acquisition_folder)
    log = await serve_log(LOCAL, secret, acquisition_folder, LogLevel.DEBUG)
    naming = Address("127.0.0.1", service.server.port)
    await log.register(naming, secret, "central_log")
    yield naming
    log.close()
    service.close()


@pytest.fixture
async def coordinators():
    """The coordinators that a test began."""
    begun: list[Coordinator] = []
    yield begun
    for coordinator in begun:
        await coordinator.close()


@pytest.fixture
async def begin(acquisition_folder, names, tmp_path, caplog, coordinators):
    """A function that begins a sub-system with a topology; gives a client of it."""
    clients = []
    caplog.set_level(logging.DEBUG, "narval")

    async def begin(topology: str, name: str = "tandem", host: str = "127.0.0.1") -> SubSystem:
        secret = ensure_secret(acquisition_folder)
        settings = Settings(name, Address(host, 0), names, secret, acquisition_folder)
        coordinator = await coordinate(settings)
        coordinators.append(coordinator)
        file = tmp_path / f"{name}.xml"
        file.write_text(topology)
        coordinator.set_configuration_file(file)
        client = await SubSystem.find(name, Access(names, secret))
        clients.append(client)
        return client

    yield begin
    for client in clients:
        client.close()


async def pids(client: SubSystem) -> dict[str, int]:
    return {actor["name"]: actor["pid"] for actor in (await client.status()).actors}


async def test_a_whole_life_in_the_order_of_data(begin, coordinators, tmp_path, acquisition_folder):
    notes = tmp_path / "notes"
    own = f"notes={notes}"
    tandem = await begin(chain(writer=own, copier=own, reader=own))
    assert await act(tandem, *STARTING) is State.RUNNING
    assert (await tandem.status()).run_number == 1
    assert await act(tandem, "pause") is State.PAUSED
    assert await act(tandem, "resume", "stop") is State.STOPPED
    (run,) = list_runs(acquisition_folder, "tandem")
    assert run.complete
    assert "<name>writer</name>" in (run.folder / "topology.xml").read_text()

    def logged():
        file = run.folder / "log.jsonl"
        return file.exists() and "run 1 begins" in file.read_text()

    await until(logged)
    ended = await pids(tandem)
    assert await act(tandem, "reset_com", "unload", "unconfigure") is State.INITIAL
    await until(lambda: not any(map(is_running, ended.values())))
    assert await act(tandem, "finish") is State.FINISHED
    assert coordinators[0].finished.is_set()

    told = notes.read_text().splitlines()
    forward = ["writer", "copier", "reader"]
    for order, names in (
        ("initialise", forward[::-1]), ("start", forward[::-1]), ("stop", forward),
        ("pause", forward), ("resume", forward[::-1]),
    ):  # fmt: skip
        assert [line for line in told if line.startswith(f"{order} ")] == [
            f"{order} {name}" for name in names
        ]


async def test_a_run_number_is_chosen_for_the_run_to_come(begin, acquisition_folder):
    tandem = await begin(chain())
    await tandem.set("run_number", "17")
    await act(tandem, *STARTING, "stop")
    assert (await tandem.status()).run_number == 17
    with pytest.raises(RemoteError, match="run_number 17 is already taken"):
        await tandem.set("run_number", "17")
    with pytest.raises(RemoteError, match="run_number 'many': not a whole number"):
        await tandem.set("run_number", "many")
    assert await act(tandem, "start", "stop") is State.STOPPED
    assert [run.number for run in list_runs(acquisition_folder, "tandem")] == [17, 18]


async def test_what_the_actors_are_told_of_their_links(begin):
    tandem = await begin(chain())
    await act(tandem, "configure", "load")
    assert await tandem.get("inputs", "reader") == [
        {"actor": "copier", "buffer": "copy", "size_bytes": 2000, "port": "fifo",
         "at": {"path": "/copy/reader"}}
    ]  # fmt: skip


async def test_a_refused_action_says_why_and_what_is_allowed(begin):
    tandem = await begin(chain())
    with pytest.raises(
        RemoteError, match="start is not allowed in state Initial; allowed: configure, finish"
    ) as caught:
        await tandem.act("start")
    assert caught.value.kind == "ActionRefusedError"
    with pytest.raises(RemoteError, match="'dance' is not an action"):
        await tandem.act("dance")
    status = await tandem.status()
    assert (status.state, status.error) == (State.INITIAL, None)
    assert status.allowed == (Action.CONFIGURE, Action.FINISH)


async def test_a_second_action_is_refused_while_one_is_under_way(begin):
    tandem = await begin(chain(writer="slow_at=load slow_s=3"))
    await act(tandem, "configure")
    loading = asyncio.create_task(tandem.act("load"))

    async def under_way():
        return (await tandem.status()).under_way is Action.LOAD

    await until(under_way)
    with pytest.raises(RemoteError, match=r"unload is not possible now: load of 'tandem' is under"):
        await tandem.act("unload")
    assert await loading is State.LOADED


@pytest.mark.parametrize("stage", ["load", "initialise", "start", "stop", "pause", "resume"])
async def test_a_plugins_error_names_actor_stage_and_symbol(begin, stage):
    tandem = await begin(chain(copier=f"fail_at={stage}"))
    done = {"stop": STARTING, "pause": STARTING, "resume": (*STARTING, "pause")}.get(
        stage, STARTING[: STARTING.index(stage)] if stage in STARTING else ()
    )
    await act(tandem, *done)
    with pytest.raises(RemoteError, match=f"copier: {stage}: .*process_{stage} reported error 7"):
        await tandem.act(stage)
    assert f"process_{stage}" in await in_error(tandem)
    await tandem.set("fail_at", "never", "copier")
    assert await act(tandem, "reset_com") is State.LOADED
    assert await act(tandem, "initialise", "start", "stop") is State.STOPPED


async def test_a_plugin_that_never_loads_can_be_left_by_unconfigure(begin):
    tandem = await begin(chain(writer="fail_at=load"))
    await act(tandem, "configure")
    with pytest.raises(RemoteError, match="writer: load"):
        await tandem.act("load")
    with pytest.raises(RemoteError, match="writer: load"):
        await tandem.act("reset_com")
    assert (await tandem.status()).state is State.ERROR
    assert await act(tandem, "unconfigure") is State.INITIAL


async def test_a_killed_actor_leads_to_error_and_reset_com_recovers(begin, acquisition_folder):
    tandem = await begin(chain())
    await act(tandem, *STARTING)
    before = await pids(tandem)
    kill(before["copier"])
    assert await in_error(tandem) == "copier: killed by SIGKILL"
    states = {actor["name"]: actor["state"] for actor in (await tandem.status()).actors}
    assert states == {"writer": "Running", "copier": "Error", "reader": "Running"}
    assert is_running(before["writer"])
    with pytest.raises(RemoteError, match="in state Error; allowed: reset_com, unconfigure"):
        await tandem.act("start")

    assert await act(tandem, "reset_com") is State.LOADED
    status = await tandem.status()
    assert (status.error, [actor["error"] for actor in status.actors]) == (None, [None] * 3)
    after = await pids(tandem)
    assert after["writer"] == before["writer"]
    assert after["copier"] != before["copier"]
    await act(tandem, "initialise", "start", "stop")
    assert [run.complete for run in list_runs(acquisition_folder, "tandem")] == [False, True]


async def test_a_run_whose_folder_is_gone_can_be_left(begin, acquisition_folder):
    tandem = await begin(chain())
    await act(tandem, *STARTING)
    (run,) = list_runs(acquisition_folder, "tandem")
    shutil.rmtree(run.folder)
    with pytest.raises(RemoteError, match="run-0001"):
        await tandem.act("stop")
    assert await act(tandem, "reset_com", "initialise", "start", "stop") is State.STOPPED


async def test_what_was_set_is_set_again_in_an_actor_that_is_launched_again(begin):
    tandem = await begin(chain(copier="rate=1"))
    await act(tandem, "configure")
    await tandem.set("rate", "5", "copier")
    kill((await pids(tandem))["copier"])
    await in_error(tandem)
    await act(tandem, "reset_com")
    assert await tandem.get("rate", "copier") == "5"
    with pytest.raises(RemoteError, match="no parameter 'unknown'"):
        await tandem.set("unknown", "1", "copier")


async def test_a_crash_is_told_with_signal_and_symbol(begin):
    tandem = await begin(chain(reader="crash_at=load"))
    await act(tandem, "configure")
    with pytest.raises(
        RemoteError, match="reader: load: it died: killed by SIGSEGV in process_config"
    ):
        await tandem.act("load")
    assert "killed by SIGSEGV in process_config" in await in_error(tandem)
    messages = [r.message for r in await tandem.log(level="error", actor="reader")]
    assert any("SIGSEGV in process_config" in message for message in messages)


async def test_who_looks_at_the_log_again_and_again_keeps_one_connection(begin, names):
    tandem = await begin(chain())
    port = (await look_up(names, ensure_secret(config_folder()), "central_log")).port

    def ways():
        """Return this process's connections to the central log."""
        every = psutil.Process().net_connections("tcp")
        open_ = [each for each in every if each.status == psutil.CONN_ESTABLISHED]
        return {each.laddr.port for each in open_ if each.raddr.port == port}

    before = ways()
    await asyncio.gather(tandem.log(), tandem.log())
    (way,) = ways() - before
    await tandem.log()
    assert ways() - before == {way}
    tandem.close()
    await until(lambda: way not in ways())


async def test_what_a_plugin_prints_is_in_the_log(begin):
    tandem = await begin(chain(reader="says=*00001*"))
    await act(tandem, "configure", "load")

    async def said():
        return any(r.message == "*00001*" for r in await tandem.log(actor="reader"))

    await until(said)


async def test_a_topology_with_mistakes_is_refused_by_file_and_line(begin, tmp_path):
    tandem = await begin(chain().replace(">copier</data_source>", ">nobody</data_source>"))
    with pytest.raises(RemoteError, match=r"tandem\.xml:\d+: 'reader' reads from 'nobody'"):
        await tandem.act("configure")
    assert (await tandem.status()).state is State.INITIAL
    await tandem.set_configuration_file(str(tmp_path / "absent.xml"))
    with pytest.raises(RemoteError, match=r"absent\.xml: No such file"):
        await tandem.act("configure")


async def test_an_actor_that_ends_at_once_fails_configure_and_leaves_no_process(begin):
    topology = chain().replace(">generic_filter<", ">event_builder<")
    tandem = await begin(topology)
    with pytest.raises(RemoteError, match=r"copier: it ended while .*code 1; .*no event builder"):
        await tandem.act("configure")
    status = await tandem.status()
    assert (status.state, status.actors) == (State.INITIAL, ())


async def test_arguments_questions_and_the_topology(begin):
    tandem = await begin(chain(writer="rate=3"))
    assert await tandem.get("state") == "Initial"
    with pytest.raises(RemoteError, match="set action configure comes first"):
        await tandem.set("rate", "5", "writer")
    await act(tandem, "configure")
    await tandem.set("rate", "5", "writer")
    assert await tandem.arguments("writer") == {"rate": "5"}
    assert set(await tandem.arguments()) >= {"state", "run_number", "configuration_file"}
    assert await tandem.ask("writer", "spectrum", last=3) == ["spectrum", {"last": 3}]
    assert "<name>copier</name>" in await tandem.topology()
    with pytest.raises(RemoteError, match=r"there is no actor 'who' \(known: writer, copier"):
        await tandem.get("rate", "who")
    with pytest.raises(RemoteError, match="cannot be set"):
        await tandem.set("state", "Running")


async def test_a_second_coordinator_of_one_name_is_refused_and_the_first_goes_on(
    begin, coordinators
):
    tandem = await begin(chain())
    await act(tandem, *STARTING)
    with pytest.raises(RemoteError, match=r"'tandem' is taken: its sub_system listens at 127"):
        await begin(chain())
    assert (await tandem.status()).state is State.RUNNING
    tandem.close()
    await coordinators[0].close()

    async def again():
        try:
            return await begin(chain())
        except RemoteError:
            return None

    assert (await (await until(again)).status()).state is State.INITIAL


async def test_an_actor_that_was_not_launched_here_is_sent_away(begin, coordinators):
    tandem = await begin(chain())
    await act(tandem, "configure")
    port = coordinators[0].server.port
    secret = coordinators[0].settings.secret
    stranger = asyncio.create_task(
        connect("127.0.0.1", port, secret, {"hello": "actor", "uuid": "x", "pid": 1})
    )
    with pytest.raises(Exception, match="refused"):
        await stranger
    assert (await tandem.status()).state is State.CONFIGURED


SSH = """#!{python}
import os, sys
words = sys.argv[1:]
with open({notes!r}, "a") as out:
    out.write(repr(words) + "\\n")
assert words[:2] == ["-o", "BatchMode=yes"], words
host, command = words[words.index("--") + 1 :]
if host == "192.0.2.9":
    sys.stderr.write("ssh: connect to host 192.0.2.9 port 22: No route to host\\n")
    sys.exit(255)
os.execvp("sh", ["sh", "-c", "exec " + command])
"""


@pytest.fixture
def ssh(tmp_path, monkeypatch):
    """An ssh that runs the command here; gives the file in which it writes what it was given."""
    programs, notes = tmp_path / "bin", tmp_path / "ssh.txt"
    programs.mkdir()
    texts = {
        "ssh": SSH.format(python=sys.executable, notes=str(notes)),
        "narval_actor": f'#!/bin/sh\nexec {sys.executable} -m narval.actor "$@"\n',
    }
    for name, text in texts.items():
        (programs / name).write_text(text)
        (programs / name).chmod(stat.S_IRWXU)
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    return notes


async def test_an_actor_on_another_host_is_launched_by_ssh(begin, coordinators, ssh):
    topology = chain().replace("fifo", "eth0").replace("localhost", "192.0.2.7", 1)
    tandem = await begin(topology, host="0.0.0.0")
    await act(tandem, *STARTING)
    words = ssh.read_text()
    assert words.count("\n") == 1
    assert "'192.0.2.7', 'narval_actor --config_name tandem --uuid " in words
    assert coordinators[0].settings.secret not in words
    await act(tandem, "stop")
    kill((await pids(tandem))["writer"], signal.SIGKILL)
    assert await in_error(tandem) == "writer: killed by SIGKILL"
    assert await act(tandem, "reset_com") is State.LOADED
    assert ssh.read_text().count("\n") == 2


async def test_a_host_that_cannot_be_reached_is_named(begin, ssh):
    topology = chain().replace("fifo", "eth0").replace("localhost", "192.0.2.9", 1)
    tandem = await begin(topology, host="0.0.0.0")
    with pytest.raises(RemoteError, match=r"writer: .*No route to host"):
        await tandem.act("configure")


async def test_actors_elsewhere_need_a_coordinator_that_they_can_reach(begin, ssh):
    topology = chain().replace("fifo", "eth0").replace("localhost", "192.0.2.7", 1)
    tandem = await begin(topology)
    with pytest.raises(RemoteError, match=r"writer: .*listens on 127\.0\.0\.1 only"):
        await tandem.act("configure")
    assert not ssh.exists()


async def test_a_hosts_name_is_no_option_of_ssh(begin, ssh):
    topology = chain().replace("fifo", "eth0").replace("localhost", "-oProxyCommand=date", 1)
    tandem = await begin(topology, host="0.0.0.0")
    with pytest.raises(RemoteError, match="is not a host name or address"):
        await tandem.act("configure")
    assert not ssh.exists()


async def test_the_secret_stays_off_command_lines_and_environments(begin, coordinators):
    tandem = await begin(chain())
    await act(tandem, "configure")
    secret = coordinators[0].settings.secret.encode()
    for pid in (await pids(tandem)).values():
        for name in ("cmdline", "environ"):
            assert secret not in Path(f"/proc/{pid}/{name}").read_bytes()
    assert secret.decode() not in json.dumps((await tandem.status()).actors)
