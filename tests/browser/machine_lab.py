"""JupyterLab as a machine has it, below a folder that stands for the machine; real but for that."""

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
from typing import Any

import requests

from fakes.processes import stop_server
from fakes.waiting import LIMIT_S
from hub.running_hub import PROJECT
from vmlab.system.host import find_free_port

GUEST = PROJECT / "images/guest"
TOKEN = "lab-extension-test"
EXTENSIONS = {"vmlab-lab": "labextension", "vmlab-course": "labextension-course"}


@dataclass
class LabServer:
    """A running JupyterLab."""

    root: Path
    url: str

    @property
    def home(self) -> Path:
        return self.root / "home/trainee"

    def tell(self, name: str, value: object) -> None:
        (self.root / "run/vmlab" / name).write_text(json.dumps(value))

    def get(self, path: str, **more: Any) -> requests.Response:
        headers = {"Authorization": f"token {TOKEN}"}
        return requests.get(f"{self.url}{path}", headers=headers, timeout=60, **more)

    def put(self, path: str, body: Any) -> None:
        headers = {"Authorization": f"token {TOKEN}"}
        answer = requests.put(f"{self.url}{path}", headers=headers, json=body, timeout=60)
        answer.raise_for_status()

    def post(self, path: str, body: Any, token: str = TOKEN) -> requests.Response:
        headers = {"Authorization": f"token {token}"} if token else {}
        return requests.post(f"{self.url}{path}", headers=headers, json=body, timeout=60)


@contextmanager
def run_lab(folder: Path, *words: str, **more_env: str) -> Iterator[LabServer]:
    """Run JupyterLab with our extensions, and with these further words of its command line."""
    root = folder / "root"
    for name in ("run/vmlab/notices-seen", "run/vmlab-server", "home/trainee"):
        (root / name).mkdir(parents=True)
    port = find_free_port()
    env = _prepare(folder, root) | more_env
    log = folder / "log"
    with log.open("wb") as stream:
        process = subprocess.Popen(
            [sys.executable, "-m", "jupyterlab", *_arguments(root, port), *words],
            env=env,
            stdout=stream,
            stderr=stream,
        )
    server = LabServer(root, f"http://127.0.0.1:{port}/user/ada/")
    try:
        deadline = time.monotonic() + LIMIT_S
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
        stop_server(process)


def _prepare(folder: Path, root: Path) -> Mapping[str, str]:
    share, config = folder / "share/labextensions", folder / "config/jupyter_server_config.d"
    share.mkdir(parents=True)
    config.mkdir(parents=True)
    for name, source in EXTENSIONS.items():
        (share / name).symlink_to(GUEST / source)
    (config / "vmlab.json").symlink_to(GUEST / "jupyter-config/vmlab.json")
    # As JupyterHub's single-user server has it.
    (folder / "config/labconfig").mkdir()
    (folder / "config/labconfig/page_config.json").write_text('{"hubPrefix": "/hub/"}')
    return {
        **os.environ,
        "HOME": str(root / "home/trainee"),
        "VMLAB_ROOT": str(root),
        "JUPYTER_PATH": str(folder / "share"),
        "JUPYTER_CONFIG_PATH": str(folder / "config"),
        "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
        "PYTHONPATH": str(GUEST / "src"),
    }


def _arguments(root: Path, port: int) -> list[str]:
    words = ["--no-browser", "--allow-root", f"--port={port}", "--ServerApp.port_retries=0"]
    words += ["--LabApp.news_url=None", "--LabApp.check_for_updates_class="]
    words[-1] += "jupyterlab.handlers.announcements.NeverCheckForUpdate"
    words += [f"--IdentityProvider.token={TOKEN}", "--ServerApp.base_url=/user/ada/"]
    return [*words, f"--ServerApp.root_dir={root / 'home/trainee'}"]
