"""A dry run of the single-user server before anybody waits for it.

A real server is used as a browser would, with a simulated hub, until pages, files, a
terminal's shell and a kernel have answered. Afterwards the kernel knows the files, the zygote knows
which modules a running server holds, and an emulator has translated the code. Nothing is left
behind: home, cookies and tokens are in a folder in memory that is removed after the dry run.
"""

from __future__ import annotations

import asyncio
import http.client
import http.cookiejar
import json
import os
import shutil
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from vmlab_guest.trainee import become_trainee, make_environment, run_server
from vmlab_protocol.machine import TRAINEE_UID

USER = "rehearsal"
TOKEN = "rehearsal"  # noqa: S105 - opens nothing but the simulated hub
PREFIX = f"/user/{USER}/"
_ANSWER_S = 120.0  # software emulation, nothing imported yet
_KERNEL_S = 240.0
_POLL_S = 0.05
_PATHS = (
    "lab/api/settings?ids_only=true",
    "lab/api/settings/@jupyterlab/apputils-extension:themes",
    "lab/api/translations/en",
    "lab/api/workspaces/default",
    "lab/api/listings/@jupyterlab/x.json",
    "api/contents/?content=1",
    "api/contents/note.ipynb?content=1",
    "api/kernelspecs",
    "api/sessions",
    "api/terminals",
    "api/me",
    "api/status",
)
_KERNEL_CODE = """\
import lab, sys
with open({path!r}, "w") as stream:
    stream.write("\\n".join(sorted(sys.modules)))
"""
_NOTEBOOK = {
    "cells": [
        {"cell_type": "code", "execution_count": None, "id": "a", "metadata": {}, "outputs": [],
         "source": "1"}
    ],
    "metadata": {}, "nbformat": 4, "nbformat_minor": 5,
}  # fmt: skip


@dataclass(frozen=True)
class DryRun:
    """The folder, hub and port of one dry run."""

    folder: Path  # the home, and all other files
    hub: socket.socket  # listens
    port: int  # of the server

    @property
    def env(self) -> dict[str, str]:
        """What the hub would give to the server, and folders that are no trainee's."""
        hub = f"http://127.0.0.1:{self.hub.getsockname()[1]}"
        api = f"{hub}/hub/api"
        scopes = json.dumps([f"access:servers!server={USER}/"])
        return {
            "JUPYTERHUB_API_TOKEN": TOKEN,
            "JUPYTERHUB_API_URL": api,
            "JUPYTERHUB_ACTIVITY_URL": f"{api}/users/{USER}/activity",
            "JUPYTERHUB_BASE_URL": "/",
            "JUPYTERHUB_CLIENT_ID": f"jupyterhub-user-{USER}",
            "JUPYTERHUB_HOST": hub,
            "JUPYTERHUB_OAUTH_ACCESS_SCOPES": scopes,
            "JUPYTERHUB_OAUTH_CALLBACK_URL": f"{PREFIX}oauth_callback",
            "JUPYTERHUB_SERVICE_PREFIX": PREFIX,
            "JUPYTERHUB_SERVICE_URL": f"http://127.0.0.1:{self.port}{PREFIX}",
            "JUPYTERHUB_SERVER_NAME": "",
            "JUPYTERHUB_USER": USER,
            "HOME": str(self.folder),
            "JUPYTER_RUNTIME_DIR": str(self.folder / "runtime"),
            "TMPDIR": str(self.folder),
        }

    @property
    def args(self) -> tuple[str, ...]:
        """What the hub would add, and folders that JupyterLab chose when it was imported."""
        return (
            f"--HubOAuth.base_url={PREFIX}",
            f"--LabApp.user_settings_dir={self.folder}/settings",
            f"--LabApp.workspaces_dir={self.folder}/workspaces",
        )

    @property
    def server_modules(self) -> Path:
        """Where the server writes the names of what it had imported when it ended."""
        return self.folder / "server-modules"

    @property
    def kernel_modules(self) -> Path:
        """Where the kernel writes the same of its own."""
        return self.folder / "kernel-modules"

    @property
    def modules(self) -> tuple[Path, Path]:
        """The names of all modules that were of use."""
        return self.server_modules, self.kernel_modules

    def close(self) -> None:
        """Leave nothing."""
        self.hub.close()
        shutil.rmtree(self.folder)


def prepare(folder: Path) -> DryRun:
    """Make what a dry run needs; `folder` must not exist, and nothing else uses it.

    Raises:
        OSError: the system refused.
    """
    folder.mkdir(mode=0o700)
    (folder / "note.ipynb").write_text(json.dumps(_NOTEBOOK), encoding="utf-8")
    os.chown(folder, TRAINEE_UID, TRAINEE_UID)
    os.chown(folder / "note.ipynb", TRAINEE_UID, TRAINEE_UID)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    return DryRun(folder, socket.create_server(("127.0.0.1", 0)), port)


def run_dry_server(dry_run: DryRun) -> int:
    """Run the server, and note what it had imported when it ended."""
    env = make_environment(dry_run.env)
    become_trainee(str(dry_run.folder))
    try:
        return run_server(env, dry_run.args)
    finally:
        dry_run.server_modules.write_text("\n".join(sorted(sys.modules)), encoding="utf-8")


def run_visitor(dry_run: DryRun) -> int:
    """Simulate hub and visitor; return 0 when everything was answered.

    Meant for a process of its own. Failures are printed to standard error.
    """
    hub = ThreadingHTTPServer(("127.0.0.1", 0), _SimulatedHub, bind_and_activate=False)
    hub.socket.close()
    hub.socket, hub.daemon_threads = dry_run.hub, True
    threading.Thread(target=hub.serve_forever, daemon=True).start()
    try:
        _visit(dry_run)
    except (OSError, http.client.HTTPException, ValueError, KeyError, TimeoutError) as error:
        sys.stderr.write(f"dry run: {type(error).__name__}: {error}\n")
        return 1
    return 0


class _SimulatedHub(BaseHTTPRequestHandler):
    """Lets everybody in as the only trainee of the dry run."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/hub/api/oauth2/authorize":
            query = parse_qs(url.query)
            answer = urlencode({"code": "code", "state": query["state"][0]})
            self._answer(302, {}, Location=f"{query['redirect_uri'][0]}?{answer}")
        elif url.path == "/hub/api/user":
            self._answer(
                200,
                {
                    "kind": "user",
                    "name": USER,
                    "admin": False,
                    "groups": [],
                    "session_id": None,
                    "scopes": [f"access:servers!server={USER}/"],
                },
            )
        else:
            self._answer(200, {"version": _hub_version()})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self._answer(200, {"access_token": TOKEN, "token_type": "Bearer"})

    def _answer(self, status: int, body: Mapping[str, object], **headers: str) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("X-JupyterHub-Version", _hub_version())
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing."""


def _hub_version() -> str:
    import jupyterhub  # noqa: PLC0415 - only in a machine

    return str(jupyterhub.__version__)


def _visit(dry_run: DryRun) -> None:
    base = f"http://127.0.0.1:{dry_run.port}{PREFIX}"
    _wait_for_server(f"{base}api")
    jar = http.cookiejar.CookieJar()
    browser = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPCookieProcessor(jar)
    )
    browser.addheaders = [("Sec-Fetch-Mode", "navigate"), ("Accept-Encoding", "gzip")]
    browser.open(f"{base}lab", timeout=_ANSWER_S).read()  # to the hub and back, with a cookie
    own = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    own.addheaders = [("Authorization", f"token {TOKEN}")]
    for path in _PATHS:
        with suppress(urllib.error.HTTPError):  # an extension that this image does not have
            own.open(f"{base}{path}", timeout=_ANSWER_S).read()
    code = _KERNEL_CODE.format(path=str(dry_run.kernel_modules))
    asyncio.run(_use_kernel(base.removeprefix("http://"), code))


def _wait_for_server(url: str) -> None:
    deadline = time.monotonic() + _ANSWER_S
    while True:
        try:
            urllib.request.urlopen(url, timeout=_ANSWER_S).read()  # noqa: S310 - our own
            return
        except urllib.error.URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(_POLL_S)


async def _use_kernel(base: str, code: str) -> None:
    """Run a cell as a notebook does, which imports what a first exercise imports."""
    from tornado.httpclient import AsyncHTTPClient, HTTPRequest  # noqa: PLC0415 - in machines only
    from tornado.websocket import websocket_connect  # noqa: PLC0415

    headers = {"Authorization": f"token {TOKEN}"}
    client = AsyncHTTPClient()
    times: dict[str, Any] = {"connect_timeout": _ANSWER_S, "request_timeout": _ANSWER_S}
    answer = await client.fetch(
        HTTPRequest(f"http://{base}api/kernels", "POST", headers, "{}", **times)
    )
    kernel = json.loads(answer.body)["id"]
    channels = HTTPRequest(f"ws://{base}api/kernels/{kernel}/channels", headers=headers, **times)
    connection = await websocket_connect(channels)
    await connection.write_message(json.dumps(_make_request(code)))
    async with asyncio.timeout(_KERNEL_S):
        while True:
            message = await connection.read_message()
            if message is None:
                raise ConnectionError("the kernel's channel was closed")
            if json.loads(message)["msg_type"] == "execute_reply":
                break
    connection.close()
    await client.fetch(
        HTTPRequest(f"http://{base}api/kernels/{kernel}", "DELETE", headers, **times)
    )


def _make_request(code: str) -> dict[str, object]:
    header = {"msg_id": "1", "username": "", "session": "1", "msg_type": "execute_request",
              "version": "5.3"}  # fmt: skip
    content = {"code": code, "silent": False, "store_history": False}
    return {
        "header": header,
        "parent_header": {},
        "metadata": {},
        "content": content,
        "channel": "shell",
    }
