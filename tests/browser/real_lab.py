"""JupyterLab as a machine has it, below a folder that stands for the machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import requests

from hub.running_hub import PROJECT
from vmlab.host import find_free_port

GUEST = PROJECT / "images/guest"
TOKEN = "lab-extension-test"


@dataclass
class LabServer:
    """JupyterLab as a machine has it, below a folder that stands for the machine."""

    root: Path
    url: str

    def tell(self, name: str, value: object) -> None:
        (self.root / "run/vmlab" / name).write_text(json.dumps(value))

    def get(self, path: str, **more: object) -> requests.Response:
        headers = {"Authorization": f"token {TOKEN}"}
        return requests.get(f"{self.url}{path}", headers=headers, timeout=60, **more)

    def put(self, path: str, body: object) -> None:
        headers = {"Authorization": f"token {TOKEN}"}
        answer = requests.put(f"{self.url}{path}", headers=headers, json=body, timeout=60)
        answer.raise_for_status()

    def post(self, path: str, body: object, token: str = TOKEN) -> requests.Response:
        headers = {"Authorization": f"token {token}"} if token else {}
        return requests.post(f"{self.url}{path}", headers=headers, json=body, timeout=60)


@contextmanager
def run_lab(folder: Path, hub_env: Mapping[str, str]) -> Iterator[LabServer]:
    """Run JupyterLab with what VMLab puts into it.

    Args:
        hub_env: how its server reaches its hub.
    """
    root = folder / "root"
    for name in ("run/vmlab/notices-seen", "run/vmlab-server", "home/trainee"):
        (root / name).mkdir(parents=True)
    share, config = folder / "share/labextensions", folder / "config/jupyter_server_config.d"
    share.mkdir(parents=True)
    config.mkdir(parents=True)
    (share / "vmlab-lab").symlink_to(GUEST / "labextension")
    (config / "vmlab.json").symlink_to(GUEST / "jupyter-config/vmlab.json")
    # As JupyterHub's single-user server has it.
    (folder / "config/labconfig").mkdir()
    (folder / "config/labconfig/page_config.json").write_text('{"hubPrefix": "/hub/"}')
    port = find_free_port()
    env = {
        **os.environ,
        "HOME": str(root / "home/trainee"),
        "VMLAB_ROOT": str(root),
        "JUPYTER_PATH": str(folder / "share"),
        "JUPYTER_CONFIG_PATH": str(folder / "config"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "PYTHONPATH": str(GUEST / "src"),
        **hub_env,
    }
    words = ["--no-browser", "--allow-root", f"--port={port}", "--ServerApp.port_retries=0"]
    words += ["--LabApp.news_url=None", "--LabApp.check_for_updates_class="]
    words[-1] += "jupyterlab.handlers.announcements.NeverCheckForUpdate"
    words += [f"--IdentityProvider.token={TOKEN}", "--ServerApp.base_url=/user/ada/"]
    words += [f"--ServerApp.root_dir={root / 'home/trainee'}"]
    log = folder / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *words], env=env, stdout=stream, stderr=stream
        )
    server = LabServer(root, f"http://127.0.0.1:{port}/user/ada/")
    try:
        deadline = time.monotonic() + 120
        while True:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < deadline, log.read_text()
            try:
                if server.get("api").ok:
                    break
            except requests.ConnectionError:
                time.sleep(0.1)
        yield server
    finally:
        process.terminate()
        process.wait(30)
