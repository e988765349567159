"""The fake provider with real servers: JupyterHub's own test server, one process a machine."""

from __future__ import annotations

import asyncio
import os
import sys
from urllib.parse import urlparse, urlunparse

from vmlab.model import MachineSpec, MachineState
from vmlab.providers.fake import FakeProvider
from vmlab.seed import Seed
from vmlab.system.host import find_free_port


class ProcessProvider(FakeProvider):
    """Each running machine is one `jupyterhub.tests.mocksu` process on loopback."""

    def __init__(self, settings):
        super().__init__(settings)
        self._processes: dict[str, asyncio.subprocess.Process] = {}

    async def _serve(self, spec: MachineSpec, seed: Seed) -> str:
        await self._unserve(spec.name)
        port = find_free_port()
        inside = urlparse(seed.env["JUPYTERHUB_SERVICE_URL"])
        url = urlunparse(inside._replace(netloc=f"127.0.0.1:{port}"))
        self._processes[spec.name] = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "jupyterhub.tests.mocksu",
            # The suite counts its server's words; this one is for jupyterhub-singleuser.
            *(word for word in seed.args if not word.startswith("--HubOAuth.base_url=")),
            env={**seed.env, "JUPYTERHUB_SERVICE_URL": url, "PATH": os.environ["PATH"]},
        )
        return f"{inside.scheme}://127.0.0.1:{port}"

    async def _unserve(self, name: str) -> None:
        process = self._processes.pop(name, None)
        if process is not None and process.returncode is None:
            process.kill()
            await process.wait()

    async def status(self, names=None):
        found = dict(await super().status(names))
        for name, status in found.items():
            process = self._processes.get(name)
            if process is not None and process.returncode is not None:
                await self.stop(name)
                found[name] = (await super().status([name]))[name]
            assert status.state in MachineState
        return found
