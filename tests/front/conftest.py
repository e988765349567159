"""A real hub whose machines' listeners are open, though its machines are fake."""

from __future__ import annotations

import resource
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from vmlab.hub.proxy import proxy_command
from vmlab.system.worker import ensure_tools_user

sys.path.insert(0, str(Path(__file__).parents[1]))

from hub.running_hub import PROJECT, RunningHub

FRONT = "127.0.0.2"
MAX_TOKENS = 40
NEVER_GUESSED = "ivy"
"""Logs in at any time; the tests of log-in lock other accounts for a minute."""

_CONFIG = """
import asyncio
from jupyterhub.app import JupyterHub
from vmlab.hub import tokens
from vmlab.network.listeners import ensure_listeners
from vmlab.network.limits import limit_servers

limit_servers(body_limit_s=2.0)
tokens.MAX_TOKENS = {most_tokens}

c.ConfigurableHTTPProxy.command = {command!r}

async def open_listeners():
    app = JupyterHub.instance()
    while app.http_server is None:
        await asyncio.sleep(0.05)
    await ensure_listeners(folder / "doors", app.tornado_application, folder / "proxy.sock")

listeners = asyncio.get_running_loop().create_task(open_listeners())
"""


@pytest.fixture
def short_folder() -> Iterator[Path]:
    """A unix socket's path may have 107 bytes."""
    with tempfile.TemporaryDirectory(prefix="vmlab-") as name:
        yield Path(name)


@pytest.fixture(scope="session")
def hub() -> Iterator[RunningHub]:
    """One for all tests here; its folder's name is short enough for unix sockets."""
    ensure_tools_user()
    with tempfile.TemporaryDirectory(prefix="vmlab-") as name:
        folder = Path(name)
        folder.chmod(0o711)
        command = proxy_command(PROJECT, front=(FRONT,), listener=folder / "proxy.sock")
        trainees = ("ada", "bob", "eve", "dan", "fay", "gil", "hal", NEVER_GUESSED)
        config = _CONFIG.format(command=command, most_tokens=MAX_TOKENS)
        running = RunningHub(folder, trainees=trainees, extra_config=config)
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (1024, hard))  # as a host begins
        try:
            running.start()
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            yield running
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            running.stop()
