"""The course narval over several machines, which are namespaces of this host."""

from __future__ import annotations

import json
import shutil
import sys

import pytest

from acquisition.course import COURSE, add_cells, deliver, make_programs, said, steps_of, trainee
from acquisition.several_machines import run_on_desk, write_ssh

EXERCISE = "02-several-machines"

MOVE_A_NODE = """farm_xml = Path("farm.xml")
farm_xml.write_text(farm_xml.read_text().replace("node2", "node1"))
"""
NO_LINK_HERE = """!narval_shell set action stop farm
!rm -r ~/.narval/runs && mkdir ~/.narval/runs
"""
NO_LINK_THERE = """!rm -r ~/.narval/runs && ln -s ~/shared/runs ~/.narval/runs
!ssh node3 'rm -r ~/.narval/runs && mkdir ~/.narval/runs'
"""
ONE_RUN = """!narval_shell set action start farm
time.sleep(2)
!narval_shell set action stop farm
"""
MISTAKES = (
    ('check("machines", "192.0.2.7")', "has not the address `192.0.2.7`"),
    ('check("run", 10 * events_per_s)', "events per second"),
    ('check("spectra", "detector_0")', "would be there without events"),
    ('check("files")', "A run is under way"),
    ('check("lost-node", "right", "node2")', "is Running, all its actors live"),
    (f"{MOVE_A_NODE}check('topology')", "`right` would run on `node1`, not on `node2`"),
    (f"{NO_LINK_HERE}{ONE_RUN}check('files')", "on this machine: make `~/.narval/runs` a link"),
    (f"{NO_LINK_THERE}{ONE_RUN}check('files')", "without data: `files` writes on `node3`"),
    ("rewind('farm')\ncheck('run', events_per_s)", "`farm` is Initial. Next:"),
    ("del os.environ['NARVAL_NAMING_SERVICE']\ncheck('services')", "Run the first cell"),
)


@pytest.fixture
def farm(tmp_path):
    """The environment of a trainee on the desk of four machines; gives it and the folder."""
    make_programs(tmp_path / "bin", {})
    write_ssh(tmp_path)
    (tmp_path / "home").mkdir()
    deliver(EXERCISE, tmp_path, tmp_path / "homes/desk")
    return trainee(tmp_path), tmp_path


def play_on_desk(farm, *words: str) -> dict:
    environment, folder = farm
    words = (sys.executable, "-m", "vmlab_guest.play", *words)
    ended = run_on_desk(folder, list(words), environment)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


@pytest.mark.timeout(3000)
def test_the_chain_over_several_machines_is_played(farm, tmp_path):
    steps = steps_of(EXERCISE)
    before = play_on_desk(farm, f"narval/{EXERCISE}", "--deadline", "600")
    assert said(before) == [(step, False) for step in steps], before
    for name in ("machines", "shared", "runtime"):
        shutil.rmtree(tmp_path / name)
    solution = COURSE / EXERCISE / "solution.ipynb"
    notebook = add_cells(solution, [code for code, _ in MISTAKES], tmp_path)
    after = play_on_desk(farm, str(notebook), "--in", f"narval/{EXERCISE}", "--deadline", "600")
    done = [(step, True) for step in steps]
    assert said(after)[: len(steps)] == done, json.dumps(after, indent=1)
    assert after["errors"] == []
    hints = [each["message"] for each in after["checks"][len(steps) :]]
    for hint, (code, words) in zip(hints, MISTAKES, strict=True):
        assert words in hint, (code, hint)
