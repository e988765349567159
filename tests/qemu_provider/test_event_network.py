"""Who reaches whom in an event's network, frame by frame; as root and without, by tap and cable.

The kernel's own bridge, rules and namespaces; machines are whoever holds their ports.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

import vmlab
import vmlab_protocol
from vmlab.model import Meeting

from .event_matrix import ANSWERS, EXPECTED

TESTS = Path(__file__).parents[1]
PYTHONPATH = ":".join(
    dict.fromkeys(str(Path(package.__path__[0]).parent) for package in (vmlab, vmlab_protocol))
)

# Another /dev/net for what runs below: without a tun, or with one that everybody may open.
NO_TUN = 'mount -t tmpfs none /dev/net && exec "$@"'
OPEN_TUN = (
    "mount -t tmpfs -o mode=755,dev none /dev/net && mknod -m 666 /dev/net/tun c 10 200 "
    '&& exec "$@"'
)
NOBODY = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]

WAYS = {
    "root, tap": (OPEN_TUN, [], "tap"),
    "root, cable": (NO_TUN, [], "dgram"),
    "nobody, tap": (OPEN_TUN, NOBODY, "tap"),
    "nobody, cable": (NO_TUN, NOBODY, "dgram"),
}

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def folder():
    """One that the user of a way may write to, with a path short enough for sockets."""
    made = Path(tempfile.mkdtemp(prefix="vmlab-"))
    made.chmod(0o777)
    yield made
    shutil.rmtree(made)


def words_for(way: str, module: str, *args: str) -> list[str]:
    """Return the command that runs a module of these tests in this way."""
    mounts, user, _ = WAYS[way]
    python = ["env", "-i", f"PATH={os.environ['PATH']}:/usr/sbin:/sbin"]
    python += [f"PYTHONPATH={TESTS}:{PYTHONPATH}", "/usr/bin/python3", "-s", "-B", "-m", module]
    words = ["unshare", "--mount", "sh", "-ec", mounts, "sh", *user, *python, *args]
    if user:
        tried = [*user, "env", f"PYTHONPATH={PYTHONPATH}", "/usr/bin/python3", "-c", "import vmlab"]
        if subprocess.run(tried, cwd="/", capture_output=True, check=False).returncode:
            pytest.skip("nobody may not read this project, or has another Python than the venv's")
    return words


@pytest.mark.attack("event.frames", "sends every kind of frame that is not its own")
@pytest.mark.parametrize("meeting", list(Meeting))
@pytest.mark.parametrize("way", WAYS)
async def test_each_frame_reaches_whom_it_should_and_nobody_else(way, meeting, folder, tried):
    words = words_for(way, "qemu_provider.event_matrix", str(folder / "n"), meeting.value)
    done = await asyncio.to_thread(
        subprocess.run, words, cwd="/", capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    column = 0 if meeting is Meeting.ALL else 1
    expected = {
        name: sorted(EXPECTED[name][column]) if name in EXPECTED else []
        for name in told["received"]
    }
    assert {name: sorted(who) for name, who in told["received"].items()} == expected
    assert set(EXPECTED) < set(told["received"])
    assert told["answers"] == {name: ANSWERS.get(name, []) for name in told["answers"]}
    assert told["crossed"] == 0, "the other event heard something"
    assert told["kind"] == WAYS[way][2]
    assert not list(folder.iterdir()) or not list((folder / "n").iterdir())
    tried(len(told["received"]) + len(told["answers"]) - len(EXPECTED))
