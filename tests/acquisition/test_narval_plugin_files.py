"""Plugins in Python as files: where their names begin, and what a mistake in them leads to."""

from __future__ import annotations

import json
import tomllib

import pytest

from acquisition.programs import run, service
from narval.errors import NarvalError
from narval.plugins.plugin import Consumer, Filter, Plugin, Producer
from narval.plugins.python import load_python_plugin
from narval.plugins.returned import used_bytes

TOPOLOGY = """<configuration>
<producer><name>writer</name><hostname>localhost</hostname>
  <binary_code>generic_producer</binary_code><output_buffer_name>data</output_buffer_name>
  <size output_buffer="data">1_000</size><port output_buffer="data">fifo</port>
  {library}<argument>mode=ok</argument></producer>
<consumer><name>keeper</name><hostname>localhost</hostname>
  <binary_code>file_writer</binary_code>
  <data_source source_port="fifo" source_buffer="data">writer</data_source></consumer>
</configuration>
"""
LIBRARY = "<argument>library=./plugins/mine.py</argument>"
PLUGIN = """
from narval.mfm import Event, pack_event
from narval.plugins.plugin import EndOfData, Parameter, Producer

class Mine(Producer):
    parameters = (Parameter("mode", "", "-"),)

    def start(self, run):
        self.left = int(open("settings.txt").read())

    def produce(self, output):
        if not self.left:
            raise EndOfData
        self.left -= 1
        frame = pack_event(Event(0x4E01, self.left, 1, b""))
        output[: len(frame)] = frame
        return len(frame)
"""


@pytest.fixture
def folder(acquisition_folder, tmp_path):
    """A topology's, with a plugin and what the plugin opens."""
    (tmp_path / "overlay/narval/actor.py").unlink()  # real actors
    folder = tmp_path / "my topology"
    (folder / "plugins").mkdir(parents=True)
    (folder / "chain.xml").write_text(TOPOLOGY.format(library=LIBRARY))
    (folder / "plugins/mine.py").write_text(PLUGIN)
    (folder / "settings.txt").write_text("7\n")
    return folder


def run_topology(file, **more):
    words = ("--seconds", "0.5", "--sub_system", "tandem", "--naming_service", "127.0.0.1:0")
    return run("narval", "run", str(file), *words, **more)


@pytest.mark.parametrize("name", ["my topology/chain.xml", "{folder}/chain.xml"])
def test_names_of_files_begin_at_the_topology(folder, acquisition_folder, name):
    done = run_topology(name.format(folder=folder), cwd=folder.parent)
    assert done.returncode == 0, done.stderr
    (data,) = (acquisition_folder / "runs/tandem/run-0001").glob("*.mfm")
    assert data.stat().st_size >= 7 * 24


def test_names_of_files_in_a_script_begin_at_the_script(folder, acquisition_folder, monkeypatch):
    (folder / "chain.xml").write_text(TOPOLOGY.format(library=""))
    (folder / "go.narval").write_text(
        "launch tandem localhost\nset configuration_file chain.xml $1\nset action configure $1\n"
        "set library plugins/mine.py $1 writer\nset action load $1\nset action initialise $1\n"
        "set action start $1\nset action stop $1; set action reset_com $1; set action unload $1\n"
        "set action unconfigure $1; set action finish $1\n"
    )
    with service("narval_naming_service", "--port", "0") as naming:
        monkeypatch.setenv("NARVAL_NAMING_SERVICE", f"127.0.0.1:{naming.port}")
        with service("aws_shell", "--aws_server_port", "0") as shell:
            monkeypatch.setenv("NARVAL_SHELL", f"127.0.0.1:{shell.port}")
            words = ("--xml", "-f", "my topology/go.narval", "tandem")
            done = run("narval_shell", *words, cwd=folder.parent)
            assert done.returncode == 0, (done.stdout, done.stderr)
            assert f'library="{folder}/plugins/mine.py"' in done.stdout


def test_a_return_that_is_too_long_fails_the_actor_and_nothing_is_sent(folder, acquisition_folder):
    wrong = PLUGIN.replace("return len(frame)", "return len(output) + 5")
    (folder / "plugins/mine.py").write_text(wrong)
    done = run_topology(folder / "chain.xml")
    assert done.returncode == 1
    words = "mine.py: Mine: produce returned 1005; allowed is a whole number from 0 to 1000"
    assert f"writer: {words}" in done.stderr
    (data,) = (acquisition_folder / "runs/tandem/run-0001").glob("*.mfm*")
    assert data.stat().st_size < 1000, "a buffer of stale bytes"


EVENT_BUILDER = """<configuration>
{producers}
<intermediary><name>eb</name><hostname>localhost</hostname>
  <binary_code>event_builder</binary_code>
  <data_source source_port="fifo" source_buffer="d">a</data_source>
  <data_source source_port="fifo" source_buffer="d">b</data_source>
  <output_buffer_name>e</output_buffer_name><size output_buffer="e">100_000</size>
  <port output_buffer="e">fifo</port><argument>window=500_000</argument></intermediary>
<consumer><name>keeper</name><hostname>localhost</hostname>
  <binary_code>file_writer</binary_code>
  <data_source source_port="fifo" source_buffer="e">eb</data_source></consumer>
</configuration>
"""
DETECTOR = """<producer><name>{name}</name><hostname>localhost</hostname>
  <binary_code>generic_producer</binary_code><output_buffer_name>d</output_buffer_name>
  <size output_buffer="d">100_000</size><port output_buffer="d">fifo</port>
  <argument>library=feed.py</argument><argument>bad_at={bad_at}</argument></producer>
"""
FEED = """
from narval.mfm import Event, pack_event
from narval.plugins.plugin import EndOfData, Parameter, Producer

class Feed(Producer):
    parameters = (Parameter("bad_at", -1, "which has a bad time"),)

    def start(self, run):
        self.n = 0

    def produce(self, output):
        if self.n == 200:
            raise EndOfData
        self.n += 1
        time = 2**47 if self.n == self.values["bad_at"] else self.n * 1_000_000
        frame = pack_event(Event(0x4E01, time, self.n, b"\\0\\0\\0\\0\\0\\0\\xfaC"))
        output[: len(frame)] = frame
        return len(frame)
"""


def test_what_an_event_builder_loses_is_in_log_table_and_record(folder, acquisition_folder):
    producers = DETECTOR.format(name="a", bad_at=50) + DETECTOR.format(name="b", bad_at=-1)
    (folder / "chain.xml").write_text(EVENT_BUILDER.format(producers=producers))
    (folder / "feed.py").write_text(FEED)
    done = run_topology(folder / "chain.xml")
    assert done.returncode == 0, done.stderr
    assert "  eb: 1 frame lost (1 bad time)" in done.stdout
    assert "run 1: eb: 1 frame lost (1 bad time)" in done.stderr
    record = acquisition_folder / "runs/tandem/run-0001"
    facts = tomllib.loads((record / "run.toml").read_text())
    assert (facts["lost_frames"], facts["complete"]) == (1, False)
    said = [json.loads(line) for line in (record / "log.jsonl").read_text().splitlines()]
    of_it = [line["message"] for line in said if line["actor"] == "eb"]
    assert of_it[0].startswith(f"a: 1 frame lost: the time {2**47} is far")
    assert "400 frames, 199 events" in of_it[-1]


class Odd:
    def __repr__(self):
        raise ValueError


async def _later():
    return 5


@pytest.mark.parametrize(
    ("returned", "shown"),
    [
        (101, "101"),
        (-1, "-1"),
        (2**70, str(2**70)),
        (None, "None; allowed is a whole number from 0 to 100, the size of the buffer; is a 're"),
        (5.0, "5.0"),
        (True, "True"),
        (False, "False"),
        ("5", "'5'"),
        (b"five", "b'five'"),
        ((n for n in range(5)), "<generator object"),
        ([5], "[5]"),
        ("x" * 100, "…"),
        (Odd(), "something whose repr fails (ValueError)"),
    ],
)
def test_what_is_no_number_of_bytes_is_refused(returned, shown):
    with pytest.raises(NarvalError, match="Producer: produce returned ") as error:
        used_bytes(returned, 100, Producer(), "produce")
    assert shown in str(error.value)


@pytest.mark.filterwarnings("error")
def test_a_coroutine_is_refused_once_and_for_all():
    with pytest.raises(NarvalError, match="returned <coroutine object _later"):
        used_bytes(_later(), 100, Producer(), "produce")


def test_what_is_a_number_of_bytes_is_taken():
    class Number:
        def __index__(self):
            return 7

    assert [used_bytes(each, 100, Producer(), "produce") for each in (0, 100, Number())] == [
        0, 100, 7,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        (
            Producer,
            "def produce(self, output):\n        yield 5",
            "line 3: P.produce has a 'yield'",
        ),
        (Consumer, "def consume(self, data):\n        yield 5", "line 3: P.consume has a 'yield'"),
        (Filter, "async def filter(self, data, output): return 5", "P.filter is 'async'"),
        (Consumer, "async def consume(self, data): yield 5", "P.consume has a 'yield'"),
        (Consumer, "def consume(self, data): 0\n    async def stop(self): 0", "P.stop is 'async'"),
        (Producer, "def prodduce(self, output): return 5", "P lacks the function produce"),
        (
            Consumer,
            "def consume(self, data): 0\n    def __init__(self): 0",
            r"P.__init__ must call super\(\).__init__\(\)",
        ),
    ],
)
def test_functions_that_would_do_nothing_are_refused_when_they_are_loaded(
    tmp_path, kind: type[Plugin], body, words
):
    file = tmp_path / "plugin.py"
    name = kind.__name__
    file.write_text(f"from narval.plugins.plugin import {name}\nclass P({name}):\n    {body}\n")
    with pytest.raises(NarvalError, match=words):
        load_python_plugin(file, kind)
