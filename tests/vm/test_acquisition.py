"""The acquisition stack in a real machine, and its first course played there."""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path

import pytest

from hub.running_hub import PROJECT, RunningHub
from vm.desk import Desk
from vm.test_desk import play, push, wait_until
from vmlab.paths import default_paths

pytestmark = [pytest.mark.vm, pytest.mark.timeout(1200)]

PATIENCE = ("--deadline", "600")  # some cells run seven programs, one after the other
EXERCISE = "01-first-acquisition"
TEMPLATE = "/opt/vmlab/share/narval/template"
COURSE = PROJECT / "notebooks" / "narval"


@pytest.fixture(scope="module")
def desk(desk_image):
    folder = Path(tempfile.mkdtemp(prefix="vmlab-"))
    folder.chmod(0o711)
    cache = default_paths().cache
    # With 512 MiB it runs, too, but a kernel with plots leaves no room for eight actors.
    memory = '[machine]\nmemory = "1G"\n'
    with RunningHub(folder, provider="qemu", cache=cache, lab_lines=memory) as hub:
        push(hub, COURSE)
        made = Desk(hub, "ada", cache)
        made.start()
        yield made
        made.stop()
    shutil.rmtree(folder)


def test_programs_manual_header_and_template_are_there(desk):
    told = desk.run(f"bash -lc 'narval --version; man -w narval narval_actors; ls {TEMPLATE}'")
    for word in ("man1/narval.1", "man7/narval_actors.7", "counter.c", "topology.xml"):
        assert word in told


def test_a_chain_of_plugins_compiled_here_runs(desk):
    desk.run(f"cp -r {TEMPLATE} ~/tp")
    told = desk.run(
        "bash -lc 'cd ~/tp && make && narval run topology.xml --seconds 8 --log_level info 2>&1'"
    )
    assert "*00001*" in told
    assert "data_receiver" in told


def test_every_check_of_the_course_fails_before_and_passes_after(desk):
    wait_until(lambda: EXERCISE in desk.run("ls ~/narval"))
    before = play(desk, f"narval/{EXERCISE}", *PATIENCE)
    assert {check["passed"] for check in before["checks"]} == {False}, before
    desk.run("cat > /tmp/solution.ipynb", stdin=(COURSE / EXERCISE / "solution.ipynb").read_bytes())
    after = play(desk, "/tmp/solution.ipynb", "--in", f"narval/{EXERCISE}", *PATIENCE)
    assert {check["passed"] for check in after["checks"]} == {True}, json.dumps(after, indent=1)
    assert after["errors"] == []
