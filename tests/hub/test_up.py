"""`vmlab up`, `status` and `down` with a real hub and proxy, and the ways in which they die."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import stat
from collections.abc import Generator
from pathlib import Path

import psutil
import pytest
import requests

from hub.lab_operator import LIMIT_S, PROJECT, Operator
from vmlab.system.host import find_port_state

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def operator(tmp_path: Path) -> Generator[Operator]:
    operator = Operator(tmp_path)
    yield operator
    operator.clean_up()


def wait_gone(*pids: int) -> None:
    processes = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    _, alive = psutil.wait_procs(processes, timeout=30)
    assert not alive


@pytest.mark.attack("shares.passwords", "reads what a service prints, logs and is called with")
def test_up_second_up_ctrl_c_and_down_after_a_kill(operator: Operator) -> None:
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

    operator.log_in("trainee02", "a-wrong-password")
    secrets, places = find_secrets(operator), find_places(operator)
    first_passwords = (operator.state / "accounts.toml").read_text()
    up.send_signal(signal.SIGINT)
    assert up.wait(LIMIT_S) == 0
    wait_gone(hub, proxy)
    assert operator.run("status").stdout.startswith("○ hub: not running")
    assert "Machines and data stay" in (operator.state.parent / "up.err").read_text()
    assert up.stdout is not None
    said = operator.said + up.stdout.read()
    assert str(operator.state / "accounts.toml") in said, "it says where they are"
    places += [said, (operator.state.parent / "up.err").read_text()]
    assert all(secrets)
    assert not [s for s in secrets if any(s in place for place in places)]

    up = operator.up()
    assert (operator.state / "accounts.toml").read_text() == first_passwords
    hub, proxy = operator.holder()["hub_pid"], operator.proxy()
    up.kill()
    up.wait()
    assert operator.holder()["hub_pid"] == hub, "the hub lives on and is still known"
    down = operator.run("down", "--json")
    assert json.loads(down.stdout) == {"hub_stopped": True, "machines": []}
    wait_gone(hub, proxy)


def find_secrets(operator: Operator) -> list[str]:
    """What nobody but its owner may read; somebody has tried to log in with one of them."""
    return [
        operator.password("trainee01"),
        "a-wrong-password",
        json.loads((operator.state / "cli.json").read_text())["token"],
        (operator.state / "cookie_secret").read_text().strip(),
        psutil.Process(operator.proxy()).environ()["CONFIGPROXY_AUTH_TOKEN"],
    ]


def find_places(operator: Operator) -> list[str]:
    """What others may read while the lab runs: command lines, and the log."""
    lines = [" ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"])]
    return [*lines, (operator.state / "hub.log").read_text()]


def test_up_publishes_the_course_and_takes_over_from_all_but_the_proxy(operator: Operator) -> None:
    course = PROJECT / "notebooks" / "first-steps"
    operator.lab.write_text(operator.lab_text(course=f'course = "{course}"'))
    up = operator.up()
    listed = json.loads(operator.run("course", "list", "--json").stdout)["courses"]
    assert [(c["name"], c["version"]) for c in listed] == [("first-steps", 1)]

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
    (operator.state / "jupyterhub.sqlite").write_text("this is not a database " * 100)
    up = operator.run("up")
    assert up.returncode == 1
    assert "error: the hub ended with status 1" in up.stderr
    assert f"the end of {operator.state}/hub.log:" in up.stderr
    assert "file is not a database" in up.stderr
    assert operator.run("status").stdout.startswith("○ hub: not running")


def test_a_doubtful_course_waits_for_somebody_and_who_leaves_a_role_loses_it(
    operator: Operator, tmp_path: Path
) -> None:
    course = tmp_path / "course"
    shutil.copytree(PROJECT / "notebooks" / "first-steps", course)
    (course / "answers.md").write_text("secret")
    text = operator.lab_text(course=f'course = "{course}"')
    operator.lab.write_text(text + 'administrators = ["admin", "boss"]\n')
    up = operator.up()
    assert json.loads(operator.run("course", "list", "--json").stdout)["courses"] == []
    assert operator.run("course", "push", str(course), "--yes").returncode == 0
    assert operator.run("course", "remove", "first-steps", "--yes").returncode == 0
    assert operator.log_in("boss", operator.password("boss")).status_code == 200
    up.terminate()
    assert up.wait(LIMIT_S) == 0

    text += 'administrators = ["admin"]\nfacilitators = ["boss"]\n'
    operator.lab.write_text(text)
    operator.up()
    listed = json.loads(operator.run("course", "list", "--json").stdout)
    assert listed == {"courses": [], "removed": [{"name": "first-steps", "version": 2}]}
    told = (tmp_path / "up.err").read_text()
    assert f"{course}/answers.md: its name looks like that of a solution" in told
    assert f"vmlab course push {course}" in told
    assert "first-steps was withdrawn" in told

    session = requests.Session()
    operator.log_in("boss", operator.password("boss"), session)
    own = session.get(f"{operator.url}hub/api/user", headers={"Referer": operator.url}).json()
    assert sorted(own["roles"]) == ["facilitator", "user"]
    assert own["admin"] is False
