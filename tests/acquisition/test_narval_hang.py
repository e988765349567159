"""Actors that hang are killed and named after one deadline; what is only slow is waited for."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import time

import pytest

from acquisition.programs import STARTING, act, actors, command, is_running, open_sub_systems, until
from narval.client import Access, SubSystem, SyncSubSystem
from narval.config import Address, ensure_secret
from narval.coordinator import crew as crew_module
from narval.errors import NarvalError
from narval.runs import list_runs
from narval.states import State

SHORT_S = 4.0  # of 30 or 60 s; what does not hang does each order in much less, on a busy host too

PLUGIN = """
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
struct my_struct { unsigned n; };
static char mode[64];
static void hang(const char *where) { if (!strcmp(mode, where)) for (;;) sleep(1); }
void process_config(char *d, unsigned *e) { strncpy(mode, d, 63); hang("config"); *e = 0; }
struct my_struct *process_register(unsigned *e) { *e = 0; return calloc(1, 8); }
void process_initialise(struct my_struct *p, unsigned *e) { hang("initialise"); *e = 0; }
void process_start(struct my_struct *p, unsigned *e) { hang("start"); *e = 0; }
void process_stop(struct my_struct *p, unsigned *e) { hang("stop"); *e = 0; }
void process_pause(struct my_struct *p, unsigned *e) { hang("pause"); *e = 0; }
void process_block(struct my_struct *p, void *out, unsigned size, unsigned *used, unsigned *e)
{ if (p->n++ > 20) hang("block"); memset(out, 0, 1000); *used = 1000; *e = 0; }
"""
CONSUMER = """
import time
from narval.plugins.plugin import Consumer, Parameter

class Slow(Consumer):
    parameters = (Parameter("each_s", 0.0, "time for a block"), Parameter("hang_at", -1, "block"))

    def start(self, run):
        self.count = 0

    def consume(self, data):
        self.count += 1
        while self.count == self.values["hang_at"]:
            time.sleep(0.01)
        time.sleep(self.values["each_s"])
"""
CHAIN = """<configuration>
<producer><name>writer</name><hostname>localhost</hostname>
  <binary_code>generic_producer</binary_code><output_buffer_name>data</output_buffer_name>
  <size output_buffer="data">8_192</size><port output_buffer="data">fifo</port>
  <argument>library={library}</argument><argument>algo_path={mode}</argument></producer>
<consumer><name>reader</name><hostname>localhost</hostname>
  <binary_code>generic_consumer</binary_code>
  <data_source source_port="fifo" source_buffer="data">writer</data_source>
  <argument>library={consumer}</argument><argument>each_s={each_s}</argument>
  <argument>hang_at={hang_at}</argument></consumer>
</configuration>
"""


@pytest.fixture
def topology(acquisition_folder, tmp_path, compiled, monkeypatch):
    """A function that makes a topology's file."""
    (tmp_path / "overlay/narval/actor.py").unlink()  # real actors
    library, consumer = compiled(PLUGIN), tmp_path / "slow.py"
    consumer.write_text(CONSUMER)

    def make(mode: str = "none", *, each_s: float = 0.0, hang_at: int = -1):
        file = tmp_path / "tandem.xml"
        words = {"mode": mode, "each_s": each_s, "hang_at": hang_at}
        file.write_text(CHAIN.format(library=library, consumer=consumer, **words))
        return file

    return make


@pytest.fixture
async def begin(acquisition_folder):
    """A function that begins a sub-system with a topology; gives a client of it."""
    async with open_sub_systems(acquisition_folder) as begin:
        yield begin


async def counts(client: SubSystem) -> tuple[int, int]:
    told = await actors(client)
    return told["writer"].get("blocks_out", 0), told["reader"].get("blocks_in", 0)


async def come(client: SubSystem, count: int) -> None:
    async def have_come() -> bool:
        return (await counts(client))[1] >= count

    await until(have_come)


@pytest.mark.parametrize(
    ("mode", "action"),
    [("config", "load"), ("block", "stop"), ("pause", "pause")],
)
async def test_who_hangs_is_killed_and_named_wherever_it_hangs(
    begin, topology, monkeypatch, mode, action
):
    tandem = await begin(topology(mode))
    await act(tandem, "configure")
    for before in STARTING[1:]:
        if before == action:
            break
        await act(tandem, before)
    if mode == "block":
        await come(tandem, 20)
    monkeypatch.setattr(crew_module, "PREPARE_DEADLINE_S", SHORT_S)
    monkeypatch.setattr(crew_module, "ORDER_DEADLINE_S", SHORT_S)
    with pytest.raises(NarvalError, match=f"writer: {action}: it died: process_{mode} has not ret"):
        await act(tandem, action)
    told = await actors(tandem)
    assert "it was killed" in told["writer"]["error"]
    assert told["reader"]["error"] is None
    async with asyncio.timeout(60):
        monkeypatch.setattr(crew_module, "ORDER_DEADLINE_S", 60.0)
        assert await act(tandem, "unconfigure") is State.INITIAL


async def test_who_waits_for_one_that_hangs_is_not_taken_for_it(begin, topology, monkeypatch):
    tandem = await begin(topology(hang_at=5))
    await act(tandem, *STARTING)
    await come(tandem, 5)
    monkeypatch.setattr(crew_module, "ORDER_DEADLINE_S", SHORT_S)
    with pytest.raises(NarvalError, match=r"reader: stop: .*slow\.py:14 has not returned for"):
        await act(tandem, "stop")
    told = await actors(tandem)
    assert told["writer"]["error"] is None
    monkeypatch.setattr(crew_module, "ORDER_DEADLINE_S", 60.0)
    assert await act(tandem, "reset_com") is State.LOADED


async def test_a_stop_takes_as_long_as_data_flow(begin, topology, monkeypatch, acquisition_folder):
    tandem = await begin(topology(each_s=0.8))
    await act(tandem, *STARTING)
    await come(tandem, 1)
    monkeypatch.setattr(crew_module, "ORDER_DEADLINE_S", SHORT_S)
    began = time.monotonic()
    assert await act(tandem, "stop") is State.STOPPED
    assert time.monotonic() - began > SHORT_S, "it was over before the deadline: this shows nothing"
    written, read = await counts(tandem)
    assert written == read
    (run,) = list_runs(acquisition_folder, "tandem")
    assert run.complete


def test_a_second_control_c_ends_a_run_at_once(topology, acquisition_folder):
    words = ("run", str(topology("block")), "--naming_service", "127.0.0.1:0")
    process = subprocess.Popen(
        command("narval", *words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    naming = process.stdout.readline().rpartition(" ")[2].strip()
    host, _, port = naming.rpartition(":")
    access = Access(Address(host, int(port)), ensure_secret(acquisition_folder))
    tandem = SyncSubSystem.find("tandem", access)
    pids = [actor["pid"] for actor in tandem.status().actors]
    while tandem.status().actors[0].get("busy_s", 0) < 1:
        time.sleep(0.05)
    tandem.close()
    process.send_signal(signal.SIGINT)
    assert "Ctrl-C again ends it at once" in process.stderr.readline()
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "has not returned for" not in error, "it has waited for the deadline"
    assert "ended at once" in error
    assert "Traceback" not in error
    assert not any(map(is_running, pids))
    (run,) = list_runs(acquisition_folder, "tandem")
    assert (run.ended is not None, run.complete) == (True, False)
