"""A real Jupyter server for a hub with fake machines: it runs on the host."""

from __future__ import annotations

import os
import signal
from pathlib import Path

# What runs in a machine, run on the host: JupyterHub's own single-user server.
REAL_SERVER = """
import subprocess, sys

home = folder / "home"
home.mkdir(exist_ok=True)


class RealSpawner(NotingSpawner):
    async def start(self):
        await super().start()
        own = {{
            "HOME": str(home),
            "JUPYTERHUB_API_URL": self.hub.api_url,
            "JUPYTERHUB_SERVICE_URL": "http://127.0.0.1:{port}",
        }}
        command = [sys.executable, "-m", "jupyterhub.singleuser", "--allow-root"]
        with (folder / "server.log").open("wb") as log:
            server = subprocess.Popen(
                command, cwd=home, env=os.environ | self.get_env() | own, stdout=log, stderr=log
            )
        (folder / "server.pid").write_text(str(server.pid))
        return "http://127.0.0.1:{port}"

    # The server outlives the hub, as a machine does; the fake's machines do not.
    async def poll(self):
        pid = (folder / "server.pid").read_text()
        return None if Path(f"/proc/{{pid}}").exists() else 0


c.JupyterHub.spawner_class = RealSpawner
"""


def stop_server(folder: Path) -> None:
    """End the server of a hub whose state is in this folder."""
    os.kill(int((folder / "server.pid").read_text()), signal.SIGTERM)
