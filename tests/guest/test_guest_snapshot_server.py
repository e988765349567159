"""Looking back through a real Jupyter server, with a small hub that plugs snapshots in."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests

from fakes.fake_system import FakeSystem
from fakes.processes import stop_server
from fakes.small_hub import SmallHub
from fakes.waiting import LIMIT_S
from hub.running_hub import PROJECT
from vmlab.system.host import find_free_port

ID = "hourly-20261127T140000Z"
LATER = "manual-20261127T150000Z"
TOKEN = "snapshot-test"


@dataclass
class LabServer:
    """A single-user server as a machine has it, below a folder that stands for the machine."""

    root: Path
    url: str
    hub: SmallHub

    @property
    def home(self) -> Path:
        return self.root / "home/trainee"

    @property
    def top(self) -> Path:
        return self.root / "snapshots" / ID

    def ask(self, method: str, path: str, **more: Any) -> requests.Response:
        headers = {"Authorization": f"token {TOKEN}"}
        url = f"{self.url}vmlab/{path}"
        return requests.request(method, url, headers=headers, timeout=60, **more)

    def open(self, snapshot: str = ID) -> requests.Response:
        return self.ask("POST", f"snapshots/{snapshot}/open")

    def restore(self, *paths: str) -> dict:
        answer = self.ask("POST", f"snapshots/{ID}/restore", json={"paths": list(paths)})
        assert answer.ok, answer.text
        return answer.json()


@pytest.fixture(scope="module")
def lab(tmp_path_factory) -> Iterator[LabServer]:
    folder = tmp_path_factory.mktemp("lab")
    system = FakeSystem(folder / "root")
    config = folder / "config/jupyter_server_config.d"
    config.mkdir(parents=True)
    (config / "vmlab.json").symlink_to(PROJECT / "images/guest/jupyter-config/vmlab.json")
    port = find_free_port()
    with SmallHub() as hub:
        hub.state.snapshots = {ID: 1.0, LATER: 2.0}

        def plug_in(name: str) -> None:
            if name == ID:  # the other one never comes
                system.mount("/dev/vdc", f"/snapshots/{name}", "ext4", "ro")

        hub.state.on_open = plug_in
        env = {
            **os.environ,
            **hub.env,
            "VMLAB_ROOT": str(system.root),
            "JUPYTER_CONFIG_PATH": str(folder / "config"),
            "JUPYTER_RUNTIME_DIR": str(folder / "runtime"),
            "HOME": str(folder),
            "PYTHONPATH": str(PROJECT / "images/guest/src"),
        }
        words = ["--no-browser", "--allow-root", f"--port={port}", "--ServerApp.port_retries=0"]
        words += [f"--IdentityProvider.token={TOKEN}", "--ServerApp.base_url=/user/ada/"]
        log = folder / "log"
        with log.open("wb") as stream:
            process = subprocess.Popen(
                [sys.executable, "-m", "jupyter_server", *words],
                env=env,
                cwd=folder,
                stdout=stream,
                stderr=stream,
            )
        server = LabServer(system.root, f"http://127.0.0.1:{port}/user/ada/", hub)
        server.top.mkdir(parents=True)
        try:
            wait_for(process, server, log)
            yield server
        finally:
            stop_server(process)


def wait_for(process: subprocess.Popen, server: LabServer, log: Path) -> None:
    deadline = time.monotonic() + LIMIT_S
    while True:
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        try:
            if requests.get(f"{server.url}api", timeout=60).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.1)


def test_a_snapshot_is_listed_opened_and_looked_through(lab):
    (lab.top / "work").mkdir()
    (lab.top / "work" / "odd \udcff&name").write_text("odd")
    answer = lab.ask("GET", "snapshots").json()
    assert [row["id"] for row in answer["snapshots"]] == [LATER, ID]
    assert answer["shown"] == ""
    refusal = lab.ask("GET", f"snapshots/{ID}/tree", params={"path": ""})
    assert (refusal.status_code, "open it first" in refusal.json()["message"]) == (404, True)
    assert lab.open().json() == {"shown": ID}
    assert lab.ask("GET", "snapshots").json()["shown"] == ID
    (row,) = lab.ask("GET", f"snapshots/{ID}/tree?path=work").json()["entries"]
    assert (row["name"], row["kind"], row["size"]) == ("odd \udcff&name", "file", 3)
    done = lab.restore(f"work/{row['name']}")
    assert (done["restored"], done["failed"]) == (1, [])
    assert (lab.home / "work" / "odd \udcff&name").read_text() == "odd"
    odd = quote(os.fsencode("work/odd \udcff&name"))
    assert lab.ask("GET", f"snapshots/{ID}/tree?path={odd}").status_code == 404, (
        "it is not a folder"
    )


def test_an_open_snapshot_is_not_asked_for_again(lab):
    lab.open()
    before = len(lab.hub.state.requests)
    assert lab.open().ok
    assert len(lab.hub.state.requests) == before


def test_what_is_replaced_is_kept(lab):
    lab.open()
    (lab.top / "thesis.tex").write_text("old")
    (lab.home / "thesis.tex").write_text("new")
    done = lab.restore("thesis.tex")
    assert (lab.home / "thesis.tex").read_text() == "old"
    (kept,) = done["kept"]
    assert (lab.home / kept).read_text() == "new"


def test_no_path_leads_out_of_the_snapshot(lab):
    lab.open()
    (lab.top / "out").symlink_to("/etc")
    for path in ("..", "out/passwd", "/etc", "out/.."):
        answer = lab.ask("GET", f"snapshots/{ID}/tree", params={"path": path})
        assert answer.status_code == 404, path
        assert lab.restore(path)["restored"] == 0
    assert lab.ask("GET", "snapshots/..%2f..%2fetc/tree").status_code == 404


def test_what_the_hub_refuses_is_passed_on(lab):
    answer = lab.open("manual-20200101T000000Z")
    assert answer.status_code == 404
    assert "there is no snapshot" in answer.json()["message"]
    answer = lab.open(LATER)
    assert answer.status_code == 404, "the hub said it was there, and it is not"
    lab.hub.state.fail_next = 1
    assert lab.ask("GET", "snapshots").status_code == 500


@pytest.mark.parametrize(
    "body",
    [{}, {"paths": []}, {"paths": "x"}, {"paths": [1]}, {"paths": ["x"], "keep": "nothing"}],
)
def test_a_restore_that_makes_no_sense_is_refused(lab, body):
    assert lab.ask("POST", f"snapshots/{ID}/restore", json=body).status_code == 400


def test_two_restores_at_once_are_one_too_many(lab):
    lab.open()
    many = 5000  # takes seconds; the second one is asked for when the first one has begun
    (lab.top / "many").mkdir()
    for number in range(many):
        (lab.top / "many" / f"{number}").write_text("x" * 4000)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(lab.restore, "many")
        while not (lab.home / "many").exists():
            assert not first.done(), first.result()
            time.sleep(0.01)
        second = lab.ask("POST", f"snapshots/{ID}/restore", json={"paths": ["thesis.tex"]})
        assert second.status_code == 409
        assert "another restore" in second.json()["message"]
        assert first.result()["restored"] == many
    assert lab.restore("many")["unchanged"] == many


def test_nobody_else_is_let_in(lab):
    url = f"{lab.url}vmlab/snapshots"
    for path in ("", f"/{ID}/tree"):
        assert requests.get(f"{url}{path}", timeout=60).status_code == 403
    for path in (f"/{ID}/open", f"/{ID}/restore"):
        assert requests.post(f"{url}{path}", json={"paths": [""]}, timeout=60).status_code == 403
