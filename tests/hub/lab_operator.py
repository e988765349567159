"""Somebody who types `vmlab up` and other commands, with a real hub and proxy."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import requests

from fakes.forks import run_command
from fakes.names import resolve_localhost
from vmlab.hub.proxy import find_proxy
from vmlab.lab.origins import LOCAL_NAME, bracketed
from vmlab.system.host import find_free_port

resolve_localhost()

PROJECT = Path(__file__).parents[2]
LIMIT_S = 120

LAB = """
[lab]
name = "test"
{course}
[provider]
name = "fake"
[hub]
port = {port}
{hub_lines}
[accounts]
trainees = 2
"""


class Operator:
    """Somebody who types commands."""

    def __init__(self, folder: Path, address: str = "") -> None:
        self.port = find_free_port()
        self.url = f"http://{bracketed(address) if address else LOCAL_NAME}:{self.port}/"
        self.state = folder / "state"
        self.lab = folder / "lab.toml"
        self.lab.write_text(self.lab_text(address))
        self.env = {
            **os.environ,
            "VMLAB_STATE": str(self.state),
            "VMLAB_CACHE": str(folder / "cache"),
            "VMLAB_PROJECT": str(PROJECT),
            "VMLAB_LAB": str(self.lab),
            "COLUMNS": "400",
        }
        self.started: list[subprocess.Popen[str]] = []

    def lab_text(self, address: str = "", course: str = "") -> str:
        """What lab.toml says; of a hub at an address that this is its only name, too."""
        at = f'address = "{address}"\nurl = "{self.url}"\none_origin = true' if address else ""
        return LAB.format(port=self.port, course=course, hub_lines=at)

    def words(self, *words: str) -> list[str]:
        return [sys.executable, "-c", "from vmlab.cli import main; main()", *words]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return run_command(*words, environment=self.env, limit_s=LIMIT_S)

    def up(self) -> subprocess.Popen[str]:
        """Start `vmlab up` and return when it says that the lab is there."""
        with (self.state.parent / "up.err").open("a") as errors:
            process = subprocess.Popen(
                self.words("up"), env=self.env, stdout=subprocess.PIPE, stderr=errors, text=True
            )
        self.started.append(process)
        assert process.stdout is not None
        self.said = ""
        for line in process.stdout:
            self.said += line
            if self.url in line:
                return process
        raise AssertionError(f"vmlab up ended: {(self.state.parent / 'up.err').read_text()}")

    def holder(self) -> dict[str, int]:
        hub: dict[str, int] = json.loads(self.run("status", "--json").stdout)["hub"]
        return hub

    def proxy(self) -> int:
        pid = find_proxy(self.state / "proxy.pid")
        assert pid is not None
        return pid

    def password(self, name: str) -> str:
        rows = json.loads(self.run("accounts", "--json").stdout)["accounts"]
        return str({row["account"]: row["password"] for row in rows}[name])

    def log_in(
        self, name: str, password: str, session: requests.Session | None = None
    ) -> requests.Response:
        session = session or requests.Session()
        session.get(f"{self.url}hub/login")
        data = {"username": name, "password": password, "_xsrf": session.cookies["_xsrf"]}
        return session.post(f"{self.url}hub/login?next=/hub/home", data=data)

    def clean_up(self) -> None:
        self.run("down")
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.wait()
            if process.stdout:
                process.stdout.close()
