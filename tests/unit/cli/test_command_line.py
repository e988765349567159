"""The command line without a hub: usage, errors, output for people and for programs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab import cli
from vmlab.cli.common import duration, find_project, plain
from vmlab.cli.machine import machine_json, machine_table, new_text
from vmlab.errors import HostError
from vmlab.model import MachineState, MachineStatus

LAB = '[provider]\nname = "fake"\n'


@pytest.fixture(autouse=True)
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "jupyterhub_config.py").touch()
    (tmp_path / "lab.toml").write_text(LAB)
    monkeypatch.setenv("VMLAB_PROJECT", str(tmp_path))
    monkeypatch.setenv("VMLAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("VMLAB_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("VMLAB_LAB", raising=False)
    monkeypatch.setenv("COLUMNS", "500")
    return tmp_path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]):
    def run(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["vmlab", *words])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = capfd.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return run


COMMANDS = [
    ["up"],
    ["down"],
    ["accounts"],
    ["status"],
    ["log"],
    ["doctor"],
    ["front"],
    ["machine", "list"],
    ["machine", "console"],
    ["machine", "ssh"],
    ["machine", "kill"],
    ["machine", "renew"],
    ["machine", "old"],
    ["machine", "aside", "list"],
    ["idle", "suspend"],
    ["idle", "resume"],
    ["idle", "status"],
    ["service", "install"],
    ["service", "remove"],
    ["service", "status"],
    ["image", "build"],
    ["image", "list"],
    ["image", "show"],
    ["course", "push"],
    ["course", "remove"],
    ["course", "list"],
    ["course", "status"],
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_has_help(run, words: list[str]) -> None:
    status, out, _ = run(*words, "--help")
    assert status == 0
    assert f"vmlab {' '.join(words)}" in out


@pytest.mark.parametrize("words", [["nosuch"], ["status", "--nosuch"], ["machine", "ssh"]])
def test_wrong_usage_is_2(run, words: list[str]) -> None:
    status, out, err = run(*words)
    assert status == 2
    assert "Traceback" not in out + err


def test_a_mistake_in_the_lab_is_two_lines_and_1(run, project: Path) -> None:
    (project / "lab.toml").write_text("[machin]\n")
    status, out, err = run("machine", "list")
    assert (status, out) == (1, "")
    first, second = err.strip().splitlines()
    assert first.startswith(f"error: {project}/lab.toml:1: machin: unknown key; did you mean 'mach")
    sections = "accounts, hub, idle, lab, machine, network, node, provider, server, ssh, volume"
    assert first.endswith(f"(allowed: {sections})")
    assert second == "hint: the sections of lab.toml are explained in docs/trainer.md"


def test_a_missing_lab_is_named(run, project: Path) -> None:
    status, _, err = run("status", "--lab", str(project / "none.toml"))
    assert status == 1
    assert f"{project}/none.toml cannot be read: No such file or directory" in err


def test_no_machines(run) -> None:
    assert run("machine", "list")[:2] == (0, "No machines yet.\n")
    status, out, _ = run("machine", "list", "--json")
    assert (status, json.loads(out)) == (0, {"machines": []})


def test_status_without_a_hub(run, project: Path) -> None:
    status, out, _ = run("status", "--json")
    answer = json.loads(out)
    assert (status, answer["hub"], answer["machines"]) == (0, None, [])
    assert answer["state"] == str(project / "state")
    assert "not running" in run("status")[1]


def test_down_without_a_hub(run) -> None:
    status, out, _ = run("down", "--json")
    assert (status, json.loads(out)) == (0, {"hub_stopped": False, "machines": []})
    assert run("down")[1] == "No hub was running.\nNo machine was running.\n"


@pytest.mark.parametrize("command", ["console", "ssh", "kill"])
def test_an_unknown_machine_is_named(run, command: str) -> None:
    status, _, err = run("machine", command, "../ada\x1b[31m")
    assert status == 1
    assert "no machine of this name" in err
    assert "../ada·[31m" in err


def test_the_doctor_names_a_broken_lab(run, project: Path) -> None:
    (project / "lab.toml").write_text("[hub]\nport = 0\n")
    status, out, _ = run("doctor", "--json")
    answer = json.loads(out)
    assert status == 1
    assert answer["seats"] is None
    assert [f["level"] for f in answer["findings"]] == ["fail"]
    assert "hub.port: 0 is out of range" in answer["findings"][0]["found"]
    assert "hub.port: 0 is out of range" in run("doctor")[1]


def test_the_project_is_found_from_any_folder_of_it(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("VMLAB_PROJECT")
    deep = project / "notebooks" / "first-steps"
    deep.mkdir(parents=True)
    monkeypatch.chdir(deep)
    assert find_project() == project
    monkeypatch.setenv("VMLAB_PROJECT", str(deep))
    with pytest.raises(HostError, match="no VMLab project in"):
        find_project()


def test_text_from_a_machine_is_shown_without_effects() -> None:
    hostile = MachineStatus(
        name="desk-x", state=MachineState.STOPPED, owner="[red]x[/]", problem="\x1b[2J\nbye" * 100
    )
    table = machine_table({"desk-x": hostile})
    cells = [str(cell) for column in table.columns for cell in column.cells]
    assert "[red]x[/]" in cells
    assert not any("\x1b" in cell or "\n" in cell or len(cell) > 201 for cell in cells)
    assert json.loads(json.dumps(machine_json(hostile)))["state"] == "stopped"


@given(st.text())
def test_plain_text_is_printable(text: str) -> None:
    assert plain(text).plain.isprintable()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-3, "0 s"), (59.9, "59 s"), (60, "1 min"), (3600, "1 h 00 min"), (10**6, "11 days")],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@given(st.text("ab\n", min_size=1), st.text("cd\n"), st.integers(1, 5))
def test_following_a_console_shows_each_part_once(before: str, more: str, cut: int) -> None:
    assert new_text(before, before + more) == more or "\n" in more
    assert new_text("", before) == before
    assert new_text(before, "z" * cut) == "z" * cut


def test_a_break_is_declared_and_ended(run, project: Path) -> None:
    (project / "lab.toml").write_text("[idle]\nstop_after = 90\n")
    assert "There is no break." in run("idle", "status")[1]
    status, out, _ = run("idle", "suspend", "--until", "23:59")
    assert status == 0
    assert "stopped after 1 h 30 min without work" in out
    assert "There is a break until 20" in out
    assert json.loads(run("idle", "status", "--json")[1])["is_break"] is True
    assert "There is no break." in run("idle", "resume")[1]
    status, _, err = run("idle", "suspend", "--until", "yesterday")
    assert status == 1
    assert "'yesterday' is not a time" in err


def test_a_lab_without_idle_stops_says_so(run, project: Path) -> None:
    assert "Idle machines are not stopped" in run("idle", "status")[1]


def test_units_are_printed_and_written(run, project: Path, monkeypatch) -> None:
    status, out, _ = run("service", "install", "--dry-run")
    assert status == 0
    assert f'RequiresMountsFor="{project}"' in out
    units = project / "units"
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert "installed by root" in run("service", "install", "--units", str(units))[2]
    assert not units.exists()
    monkeypatch.setattr("os.geteuid", lambda: 0)
    assert run("service", "install", "--units", str(units))[0] == 0
    names = {"vmlab.service", "vmlab-machines.service", "vmlab.slice"}
    assert {path.name for path in units.iterdir()} == names
    status, out, _ = run("service", "status", "--units", str(units), "--json")
    assert status == 0
    assert all(unit["current"] for unit in json.loads(out)["units"])
    (units / "vmlab.slice").write_text("[Slice]\n")
    assert run("service", "status", "--units", str(units))[0] == 3
    assert run("service", "remove", "--units", str(units))[0] == 0
    assert list(units.iterdir()) == []
    assert "No units were installed" in run("service", "remove", "--units", str(units))[1]


def test_the_configuration_of_a_web_server_is_printed(run, project: Path) -> None:
    (project / "lab.toml").write_text(f'{LAB}[hub]\nurl = "https://lab.example.org"\n')
    status, said, warned = run("front", "nginx", "--certificate", "a.pem", "--key", "/k.pem")
    assert status == 0
    assert "server_name lab.example.org *.lab.example.org;" in said
    assert f'ssl_certificate     "{Path.cwd()}/a.pem";' in said
    assert 'Set [hub] front = ["127.0.0.1"]' in warned
    (project / "lab.toml").write_text(
        f'{LAB}[hub]\nurl = "https://lab.example.org"\nfront = ["127.0.0.1"]\n'
    )
    assert run("front", "caddy")[2] == ""
    assert "belong together" in run("front", "nginx", "--key", "/k.pem")[2]
    assert run("front", "lighttpd")[0] == 2


MISTAKES = """[lab]
name = "Bad Name!"
language = "de"
coarse = "x"
[machine]
memory = "512"
cpus = 0
internet = "yes"
disk_speed = -1
[volume]
size = "1T"
total = "1G"
[provider]
name = "kvm"
pool = "many"
overcommit = 0.5
[idle]
stop_after = "1h"
[hub]
port = 99999
where = "127.0.0.1"
[accounts]
trainees = 0
trainers = ["a", "a", "A b"]
administrators = "admin"
[extra]
"""


@pytest.mark.parametrize("command", ["doctor", "up"])
def test_all_mistakes_of_a_lab_toml_are_told(run, tmp_path, monkeypatch, command) -> None:
    """The doctor cut its report after a thousand characters."""
    monkeypatch.setenv("COLUMNS", "80")
    file = tmp_path / "lab.toml"
    file.write_text(MISTAKES)
    status, out, err = run(command, "--lab", str(file))
    assert status == 1
    told = {line for line in range(1, 30) if f"{file}:{line}:" in out + err}
    keys = {n for n, line in enumerate(MISTAKES.splitlines(), 1) if "=" in line}
    assert told == keys | {len(MISTAKES.splitlines())}


def test_the_version_is_told(run) -> None:
    status, out, _ = run("--version")
    assert status == 0
    assert re.fullmatch(r"vmlab [0-9]+\.[0-9]+.*\n", out)
