"""`vmlab up`, `status` and `down` with a real hub and proxy, and the ways in which they die."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest
import requests

from fakes.names import resolve_localhost
from vmlab.host import find_free_port, find_port_state
from vmlab.origins import LOCAL_NAME
from vmlab.proxy import find_proxy

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
[accounts]
trainees = 2
"""


class Operator:
    """Somebody who types commands."""

    def __init__(self, folder: Path) -> None:
        self.port = find_free_port()
        self.url = f"http://{LOCAL_NAME}:{self.port}/"
        self.state = folder / "state"
        self.lab = folder / "lab.toml"
        self.lab.write_text(LAB.format(port=self.port, course=""))
        self.env = {
            **os.environ,
            "VMLAB_STATE": str(self.state),
            "VMLAB_CACHE": str(folder / "cache"),
            "VMLAB_PROJECT": str(PROJECT),
            "VMLAB_LAB": str(self.lab),
            "COLUMNS": "400",
        }
        self.started: list[subprocess.Popen[str]] = []

    def words(self, *words: str) -> list[str]:
        return [sys.executable, "-c", "from vmlab.cli import main; main()", *words]

    def run(self, *words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.words(*words),
            env=self.env,
            capture_output=True,
            text=True,
            timeout=LIMIT_S,
            check=False,
        )

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


@pytest.fixture
def operator(tmp_path: Path) -> Generator[Operator]:
    operator = Operator(tmp_path)
    yield operator
    operator.clean_up()


def wait_gone(*pids: int) -> None:
    processes = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    _, alive = psutil.wait_procs(processes, timeout=30)
    assert not alive


def test_up_second_up_and_ctrl_c(operator: Operator) -> None:
    up = operator.up()
    hub, proxy = operator.holder()["hub_pid"], operator.proxy()

    assert operator.log_in("trainee01", operator.password("trainee01")).url.endswith("/hub/home")
    refused = operator.log_in("trainee01", operator.password("trainee02"))
    assert refused.status_code == 403
    for name in ("accounts.toml", "cli.json", "cookie_secret", "hub.log", "jupyterhub.sqlite"):
        assert stat.S_IMODE((operator.state / name).stat().st_mode) == 0o600, name

    second = operator.run("up")
    assert second.returncode == 1
    assert f"a hub already runs on the state folder {operator.state} (pid {hub}" in second.stderr
    assert len(second.stderr.strip().splitlines()) == 2
    assert "Traceback" not in second.stderr

    first_passwords = (operator.state / "accounts.toml").read_text()
    up.send_signal(signal.SIGINT)
    assert up.wait(LIMIT_S) == 0
    wait_gone(hub, proxy)
    assert operator.run("status").stdout.startswith("○ hub: not running")
    assert "Machines and data stay" in (operator.state.parent / "up.err").read_text()

    operator.up()
    assert (operator.state / "accounts.toml").read_text() == first_passwords


@pytest.mark.attack("shares.passwords", "reads what a service prints, logs and is called with")
def test_no_secret_stands_in_log_journal_or_command_lines(operator: Operator) -> None:
    up = operator.up()
    operator.log_in("trainee01", operator.password("trainee01"))
    operator.log_in("trainee02", "a-wrong-password")
    proxy_token = psutil.Process(operator.proxy()).environ()["CONFIGPROXY_AUTH_TOKEN"]
    secrets = [
        operator.password("trainee01"),
        "a-wrong-password",
        json.loads((operator.state / "cli.json").read_text())["token"],
        (operator.state / "cookie_secret").read_text().strip(),
        proxy_token,
    ]
    places = [" ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"])]
    places.append((operator.state / "hub.log").read_text())
    up.send_signal(signal.SIGINT)
    assert up.stdout is not None
    said = operator.said + up.stdout.read()
    assert str(operator.state / "accounts.toml") in said, "it says where they are"
    places += [said, (operator.state.parent / "up.err").read_text()]
    assert all(secrets)
    assert not [s for s in secrets if any(s in place for place in places)]


def test_down_stops_what_a_killed_up_left(operator: Operator) -> None:
    up = operator.up()
    hub, proxy = operator.holder()["hub_pid"], operator.proxy()
    up.kill()
    up.wait()
    assert operator.holder()["hub_pid"] == hub, "the hub lives on and is still known"
    down = operator.run("down", "--json")
    assert json.loads(down.stdout) == {"hub_stopped": True, "machines": []}
    wait_gone(hub, proxy)


def test_up_takes_over_after_everything_but_the_proxy_was_killed(operator: Operator) -> None:
    up = operator.up()
    proxy = operator.proxy()
    psutil.Process(operator.holder()["hub_pid"]).kill()
    assert up.wait(LIMIT_S) == 1
    said = (operator.state.parent / "up.err").read_text()
    assert "error: the hub ended with status -9" in said
    assert psutil.pid_exists(proxy), "the proxy holds the port; the next hub ends it"
    operator.up()
    assert operator.proxy() != proxy
    assert operator.log_in("admin", operator.password("admin")).status_code == 200


def test_a_port_that_is_taken_is_named(operator: Operator) -> None:
    with socket.create_server(("127.0.0.1", operator.port)):
        state = find_port_state("127.0.0.1", operator.port)
        up = operator.run("up")
        doctor = operator.run("doctor", "--json")
    assert state.pid in {os.getpid(), None}
    assert up.returncode == 1
    assert f"error: port {operator.port} on 127.0.0.1 is taken by" in up.stderr
    assert f"change [hub] address and port in {operator.lab}" in up.stderr
    findings = {f["what"]: f for f in json.loads(doctor.stdout)["findings"]}
    assert findings["port"]["level"] == "fail"
    assert find_port_state("127.0.0.1", operator.port).problem == ""


def test_a_hub_that_cannot_start_shows_the_end_of_its_log(operator: Operator) -> None:
    operator.state.mkdir()
    (operator.state / "jupyterhub.sqlite").write_text("this is no database " * 100)
    up = operator.run("up")
    assert up.returncode == 1
    assert "error: the hub ended with status 1" in up.stderr
    assert f"the end of {operator.state}/hub.log:" in up.stderr
    assert "file is not a database" in up.stderr
    assert operator.run("status").stdout.startswith("○ hub: not running")


def test_the_course_of_the_lab_is_published(operator: Operator, tmp_path: Path) -> None:
    course = PROJECT / "notebooks" / "first-steps"
    text = LAB.format(port=operator.port, course=f'course = "{course}"')
    operator.lab.write_text(text)
    operator.up()
    listed = json.loads(operator.run("course", "list", "--json").stdout)["courses"]
    assert [(c["name"], c["version"]) for c in listed] == [("first-steps", 1)]


def test_a_course_that_may_hold_a_mistake_waits_for_somebody(
    operator: Operator, tmp_path: Path
) -> None:
    course = tmp_path / "course"
    shutil.copytree(PROJECT / "notebooks" / "first-steps", course)
    (course / "answers.md").write_text("secret")
    operator.lab.write_text(LAB.format(port=operator.port, course=f'course = "{course}"'))
    up = operator.up()
    assert json.loads(operator.run("course", "list", "--json").stdout)["courses"] == []
    assert operator.run("course", "push", str(course), "--yes").returncode == 0
    assert operator.run("course", "remove", "first-steps", "--yes").returncode == 0
    up.terminate()
    assert up.wait(LIMIT_S) == 0
    operator.up()
    listed = json.loads(operator.run("course", "list", "--json").stdout)
    assert listed == {"courses": [], "removed": [{"name": "first-steps", "version": 2}]}
    told = (tmp_path / "up.err").read_text()
    assert f"{course}/answers.md: its name looks like that of a solution" in told
    assert f"vmlab course push {course}" in told
    assert "first-steps was taken back" in told


def test_who_leaves_a_role_loses_it(operator: Operator) -> None:
    operator.lab.write_text(operator.lab.read_text() + 'administrators = ["admin", "boss"]\n')
    up = operator.up()
    boss = operator.log_in("boss", operator.password("boss"))
    assert boss.status_code == 200
    up.terminate()
    assert up.wait(LIMIT_S) == 0
    text = operator.lab.read_text().replace(', "boss"]', ']\nfacilitators = ["boss"]')
    operator.lab.write_text(text)
    operator.up()
    session = requests.Session()
    operator.log_in("boss", operator.password("boss"), session)
    own = session.get(f"{operator.url}hub/api/user", headers={"Referer": operator.url}).json()
    assert sorted(own["roles"]) == ["facilitator", "user"]
    assert own["admin"] is False
