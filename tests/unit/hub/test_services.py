"""systemd units: what they say, and that systemd takes them."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab.errors import ConfigError
from vmlab.hub import units
from vmlab.hub.descriptors import SERVICE_LIMIT
from vmlab.hub.units import HUB_UNIT, MACHINES_UNIT, SLICE_UNIT, UNITS, ServiceFacts, make_units
from vmlab.providers.qemu.process.confine import Limits, make_scope_words

FACTS = ServiceFacts(
    program=Path("/opt/vmlab/.venv/bin/vmlab"),
    project=Path("/opt/vmlab"),
    lab=Path("/opt/vmlab/lab.toml"),
    state=Path("/var/lib/vmlab"),
    cache=Path("/var/cache/vmlab"),
    memory_mib=7000,
)


def read(name: str, facts: ServiceFacts = FACTS) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(strict=False, interpolation=None)
    parser.optionxform = str  # type: ignore[assignment]  # as its documentation says
    parser.read_string(make_units(facts)[name])
    return parser


def test_a_stop_of_the_hub_leaves_machines_alone():
    unit = read(HUB_UNIT)["Service"]
    assert unit["ExecStart"] == '"/opt/vmlab/.venv/bin/vmlab" up --lab "/opt/vmlab/lab.toml"'
    assert unit["KillMode"] == "mixed"
    assert "ExecStop" not in unit
    scope = make_scope_words("vmlab-x", Limits(512, 1))
    assert f"--slice={SLICE_UNIT}" in scope, "a machine must not live in the hub's cgroup"


def test_machines_go_down_before_the_host_and_before_their_scopes():
    unit = read(MACHINES_UNIT)
    assert unit["Service"]["ExecStop"].endswith(f"down --limit {units.DOWN_LIMIT_S}")
    assert int(unit["Service"]["TimeoutStopSec"]) > units.DOWN_LIMIT_S
    assert f"Before={MACHINES_UNIT}" in make_scope_words("vmlab-x", Limits(512, 1))
    # Stopping goes backwards: the hub ends first.
    assert MACHINES_UNIT in read(HUB_UNIT)["Unit"]["After"].split()


def test_the_hub_may_open_as_many_files_as_the_largest_class_needs():
    assert int(read(HUB_UNIT)["Service"]["LimitNOFILE"]) == SERVICE_LIMIT


def test_the_slice_leaves_the_host_its_memory():
    assert read(SLICE_UNIT)["Slice"]["MemoryMax"] == "7000M"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_any_path_is_written_whole_or_refused(text):
    facts = replace(FACTS, project=Path("/") / text)
    try:
        lines = make_units(facts)[HUB_UNIT].splitlines()
    except ConfigError:
        text = str(facts.project)
        assert not text.isprintable() or set(text) & set("\"'\\")
        return
    assert len(lines) == len(make_units(FACTS)[HUB_UNIT].splitlines())


def test_relative_paths_and_line_breaks_are_refused():
    for path in (Path("state"), Path("/a\nExecStart=/bin/sh")):
        with pytest.raises(ConfigError, match="systemd unit"):
            make_units(replace(FACTS, state=path))


@pytest.mark.parametrize("name", ["plain", "we ird %n $HOME"])
def test_systemd_takes_them(tmp_path, name):
    assert shutil.which("systemd-analyze"), "apt-get install systemd"
    project = tmp_path / name
    project.mkdir()
    program = project / "vmlab"
    program.symlink_to(sys.executable)
    facts = replace(
        FACTS, program=program, project=project, lab=project / "lab.toml", state=project / "s"
    )
    files = []
    for unit, text in make_units(facts).items():
        files.append(tmp_path / unit)
        files[-1].write_text(text)
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *map(str, files)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "SYSTEMD_UNIT_PATH": f"{tmp_path}:"},
    )
    complaints = [line for line in done.stderr.splitlines() if "vmlab" in line]
    assert complaints == []
    assert done.returncode == 0, done.stderr
    assert set(UNITS) == {file.name for file in files}
