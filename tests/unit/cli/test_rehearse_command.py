"""`vmlab rehearse` with machines that do not exist: what it prints, writes, leaves and answers."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

from vmlab.cli import app
from vmlab.cli.rehearse import first_group
from vmlab.errors import ConfigError, HostError
from vmlab.lab.lab import load_lab
from vmlab.providers.fake import FakeProvider
from vmlab.rehearsal.description import load_description
from vmlab.system.locks import try_flock

LAB = """
[lab]
name = "farm"
[[node]]
count = 2
[provider]
name = "fake"
"""
CHECKS = """
[[check]]
name = "all is well"
on = "node1"
command = "true"
"""


async def _no_server(*_: object) -> str:
    return ""


@pytest.fixture
def lab(tmp_path, monkeypatch) -> Path:
    monkeypatch.setattr(FakeProvider, "_serve", _no_server)
    monkeypatch.setenv("VMLAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("VMLAB_CACHE", str(tmp_path / "cache"))
    (tmp_path / "lab").mkdir()
    (tmp_path / "lab/lab.toml").write_text(LAB)
    (tmp_path / "lab/rehearsal.toml").write_text(CHECKS)
    return tmp_path / "lab"


def run(*words: object):
    return CliRunner().invoke(app, ["rehearse", *map(str, words)])


def state_of(lab: Path) -> Path:
    return lab.parent / "state/rehearsals/farm"


def test_it_reports_and_leaves_nothing(lab, tmp_path):
    page = tmp_path / "farm.md"
    done = run(lab, "--page", page)
    # Machines that do not exist say nothing of themselves.
    assert done.exit_code == 1, done.output
    assert "6 differences" in done.stdout
    assert "✓ check all is well, done" in done.stderr
    assert f"Written: {page}" in done.stdout
    assert page.read_text().startswith("# Rehearsal of farm\n")
    assert not state_of(lab).exists()


def test_programs_get_json(lab):
    done = run(lab, "--json")
    report = json.loads(done.stdout)
    assert (report["lab"], report["good"], report["is_kept"]) == ("farm", False, False)
    assert [each["name"] for each in report["machines"]] == ["desk", "node1", "node2"]


def test_machines_that_are_kept_are_told_how_to_find_and_taken_down(lab):
    done = run(lab, "--keep")
    assert f"VMLAB_STATE={state_of(lab)} vmlab machine list" in done.stdout
    assert state_of(lab).is_dir()
    assert run(lab, "--down").exit_code == 0
    assert not state_of(lab).exists()


def test_a_mistake_is_named_before_anything_is_started(lab):
    (lab / "rehearsal.toml").write_text('[[check]]\nname = "a"\non = "node9"\ncommand = "true"\n')
    done = run(lab)
    assert isinstance(done.exception, ConfigError)
    assert "rehearsal.toml:3: check[1].on: lab.toml has no machine 'node9'" in str(done.exception)


def test_nobody_else_rehearses_the_same_lab_meanwhile(lab):
    state_of(lab).parent.mkdir(parents=True)
    lock = os.open(f"{state_of(lab)}.lock", os.O_RDWR | os.O_CREAT)
    try:
        assert try_flock(lock)
        done = run(lab)
        assert isinstance(done.exception, HostError)
        assert "the lab farm is being rehearsed already" in str(done.exception)
    finally:
        os.close(lock)


def test_the_farm_of_the_repository_is_one_that_is_taken():
    folder = Path(__file__).parents[3] / "labs/farm"
    group = first_group(load_lab(folder / "lab.toml"))
    labels = [member.label for member in group.members]
    assert labels == ["desk", "node1", "node2", "node3", "server"]
    description = load_description(folder, labels)
    assert {host.machines[0] for host in description.hosts} == {"node1", "desk", "server"}
    assert len(description.checks) == 4
