"""A real single-user server with settings that keep it from serving, and the same server without.

The hub that it asks is that of the dry run.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from fakes.waiting import LIMIT_S, wait_until
from vmlab_guest.dry_run import DryRun, _SimulatedHub
from vmlab_guest.server_request import ServerRequest, serves
from vmlab_guest.trouble import make_plain, pick_line

SETTINGS = {
    "a folder that is not there": (
        ".jupyter/jupyter_server_config.py",
        'c = get_config()\nc.ServerApp.root_dir = "/home/trainee/analyse"\n',
        "/home/trainee/analyse",
    ),
    "an end of its own": (
        ".jupyter/jupyter_server_config.py",
        "raise SystemExit(0)\n",
        "",
    ),
}


@pytest.fixture
def hub() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _SimulatedHub)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def run(request: ServerRequest, log: Path) -> subprocess.Popen[bytes]:
    program = Path(sys.executable).with_name("jupyterhub-singleuser")
    env = {"PATH": os.environ["PATH"], **request.env}
    with log.open("wb") as stream:
        return subprocess.Popen(
            [program, *request.args, "--allow-root"], env=env, stdout=stream, stderr=stream,
            cwd=request.env["HOME"],
        )  # fmt: skip


@pytest.mark.parametrize("what", SETTINGS)
def test_settings_that_end_a_server_do_not_end_a_plain_one(tmp_path, hub, monkeypatch, what):
    name, text, said = SETTINGS[what]
    runtime = tmp_path / "runtime"
    monkeypatch.setattr("vmlab_guest.trouble.RUNTIME", runtime)
    stage = DryRun(tmp_path, hub.socket, 0)
    home = tmp_path / "home"
    (home / name).parent.mkdir(parents=True)
    (home / name).write_text(text)
    env = {**stage.env, "HOME": str(home), "JUPYTER_RUNTIME_DIR": str(runtime)}
    request = ServerRequest(env, ("--HubOAuth.base_url=/user/rehearsal/",))

    server = run(request, tmp_path / "log")
    try:
        server.wait(LIMIT_S)
    finally:
        server.kill()
    assert not serves(runtime)
    assert said in pick_line((tmp_path / "log").read_text())

    plain = run(make_plain(request), tmp_path / "plain-log")
    try:
        wait_until(lambda: serves(runtime) or plain.poll() is not None)
        assert plain.poll() is None, (tmp_path / "plain-log").read_text()[-2000:]
    finally:
        plain.kill()  # a signal to end is lost on one that has only just begun to serve
        plain.wait()
