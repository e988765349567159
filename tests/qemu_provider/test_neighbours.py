"""A machine with internet reaches the internet, not what is near the host. Real packets."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys

import pytest

from . import public_network
from .public_network import IPV6, NEIGHBOURS, OWN


@pytest.mark.skipif(os.geteuid() != 0, reason="a public network of our own needs root")
@pytest.mark.attack("shares.neighbours", "looks for everybody on the wire of a public host")
@pytest.mark.parametrize("rate", [0, 2_000_000], ids=["free", "shaped"])
async def test_a_machine_reaches_the_internet_and_nobody_near_the_host(rate, tried):
    words = ["unshare", "--net", "--mount", "--pid", "--mount-proc", "--fork", "--kill-child"]
    words += [sys.executable, public_network.__file__, str(rate)]
    done = await asyncio.to_thread(
        subprocess.run, words, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert all(told["host"].values()), told["host"]
    # The network lets them through, so it is our care that keeps them out.
    near = {name: reached for name, reached in told["careless"].items() if name not in IPV6}
    assert all(near.values()), near
    reached = {name for name, is_reached in told["machine"].items() if is_reached}
    assert reached == {"somewhere", "the resolver"}
    assert set(NEIGHBOURS) | set(OWN) | set(IPV6) < set(told["machine"])
    tried(len(told["machine"]))
