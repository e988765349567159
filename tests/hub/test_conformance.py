"""JupyterHub's own tests of spawners, run against VMSpawner (plugin: conform/conform.py)."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import uuid
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from hub.running_hub import PROJECT

HERE = Path(__file__).parent / "conform"
ARTIFACTS = PROJECT / "artifacts"

MARK = "VMLAB_CONFORMANCE"

# What spawners are asked in them; the rest of test_api is about users, groups and tokens.
API = "spawn or server or progress or start or stop"

# Upstream, how many of the tests must have run: a selection that shrinks is not conformance.
SUITES = [
    # test_single_user_spawner starts a real Jupyter server on the host, which refuses root.
    ("test_spawner", "not test_single_user_spawner", 38),
    pytest.param("test_named_servers", "", 34, marks=pytest.mark.long),
    pytest.param("test_api", API, 36, marks=pytest.mark.long),
]


@pytest.fixture
def mark() -> Iterator[str]:
    """What all processes of the suite carry: some of its hubs leave their proxy running."""
    mine = uuid.uuid4().hex
    yield mine
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):
            if process.environ().get(MARK) == mine:
                process.kill()


@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("suite", "selection", "at_least"), SUITES)
def test_jupyterhubs_own_suite_passes(suite, selection, at_least, mark, tmp_path):
    ARTIFACTS.mkdir(exist_ok=True)
    report = ARTIFACTS / f"conform-{suite}.xml"
    report.unlink(missing_ok=True)
    programs = [Path(sys.executable).parent, PROJECT / "node_modules" / ".bin"]
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-c", HERE / "pytest.ini", "-p", "conform", "-q"),
            *("--pyargs", f"jupyterhub.tests.{suite}", f"--junitxml={report}"),
            *(("-k", selection) if selection else ()),
        ],
        cwd=tmp_path,  # of its own: its hubs leave the pid of their proxy there
        env={
            **os.environ,
            MARK: mark,
            "PYTHONPATH": str(HERE),
            "PATH": os.pathsep.join([*map(str, programs), os.environ["PATH"]]),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    counts = ET.parse(report).getroot().find("testsuite").attrib
    passed = int(counts["tests"]) - int(counts["skipped"])
    assert passed >= at_least
    assert "VMSpawner starts: 0" not in done.stdout
    assert "VMSpawner starts:" in done.stdout
