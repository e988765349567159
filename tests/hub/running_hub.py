"""A real hub for tests: JupyterHub, configurable-http-proxy and the fake provider, as processes.

    with RunningHub(folder) as hub:
        ada = hub.login("ada")
        hub.start_server("ada")
        hub.report(hub.server_token("ada"), course="first-steps", ...)

The configuration is the one that `vmlab up` uses (`vmlab.configure`); a test adds lines of its own
with `extra_config`. Ports are free ones, state is in `folder`.
"""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Self
from urllib.parse import quote

import requests
from jupyterhub import orm
from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from fakes.forks import IS_COVERAGE_MEASURED, Files, ForkedProcess, Program
from fakes.names import resolve_localhost
from fakes.waiting import LIMIT_S
from vmlab.hub.proxy import find_proxy
from vmlab.lab.origins import LOCAL_NAME, machine_host
from vmlab.paths import Paths
from vmlab.system.host import find_free_port
from vmlab_protocol.atomic import write_atomic

resolve_localhost()

PROJECT = Path(__file__).parents[2]
START_LIMIT_S = LIMIT_S
STOP_LIMIT_S = 120

TRAINEES = ("ada", "bob", "eve")

_LAB = """\
[lab]
name = "test"
language = "{language}"
{branding_lines}

[provider]
name = "{provider}"
{provider_lines}

[hub]
port = {port}
{hub_lines}

[accounts]
trainees = {trainees}
trainers = ["trainer"]
facilitators = ["facilitator"]
administrators = ["admin"]
{lab_lines}
"""

# Servers' tokens travel in the seed only, which a fake machine has nobody to give to: this spawner
# notes the environment for the test, in a file of the test's own folder.
_CONFIG = """\
import json, os
from pathlib import Path
from jinja2 import FileSystemBytecodeCache
from vmlab.configure import configure
from vmlab.lab.lab import load_lab
from vmlab.paths import Paths
from vmlab.spawning.spawner import VMSpawner

folder = Path({folder!r})
project = Path({project!r})
c = get_config()
configure(c, load_lab(folder / "lab.toml"), Paths(folder, Path({cache!r})), project=project)


class NotingSpawner(VMSpawner):
    def get_env(self):
        env = super().get_env()
        part = folder / f".env-{{self.machine}}"
        part.write_text(json.dumps(env))
        part.rename(folder / f"env-{{self.machine}}.json")
        return env


c.JupyterHub.spawner_class = NotingSpawner
c.JupyterHub.load_roles.append({{
    "name": "test",
    "scopes": ["admin:users", "admin:groups", "admin:servers", "tokens", "proxy", "shutdown"],
    "services": ["test"],
}})
c.JupyterHub.services.append({{"name": "test", "api_token": {token!r}}})


class CompiledTemplates(FileSystemBytecodeCache):
    # A page of errors is made without the event loop, by other code than the same page with it.
    def get_bucket(self, environment, name, *more):
        return super().get_bucket(environment, f"{{name}} {{environment.is_async}}", *more)


compiled = CompiledTemplates({templates!r})
c.JupyterHub.jinja_environment_options = {{"bytecode_cache": compiled}}
"""


@cache
def _templates() -> str:
    """Return a folder for compiled templates, for all hubs of this process."""
    folder = tempfile.mkdtemp(prefix="vmlab-templates-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


class HubFailedError(Exception):
    """The hub did not start; the message holds the end of its log."""


class RunningHub:
    """One hub; a context manager that leaves no process behind.

    `is_forked` is not for tests that look at the process: its environment and command line are
    those of the one it was forked from.
    """

    token = "t" * 40
    """Of a service that may do everything with users and servers."""

    def __init__(
        self,
        folder: Path,
        *,
        trainees: tuple[str, ...] = TRAINEES,
        language: str = "en",
        extra_config: str = "",
        provider: str = "fake",
        cache: Path | None = None,
        provider_lines: str = "",
        lab_lines: str = "",
        hub_lines: str = "",
        branding_lines: str = "",
        python: str = sys.executable,
        is_forked: bool = True,
    ) -> None:
        self.folder = folder
        self.python = python
        self._is_forked = is_forked and python == sys.executable and not IS_COVERAGE_MEASURED
        self.port = find_free_port()
        self.one_origin = "one_origin = true" in hub_lines
        self.local_url = f"http://127.0.0.1:{self.port}"  # for programs
        self.base_url = self.local_url if self.one_origin else f"http://{LOCAL_NAME}:{self.port}"
        self.api_url = f"{self.local_url}/hub/api"
        self._process: subprocess.Popen[bytes] | ForkedProcess | None = None
        self._tokens: dict[str, str] = {}
        lab = _LAB.format(
            language=language,
            port=self.port,
            trainees=json.dumps(trainees),
            provider=provider,
            provider_lines=provider_lines,
            lab_lines=lab_lines,
            hub_lines=hub_lines,
            branding_lines=branding_lines,
        )
        (folder / "lab.toml").write_text(lab)
        config = _CONFIG.format(
            folder=str(folder),
            cache=str(cache or folder),
            project=str(PROJECT),
            token=self.token,
            templates=_templates(),
        )
        (folder / "jupyterhub_config.py").write_text(config + extra_config)

    # -- the process -------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def log(self) -> Path:
        """What hub and proxy wrote."""
        return self.folder / "hub.log"

    @property
    def pid(self) -> int:
        """The hub's process, while it runs."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start the hub and return when it answers through the proxy."""
        self._process = self._launch()
        deadline = time.monotonic() + START_LIMIT_S
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                end = self.log.read_text(errors="replace")[-4000:]
                raise HubFailedError(f"the hub did not start:\n{end}")
            time.sleep(0.1)

    def _launch(self) -> subprocess.Popen[bytes] | ForkedProcess:
        words = ["-f", "jupyterhub_config.py"]
        if self._is_forked:
            files = Files(output=self.log, errors=self.log)
            return ForkedProcess(
                Program.HUB, words, folder=self.folder, environment=os.environ, files=files
            )
        command = [self.python, "-m", "jupyterhub", *words]
        with self.log.open("ab") as log:
            return subprocess.Popen(
                command, cwd=self.folder, stdout=log, stderr=log, start_new_session=True
            )

    def stop(self, sig: signal.Signals = signal.SIGTERM) -> None:
        """End the hub (with SIGKILL: as if it crashed) and, unless it crashed, its proxy."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.send_signal(sig)
        try:
            self._process.wait(STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None
        proxy = find_proxy(self.folder / "proxy.pid")
        if proxy is not None and sig is not signal.SIGKILL:
            os.kill(proxy, signal.SIGTERM)

    def _answers(self) -> bool:
        try:
            return requests.get(f"{self.api_url}/", timeout=5).ok
        except requests.RequestException:
            return False

    def machine_url(self, name: str) -> str:
        """Where a browser finds a trainee's machine, without a slash at the end."""
        if self.one_origin:
            return f"{self.base_url}/user/{name}"
        return f"http://{machine_host(name, LOCAL_NAME, 'user')}:{self.port}/user/{name}"

    # -- people ------------------------------------------------------------------------------

    def password(self, name: str) -> str:
        """The password that was made for this account."""
        from vmlab.people.accounts import read_passwords

        return read_passwords(self.folder / "accounts.toml")[name]

    def login(self, name: str, **fields: str) -> requests.Session:
        """Log in as a browser does, with these fields of the form; return the session."""
        session, _ = self.land(name, fields, next="/hub/home")
        return session

    def land(
        self, name: str, fields: Mapping[str, str] | None = None, **parameters: str
    ) -> tuple[requests.Session, requests.Response]:
        """Log in; return the session and the page where that leads."""
        session = requests.Session()
        session.get(f"{self.base_url}/hub/login", timeout=60)
        answer = session.post(
            f"{self.base_url}/hub/login",
            params=parameters,
            data={
                "username": name,
                "password": self.password(name),
                "_xsrf": session.cookies.get("_xsrf", path="/hub/"),
                **(fields or {}),
            },
            timeout=60,
        )
        answer.raise_for_status()
        return session, answer

    @contextmanager
    def database(self) -> Iterator[Session]:
        """The hub's database, as something writes it that is not this hub."""
        file = Paths(self.folder, self.folder).hub_database
        engine = create_engine(f"sqlite:///{file}", connect_args={"timeout": START_LIMIT_S})
        with Session(engine) as session, session.begin():
            yield session
        engine.dispose()

    def add_user(self, name: str, group: str = "") -> None:
        """Make an account that lab.toml does not have, whatever its name, as older hubs left."""
        with self.database() as db:
            role, groups = orm.Role.find(db, "user"), [orm.Group.find(db, group)] if group else []
            db.add(orm.User(name=name, roles=[role], groups=groups))

    # -- calls -------------------------------------------------------------------------------

    def api(self, method: str, path: str, *, token: str = "", **more: Any) -> requests.Response:
        """Call the hub's API; without a token as the service that may do everything."""
        headers = {"Authorization": f"token {token or self.token}", **more.pop("headers", {})}
        url = f"{self.api_url}/{path}"
        return requests.request(method, url, headers=headers, timeout=60, **more)

    @property
    def cli_token(self) -> str:
        """The command line's token: it publishes courses."""
        return str(json.loads((self.folder / "cli.json").read_text())["token"])

    def user_token(self, name: str, scopes: list[str] | None = None) -> str:
        """A token that the user made for themselves, with all rights unless scopes are named."""
        body = {"note": "Server at /user/ada/", **({"scopes": scopes} if scopes else {})}
        answer = self.api("POST", f"users/{quote(name, safe='')}/tokens", json=body)
        answer.raise_for_status()
        return str(answer.json()["token"])

    def kept_token(self, name: str) -> str:
        """The same token at each call, with all rights: for who asks again and again."""
        if name not in self._tokens:
            self._tokens[name] = self.user_token(name)
        return self._tokens[name]

    # -- servers -----------------------------------------------------------------------------

    def start_server(self, name: str, limit_s: float = START_LIMIT_S) -> None:
        """Start a trainee's server and return when it is ready."""
        path = f"users/{quote(name, safe='')}"
        self.api("POST", f"{path}/server").raise_for_status()
        self.wait_until_ready(name, limit_s)

    def wait_until_ready(self, name: str, limit_s: float = START_LIMIT_S) -> None:
        """Return when a trainee's server, which somebody has started, is ready."""
        deadline = time.monotonic() + limit_s
        while not (model := self.server(name)).get("ready"):
            assert time.monotonic() < deadline, f"the server of {name} did not get ready"
            assert model.get("pending"), f"the start of {name}'s server failed"
            time.sleep(0.1)  # a look costs hub and proxy 17 ms of the processor

    def stop_server(self, name: str, limit_s: float = STOP_LIMIT_S) -> None:
        """Stop a trainee's server and return when the hub has forgotten it."""
        path = f"users/{quote(name, safe='')}/server"
        self.api("DELETE", path).raise_for_status()
        deadline = time.monotonic() + limit_s
        while self.server(name).get("ready") or self.server(name).get("pending"):
            assert time.monotonic() < deadline, f"the server of {name} did not stop"
            time.sleep(0.1)

    def server(self, name: str) -> dict[str, Any]:
        """The hub's model of the trainee's default server; empty when there is none."""
        user = self.api("GET", f"users/{quote(name, safe='')}").json()
        model: dict[str, Any] = user.get("servers", {}).get("", {})
        return model

    def server_env(self, name: str) -> dict[str, str]:
        """The environment that the trainee's server got at its start."""
        from vmlab.names import machine_name

        env: dict[str, str] = json.loads(
            (self.folder / f"env-{machine_name(name)}.json").read_text()
        )
        return env

    def server_token(self, name: str) -> str:
        """The token that the trainee's server got at its start."""
        return self.server_env(name)["JUPYTERHUB_API_TOKEN"]

    def report(self, user: str, step: str, *, passed: bool = True) -> requests.Response:
        """Report a check of the course of `make_course` as the trainee's machine does."""
        exercise, _, name = step.partition("/")
        body = {"course": "first-steps", "exercise": exercise, "step": name, "passed": passed}
        return self.api("POST", "vmlab/progress", token=self.server_token(user), json=body)

    def set_faults(self, **faults: Any) -> None:
        """Set delays and faults of the fake provider (see `vmlab.providers.fake`).

        A delay that is under way becomes what is set: none, for instance.
        """
        write_atomic(self.folder / "fake.json", json.dumps(faults).encode(), durable=False)
