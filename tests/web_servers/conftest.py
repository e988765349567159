"""A real hub of a lab with a name, and certificates for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests

sys.path.insert(0, str(Path(__file__).parents[1]))

from fakes.authority import Authority
from fakes.names import LAB_NAME, resolve_localhost
from hub.running_hub import RunningHub
from vmlab.lab.lab import load_lab
from vmlab.network.web_servers import Site, make_site
from vmlab.system.host import find_free_port

resolve_localhost()

TRAINEES = ("ada", "bob", "eve", "dan", "fay", "gus")


@dataclass(frozen=True)
class NamedLab:
    """A hub that is to be found at https://lab.example.org:PORT, once something listens there."""

    hub: RunningHub
    authority: Authority
    port: int
    certificate: Path
    key: Path

    @property
    def url(self) -> str:
        return self.hub.base_url

    def machine_url(self, name: str) -> str:
        return f"https://{name}.{LAB_NAME}:{self.port}"

    def site(self, **changes: object) -> Site:
        lab = load_lab(self.hub.folder / "lab.toml")
        made = make_site(lab, certificate=self.certificate, key=self.key)
        here = {"address": "127.0.0.1", "plain_port": find_free_port()}
        return Site(**(vars(made) | here | changes))

    def browser_session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False  # it may name authorities that have the last word
        session.verify = str(self.authority.file)
        return session

    def log_in(self, name: str, **headers: str) -> requests.Session:
        session = self.browser_session()
        session.get(f"{self.url}/hub/login", timeout=60).raise_for_status()
        answer = session.post(
            f"{self.url}/hub/login?next=/hub/home",
            data={
                "username": name,
                "password": self.hub.password(name),
                "_xsrf": session.cookies.get("_xsrf", path="/hub/"),
            },
            headers=headers,
            timeout=60,
        )
        answer.raise_for_status()
        return session


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NamedLab]:
    folder = tmp_path_factory.mktemp("hub")
    port = find_free_port()
    lines = f'url = "https://{LAB_NAME}:{port}"\nfront = ["127.0.0.1"]'
    hub = RunningHub(folder, trainees=TRAINEES, hub_lines=lines)
    authority = Authority(tmp_path_factory.mktemp("authority"))
    certificate, key = authority.issue(LAB_NAME, f"*.{LAB_NAME}")
    hub.base_url = f"https://{LAB_NAME}:{port}"
    with hub:
        yield NamedLab(hub, authority, port, certificate, key)
