"""Some names on the internet and nothing else: real rules, as root and without."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
LIMIT_S = 180
UNKNOWN, FAILED = 3, 2

# A namespace of processes, too: whatever is left ends with the program.
WAYS = {
    "root": ["unshare", "--net", "--pid", "--fork", "--kill-child", "--mount-proc"],
    "without root": ["unshare", "--user", "--map-root-user", "--net", "--pid", "--fork",
                     "--kill-child", "--mount-proc"],
}  # fmt: skip


@pytest.mark.attack("shares.names", "reaches what the lab does not allow by name")
@pytest.mark.parametrize("way", WAYS)
async def test_allowed_names_are_reached_and_nothing_else(way, tried):
    if way == "root" and os.geteuid() != 0:
        pytest.skip("needs root")
    words = [*WAYS[way], sys.executable, "-m", "qemu_provider.allowed_names"]
    done = await asyncio.to_thread(
        subprocess.run, words, capture_output=True, text=True, timeout=LIMIT_S, check=False,
        env={**os.environ, "PYTHONPATH": f"{TESTS}:{os.environ.get('PYTHONPATH', '')}"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    refused = told.pop("before")
    assert refused != "hello", "nobody had asked for its name"
    assert refused != "TimeoutError", "whoever may not is told at once"
    assert told == {
        "good": [0, "9.9.9.9"],
        "after": "hello",
        "below": [[0, "9.9.9.11"], "hello"],
        "other": [[UNKNOWN], refused],
        # A name that leads to somebody's own address has none, and the resolver stays closed.
        "twisted": [[0], [told["twisted"][1][0]]],
        "missing": [UNKNOWN],
        "texts": [[0], [0]],
        "silent": [FAILED],
        "in capitals": [0, "9.9.9.9"],
        "mark": False,
    }
    assert isinstance(told["twisted"][1][0], str), "only the gate asks the resolver"
    tried(6)
