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
from typing import Any

import pytest

import vmlab
import vmlab_protocol
from vmlab.model import Meeting

from .event_sent import ANSWERS, EXPECTED

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

LIMIT_S = 200

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")


@pytest.fixture
def folder():
    """One that the user of a way may write to, with a path short enough for sockets."""
    made = Path(tempfile.mkdtemp(prefix="vmlab-"))
    made.chmod(0o777)
    yield made
    shutil.rmtree(made)


def run(way: str, folder: Path, meeting: Meeting, programs: str = "") -> dict[str, Any]:
    """Return what the matrix says when it runs in this way.

    Args:
        programs: a folder whose programs are taken before the host's.
    """
    mounts, user, _ = WAYS[way]
    python = ["env", "-i", f"PATH={programs}:{os.environ['PATH']}:/usr/sbin:/sbin"]
    python += [f"PYTHONPATH={TESTS}:{PYTHONPATH}", "/usr/bin/python3", "-s", "-B"]
    if user:
        tried = subprocess.run(
            [*user, *python, "-c", "import vmlab"], cwd="/", capture_output=True, check=False
        )
        if tried.returncode:
            pytest.skip("nobody may not read this project, or has another Python than the venv's")
    words = ["unshare", "--mount", "sh", "-ec", mounts, "sh", *user, *python]
    words += ["-m", "qemu_provider.event_matrix", str(folder / "networks"), meeting.value]
    done = subprocess.run(
        words, cwd="/", capture_output=True, text=True, timeout=LIMIT_S, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.attack("event.frames", "sends every kind of frame that is not its own")
@pytest.mark.parametrize("meeting", list(Meeting))
@pytest.mark.parametrize("way", WAYS)
async def test_each_frame_reaches_whom_it_should_and_nobody_else(way, meeting, folder, tried):
    told = await asyncio.to_thread(run, way, folder, meeting)
    assert told["kind"] == WAYS[way][2]
    column = 0 if meeting is Meeting.ALL else 1
    nobody: dict[str, list[str]] = {name: [] for name in told["received"]}
    expected = nobody | {name: sorted(columns[column]) for name, columns in EXPECTED.items()}
    assert {name: sorted(who) for name, who in told["received"].items()} == expected
    silence: dict[str, list[str]] = {name: [] for name in told["answers"]}
    assert told["answers"] == silence | ANSWERS
    assert told["crossed"] == 0, "the other event heard something"
    assert list((folder / "networks").iterdir()) == []
    tried(len(told["received"]) + len(told["answers"]) - len(EXPECTED) - len(ANSWERS))


# What a bridge without any rule forwards to nobody; the fifth because ours is told of each card.
NEVER = {
    "mac of all", "pause", "802.1x", "lldp", "udp to a card that nobody has",
    "ip to a group of the bridge's",
}  # fmt: skip


async def test_without_the_rules_all_of_it_would_arrive(folder):
    """So the frames above are whole, and nothing else stops them."""
    nft = folder / "nft"
    nft.write_text("#!/bin/sh\n")
    nft.chmod(0o755)
    told = await asyncio.to_thread(run, "root, tap", folder, Meeting.ALL, str(folder))
    assert {name for name, who in told["received"].items() if not who} == NEVER
    assert told["crossed"] == 0
