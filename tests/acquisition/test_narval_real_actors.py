"""The control plane with the real actors: data flows, and what dies is told and replaced."""

from __future__ import annotations

import asyncio

import pytest

from acquisition.programs import SOURCES, STARTING, is_running, kill, run, service, until
from narval.client import SyncSubSystem
from narval.runs import list_runs
from narval.states import State


def rates(*consumers: str, rate: int = 200) -> str:
    """A rate producer and consumers of its one buffer, each given as its element's inside."""
    readers = "".join(
        f"<consumer><hostname>localhost</hostname>{inside}"
        '<data_source source_port="fifo" source_buffer="data">writer</data_source></consumer>'
        for inside in consumers
    )
    return (
        "<configuration><producer><name>writer</name><hostname>localhost</hostname>"
        "<binary_code>data_rate_producer</binary_code><output_buffer_name>data</output_buffer_name>"
        '<size output_buffer="data">65_536</size><port output_buffer="data">fifo</port>'
        f"<argument>block_bytes=1024</argument><argument>blocks_per_s={rate}</argument>"
        f"</producer>{readers}</configuration>"
    )


def counter(name: str) -> str:
    return f"<name>{name}</name><binary_code>data_rate_consumer</binary_code>"


KEEPER = "<name>keeper</name><binary_code>file_writer</binary_code><argument>check=false</argument>"


@pytest.fixture
def naming(acquisition_folder, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(SOURCES))  # no fake actors
    with service("narval_naming_service", "--port", "0") as process:
        monkeypatch.setenv("NARVAL_NAMING_SERVICE", f"127.0.0.1:{process.port}")
        yield process


@pytest.fixture
def configuration(tmp_path):
    """The configuration file of the sub-system `tandem`."""
    return tmp_path / "tandem.xml"


@pytest.fixture
def coordinator(naming, configuration):
    """The process that coordinates `tandem`."""
    words = ("tandem", "--configuration_file", str(configuration))
    with service("narval_coordinator", *words) as process:
        yield process


@pytest.fixture
def tandem(coordinator, configuration):
    """A function that begins the sub-system with a topology, and runs it."""

    def begin(topology: str) -> SyncSubSystem:
        configuration.write_text(topology)
        client = SyncSubSystem.find("tandem")
        for action in STARTING:
            client.act(action)
        return client

    return begin


def actors(client: SyncSubSystem) -> dict:
    return {actor["name"]: actor for actor in client.status().actors}


def poll(condition):
    return asyncio.run(until(condition))


def test_narval_run_moves_data_and_counts_it(naming, tmp_path):
    file = tmp_path / "rates.xml"
    file.write_text(rates(counter("reader")))
    done = run("narval", "run", str(file), "--seconds", "1")
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("reader ")]
    assert "kB" in line


def test_a_killed_reader_leaves_the_others_data_whole(tandem, acquisition_folder):
    client = tandem(rates(counter("reader"), KEEPER))
    poll(lambda: actors(client)["keeper"]["bytes_in"] > 0)
    kill(actors(client)["reader"]["pid"])
    poll(lambda: client.status().state is State.ERROR)
    assert client.status().error == "reader: killed by SIGKILL"
    before = actors(client)["keeper"]["bytes_in"]
    poll(lambda: actors(client)["keeper"]["bytes_in"] > before)
    assert client.act("reset_com") is State.LOADED
    (record,) = list_runs(acquisition_folder, "tandem")
    (kept,) = record.folder.glob("data-*.mfm")
    assert kept.stat().st_size > before
    assert kept.stat().st_size % 1024 == 0
    assert not record.complete
    for action in ("initialise", "start"):
        client.act(action)
    poll(lambda: actors(client)["reader"]["bytes_in"] > 0)
    client.act("stop")
    written, read = (actors(client)[name] for name in ("writer", "reader"))
    assert written["blocks_out"] == read["blocks_in"]
    assert read["monitor"]["missing"] == 0
    assert [each.complete for each in list_runs(acquisition_folder, "tandem")] == [False, True]


def test_actors_end_when_their_coordinator_is_killed(tandem, coordinator):
    client = tandem(rates(counter("reader")))
    pids = [actor["pid"] for actor in actors(client).values()]
    assert all(map(is_running, pids))
    kill(coordinator.pid)
    poll(lambda: not any(map(is_running, pids)))


def test_fifty_real_actors_start(tandem):
    client = tandem(rates(*(counter(f"reader{i}") for i in range(49)), rate=20))
    assert len({actor["pid"] for actor in actors(client).values()}) == 50
    poll(lambda: all(actor["blocks_in"] for n, actor in actors(client).items() if n != "writer"))
    client.act("stop")
