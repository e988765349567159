"""Commands that the host has run in a machine: real shells, and what the agent says of them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import psutil
import pytest

from fakes.guest_desk import Desk
from fakes.guest_seeds import make_line
from fakes.waiting import wait_until
from surroundings import threads_end
from vmlab_guest import commands as commands_module
from vmlab_guest.commands import Commands
from vmlab_protocol.commands import MAX_OUTPUT_CHARS, RunReport, RunRequest

LIMIT_S = 60


class Machine:
    def __init__(self) -> None:
        self.logged: list[str] = []
        self.commands = Commands(self.logged.append)
        self.made = 0

    def begin(self, command: str, limit_s: float = LIMIT_S) -> str:
        self.made += 1
        key = f"{self.made:08x}"
        said = self.commands.answer(RunRequest(key, command, limit_s))
        assert (said.id, said.refused) == (key, "")
        return key

    def ask(self, key: str) -> RunReport:
        return self.commands.answer(RunRequest(key))

    def end(self, key: str) -> RunReport:
        wait_until(lambda: self.ask(key).status is not None, LIMIT_S)
        return self.ask(key)


@pytest.fixture
def machine() -> Machine:
    return Machine()


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A pipe that a command waits at: `read x <gate`; see `open_gate`."""
    os.mkfifo(tmp_path / "gate")
    return tmp_path / "gate"


def open_gate(gate: Path) -> None:
    gate.write_text("go\n")


def pid_in(file: Path) -> psutil.Process:
    wait_until(lambda: file.exists() and file.read_text().endswith("\n"), LIMIT_S)
    return psutil.Process(int(file.read_text()))


def is_gone(process: psutil.Process) -> bool:
    return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE


@pytest.mark.parametrize(
    ("command", "status", "output"),
    [
        ("echo so; echo wrong >&2; exit 3", 3, "so\nwrong\n"),
        ("true", 0, ""),
        ("no-such-program", 127, "/bin/sh: 1: no-such-program: not found\n"),
        ("kill -TERM $$", 143, ""),
        ("echo \"$0\" '$1' | cat; pwd", 0, "/bin/sh $1\n/\n"),
        ("printf 'caf\\303\\251 \\033[1m\\377'", 0, "café  [1m\ufffd"),
        ("read line || echo nothing to read", 0, "nothing to read\n"),
    ],
)
def test_status_and_output_are_those_of_the_shell(machine, command, status, output):
    report = machine.end(machine.begin(command))
    assert (report.status, report.output) == (status, output)
    assert not report.is_late


def test_a_command_finds_what_root_finds_and_nothing_of_the_agents_own(machine, monkeypatch):
    monkeypatch.setenv("JUPYTERHUB_API_TOKEN", "secret")
    said = machine.end(machine.begin("env")).output.splitlines()
    assert {"HOME=/root", "LANG=C.UTF-8"} <= set(said)
    assert "secret" not in str(said)


def test_of_a_long_output_the_end_is_kept(machine):
    report = machine.end(machine.begin("seq 200000; echo the end"))
    assert report.output.endswith("199999\n200000\nthe end\n")
    assert len(report.output) <= MAX_OUTPUT_CHARS


def test_several_run_at_once_and_each_is_asked_about_by_its_id(machine, gate):
    waiting = machine.begin(f"read x <{gate}; echo $x")
    assert machine.end(machine.begin("echo other")).output == "other\n"
    assert machine.ask(waiting) == RunReport(waiting)
    open_gate(gate)
    assert machine.end(waiting).output == "go\n"


def test_what_is_asked_for_twice_is_begun_once(machine, tmp_path):
    key = machine.begin(f"echo run >>{tmp_path}/runs")
    again = RunRequest(key, f"echo run >>{tmp_path}/runs", LIMIT_S)
    machine.commands.answer(again)
    assert machine.end(key).status == 0
    assert machine.commands.answer(again).status == 0
    assert (tmp_path / "runs").read_text() == "run\n"


def test_at_its_limit_the_whole_group_is_killed(machine, tmp_path):
    child, file = "sh -c 'echo $$ >{0}; sleep 600'", tmp_path / "pid"
    report = machine.end(machine.begin(f"echo so far; {child.format(file)} & wait", limit_s=1.0))
    assert (report.status, report.output, report.is_late) == (137, "so far\n", True)
    wait_until(lambda: is_gone(pid_in(file)), LIMIT_S)


def test_the_host_may_have_it_killed_before(machine, tmp_path):
    file = tmp_path / "pid"
    key = machine.begin(f"echo $$ >{file}; sleep 600")
    process = pid_in(file)
    machine.commands.answer(RunRequest(key, stop=True))
    assert machine.end(key) == RunReport(key, 137, is_late=True)
    wait_until(lambda: is_gone(process), LIMIT_S)
    machine.commands.answer(RunRequest(key, stop=True))  # has ended: nothing to do


def test_a_service_that_it_leaves_behind_is_not_waited_for_nor_killed(machine, tmp_path):
    file = tmp_path / "pid"
    report = machine.end(machine.begin(f"(echo $$; exec sleep 600) & echo $! >{file}; echo left"))
    assert (report.status, report.is_late) == (0, False)
    assert "left\n" in report.output
    process = pid_in(file)
    assert process.is_running()
    process.kill()


def test_an_output_that_is_closed_is_no_end(machine, gate):
    key = machine.begin(f"exec >&- 2>&-; read x <{gate}; exit 5")
    open_gate(gate)
    assert machine.end(key).status == 5


def test_no_more_than_eight_run_at_once(machine, gate):
    keys = [machine.begin(f"read x <{gate}") for _ in range(8)]
    refused = machine.commands.answer(RunRequest("f" * 8, "true", 1))
    assert refused.refused == "8 commands run in this machine already"
    for key in keys:
        machine.commands.answer(RunRequest(key, stop=True))
        machine.end(key)
    assert machine.end(machine.begin("true")).status == 0


def test_of_many_the_last_ones_are_known(machine):
    keys = []
    for _ in range(34):
        keys.append(machine.begin("true"))
        machine.end(keys[-1])
    assert machine.ask(keys[-1]).status == 0
    assert machine.ask(keys[2]).status == 0
    assert "knows no such command" in machine.ask(keys[1]).refused
    assert "knows no such command" in machine.ask("f" * 8).refused


def test_what_cannot_be_begun_is_told_like_a_shell_does(machine, monkeypatch):
    monkeypatch.setattr(commands_module, "_ENVIRONMENT", {"A": "zero\0byte"})
    report = machine.end(machine.begin("true"))
    assert report.status == 127
    assert report.output.startswith("the agent could not run it: ValueError")
    assert len(machine.logged) == 1


# -- over the agent's port -------------------------------------------------------------------------


@pytest.fixture
def desk(tmp_path):
    with threads_end():
        desk = Desk(tmp_path / "root")
        desk.hear()
        yield desk
        desk.close()


def say_run(desk: Desk, **details: object) -> dict:
    desk.ask(json.dumps({"type": "run", **details}).encode() + b"\n")
    return desk.hear_until("ran", "error")[-1]


def test_a_machine_of_nobody_runs_nothing(desk, tmp_path):
    error = say_run(desk, id="0" * 16, command=f"touch {tmp_path}/ran", limit_s=5)
    assert error["message"] == "run: this machine belongs to nobody yet"


def test_the_agent_answers_everything_while_commands_run(desk, gate):
    desk.ask(make_line())
    desk.hear_until("seeded")
    begun = say_run(desk, id="0" * 16, command=f"read x <{gate}; echo $x", limit_s=LIMIT_S)
    assert begun == {"type": "ran", **RunReport("0" * 16).to_json()}
    for request, answer in (("activity", "activity"), ("status", "status"), ("thaw", "thawed")):
        desk.ask(b'{"type":"%s"}\n' % request.encode())
        assert desk.hear_until(answer, "error")[-1]["type"] == answer
    open_gate(gate)
    wait_until(lambda: say_run(desk, id="0" * 16)["status"] is not None, LIMIT_S)
    assert say_run(desk, id="0" * 16)["output"] == "go\n"


def test_a_wrong_request_is_refused_and_its_words_are_not_logged(desk):
    desk.ask(make_line())
    desk.hear_until("seeded")
    error = say_run(desk, id="0" * 16, command="password=hunter2", limit_s=0)
    assert error["message"].startswith("run: limit_s 0 is not between")
    assert "hunter2" not in "".join(desk.system.logged)
