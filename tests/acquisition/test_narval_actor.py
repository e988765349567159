"""Whole acquisitions with real actors: plugins in C and Python, pipes, TCP, and what goes wrong."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from pathlib import Path

import pytest

import narval
from acquisition.counted_chain import CHAIN, CONSUMER, FILTER, NEVER, PRODUCER, READER, RETURNED
from acquisition.programs import STARTING, act, actors, in_error, open_sub_systems, until
from narval.client import SubSystem
from narval.errors import NarvalError
from narval.runs import list_runs
from narval.states import State


@pytest.fixture
def files(tmp_path, monkeypatch, compiled):
    """A function that compiles the plugins, with values in them, and returns a topology."""
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("NARVAL_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.setenv("PYTHONPATH", str(Path(narval.__file__).parent.parent))
    monkeypatch.delenv("NARVAL_NAMING_SERVICE", raising=False)

    def make(*, port: str = "fifo", fail_at: int = -1, readers: int = 1, **values: int) -> str:
        values = {**RETURNED, **NEVER, **values}
        defines = "".join(f"#define {name} {value}\n" for name, value in values.items())
        produce = compiled(defines + PRODUCER, "produce")
        copy = compiled(FILTER, "copy")
        keep = tmp_path / "keep.py"
        keep.write_text(CONSUMER)
        consumers = "".join(
            READER.format(
                name=f"reader{number}", port=port, library=keep, file=tmp_path / f"got{number}",
                fail_at=fail_at if number == 0 else -1,
            )
            for number in range(readers)
        )  # fmt: skip
        return CHAIN.format(port=port, produce=produce, copy=copy, consumers=consumers)

    return make


@pytest.fixture
async def begin(tmp_path, caplog):
    """A function that begins a sub-system with a topology; gives a client of it."""
    caplog.set_level(logging.INFO, "narval")
    folder, file = tmp_path / "config", tmp_path / "tandem.xml"
    async with open_sub_systems(folder, folder) as begin_with:

        async def begin(topology: str) -> SubSystem:
            file.write_text(topology)
            return await begin_with(file)

        yield begin


async def come(client: SubSystem, count: int, reader: str = "reader0") -> None:
    async def enough() -> bool:
        return (await actors(client))[reader].get("blocks_in", 0) >= count

    await until(enough)


def lines(tmp_path: Path, run: int, reader: int = 0) -> list[str]:
    return (tmp_path / f"got{reader}.{run}").read_text().splitlines()


def counted(count: int) -> list[str]:
    return [f"*{number:06d}" for number in range(count)]


@pytest.mark.parametrize("port", ["fifo", "eth0"])
async def test_all_that_was_produced_arrives_in_every_run(begin, files, tmp_path, port):
    tandem = await begin(files(port=port))
    await act(tandem, *STARTING)
    for run in (1, 2):
        await come(tandem, 300)
        assert await act(tandem, "stop") is State.STOPPED
        told = await actors(tandem)
        assert told["writer"]["blocks_out"] == told["reader0"]["blocks_in"] >= 300
        assert lines(tmp_path, run) == counted(told["writer"]["blocks_out"])
        await act(tandem, "start")
    await act(tandem, "stop", "reset_com", "unload", "unconfigure", "finish")


async def test_pause_holds_data_and_resume_goes_on(begin, files, tmp_path):
    tandem = await begin(files())
    await act(tandem, *STARTING)
    await come(tandem, 50)
    await act(tandem, "pause")
    paused = (await actors(tandem))["writer"]["blocks_out"]
    await act(tandem, "resume")
    await come(tandem, paused + 50)
    await act(tandem, "pause", "stop")
    count = (await actors(tandem))["writer"]["blocks_out"]
    assert lines(tmp_path, 1) == counted(count)


@pytest.mark.parametrize("stage", ["CONFIG", "REGISTER", "INITIALISE", "START"])
async def test_an_error_code_names_actor_and_function(begin, files, stage):
    tandem = await begin(files(**{stage: 3}))
    words = f"writer: .*process_{stage.lower()} reported error 3"
    with pytest.raises(NarvalError, match=words):
        await act(tandem, *STARTING)


async def test_an_error_code_in_a_block_ends_the_actor_and_the_others_keep_their_data(
    begin, files, tmp_path
):
    tandem = await begin(files(FAIL_AT=120))
    await act(tandem, *STARTING)
    assert "writer: libproduce.so: process_block reported error 5" in await in_error(tandem)
    await come(tandem, 120)
    assert (await actors(tandem))["reader0"]["state"] == State.RUNNING
    await act(tandem, "reset_com", "unload", "unconfigure")


async def test_a_crash_is_told_by_signal_and_function_and_reset_com_recovers(
    begin, files, tmp_path
):
    tandem = await begin(files(CRASH_AT=2000))
    await act(tandem, *STARTING)
    error = await in_error(tandem)
    assert "writer: killed by SIGSEGV in process_block" in error
    await come(tandem, 2000)
    before = (await actors(tandem))["reader0"]["pid"]
    assert await act(tandem, "reset_com") is State.LOADED
    assert (await actors(tandem))["reader0"]["pid"] == before, "only the dead one is launched again"
    await act(tandem, "initialise", "start")
    assert "SIGSEGV" in await in_error(tandem)


async def test_a_killed_reader_costs_its_own_data_only(begin, files, tmp_path):
    tandem = await begin(files(readers=2))
    await act(tandem, *STARTING)
    await come(tandem, 100)
    os.kill((await actors(tandem))["reader0"]["pid"], signal.SIGKILL)
    assert "reader0: killed by SIGKILL" in await in_error(tandem)
    so_far = (await actors(tandem))["reader1"]["blocks_in"]
    await come(tandem, so_far + 200, "reader1")

    async def is_told() -> bool:
        return (await actors(tandem))["copier"]["lost_links"] == 1

    await until(is_told)
    await act(tandem, "reset_com", "initialise", "start")
    await come(tandem, 100)
    await act(tandem, "stop")
    for reader in (0, 1):
        assert lines(tmp_path, 2, reader) == counted((await actors(tandem))["writer"]["blocks_out"])


async def test_a_plugin_in_python_that_fails_is_told_by_its_error(begin, files):
    tandem = await begin(files(fail_at=30))
    await act(tandem, *STARTING)
    assert "keep.py:14: ValueError: this block is ugly" in await in_error(tandem)


async def test_a_source_that_has_no_more_lets_the_run_be_stopped_whole(begin, files, tmp_path):
    tandem = await begin(files(END_AT=40))
    await act(tandem, *STARTING)
    await come(tandem, 40)
    assert await act(tandem, "stop") is State.STOPPED
    assert lines(tmp_path, 1) == counted(40)
    (run,) = list_runs(tmp_path / "config", "tandem")
    assert run.complete


async def test_parameters_numbers_and_questions(begin, files):
    tandem = await begin(files())
    await act(tandem, *STARTING)
    await come(tandem, 10)
    assert (await actors(tandem))["reader0"]["monitor"]["count"] >= 10
    assert (await tandem.ask("reader0", "count", deep=True))["deep"] is True
    await tandem.set("fail_at", "1000000", "reader0")
    assert str(await tandem.get("fail_at", "reader0")) == "1000000"
    with pytest.raises(NarvalError, match="known"):
        await tandem.set("fial_at", "1", "reader0")
    assert int(await tandem.get("bytes_out", "writer")) > 0
    told = (await actors(tandem))["writer"]
    (buffer,) = told["buffers"]
    assert buffer["name"] == "data"
    assert 0 <= buffer["filled_bytes"] <= buffer["size_bytes"]
    await act(tandem, "stop")


async def test_a_stop_gets_through_full_links_of_paused_actors(begin, files, tmp_path):
    topology = files().replace("1_000<", "65_536<")
    slow = CONSUMER.replace("self.count += 1", "self.count += 1; import time; time.sleep(0.002)")
    (tmp_path / "keep.py").write_text(slow)
    tandem = await begin(topology)
    await act(tandem, *STARTING)
    await come(tandem, 20)
    await act(tandem, "pause", "stop")
    told = await actors(tandem)
    assert lines(tmp_path, 1) == counted(told["writer"]["blocks_out"])


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("raise ValueError(", "raise SystemExit(", "keep.py:14: SystemExit: this block is ugly"),
        ("raise ValueError(", "raise KeyError(", "keep.py:14: KeyError"),
    ],
)
async def test_whatever_a_plugin_raises_is_told_with_its_line(
    begin, files, tmp_path, old, new, words
):
    topology = files(fail_at=30)
    (tmp_path / "keep.py").write_text(CONSUMER.replace(old, new))
    tandem = await begin(topology)
    await act(tandem, *STARTING)
    assert words in await in_error(tandem)


@pytest.mark.parametrize("wrong", ['{"x": object()}', "1 / 0"])
async def test_numbers_that_cannot_be_told_stop_nothing(begin, files, tmp_path, wrong):
    topology = files()
    right = '{"count": getattr(self, "count", 0)}'
    (tmp_path / "keep.py").write_text(CONSUMER.replace(f"return {right}", f"return {wrong}"))
    tandem = await begin(topology)
    await act(tandem, *STARTING)
    await come(tandem, 20)
    assert "error" in (await actors(tandem))["reader0"]["monitor"]
    await act(tandem, "stop")


async def test_a_plugin_that_fails_while_the_run_is_drained_keeps_nobody_waiting(
    begin, files, tmp_path
):
    topology = files(fail_at=150).replace("1_000<", "65_536<")
    slow = CONSUMER.replace("self.count += 1", "self.count += 1; import time; time.sleep(0.02)")
    (tmp_path / "keep.py").write_text(slow)
    tandem = await begin(topology)
    await act(tandem, *STARTING)
    await come(tandem, 5)

    async def is_on_its_way():
        return (await actors(tandem))["writer"]["blocks_out"] > 150

    await until(is_on_its_way)
    async with asyncio.timeout(25):  # waiting for what nobody reads would take 30 s
        await act(tandem, "stop")
    assert "this block is ugly" in await in_error(tandem)


async def test_an_error_at_the_stop_keeps_nobody_waiting(begin, files):
    tandem = await begin(files(STOP=4))
    await act(tandem, *STARTING)
    await come(tandem, 20)
    with pytest.raises(NarvalError, match="process_stop reported error 4"):
        await act(tandem, "stop")
    async with asyncio.timeout(25):
        assert await act(tandem, "reset_com") is State.LOADED


async def test_a_plugin_that_was_compiled_again_is_the_one_that_is_loaded(begin, files, tmp_path):
    tandem = await begin(files(START=3))
    with pytest.raises(NarvalError, match="process_start reported error 3"):
        await act(tandem, *STARTING)
    files(START=0)
    await act(tandem, "reset_com", "initialise", "start")
    await come(tandem, 20)
    await act(tandem, "stop")


async def test_files_beside_the_topology_are_not_taken_for_pythons(
    begin, files, tmp_path, monkeypatch
):
    (tmp_path / "queue.py").write_text("raise SystemExit('mine')")
    monkeypatch.chdir(tmp_path)
    tandem = await begin(files())
    await act(tandem, *STARTING)
    await act(tandem, "stop")


async def test_files_that_are_no_plugin(begin, files, tmp_path):
    topology = files()
    for text, words in (
        ("x = 1", "exactly one class must be a Consumer"),
        ("import nothing_at_all", "keep.py:1: ModuleNotFoundError"),
        ("def broken(:", "keep.py:1"),
    ):
        (tmp_path / "keep.py").write_text(text)
        tandem = await begin(topology)
        with pytest.raises(NarvalError, match=words):
            await act(tandem, "configure", "load")
        await act(tandem, "unconfigure", "finish")
