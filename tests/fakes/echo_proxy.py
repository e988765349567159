"""The lab's real proxy in front of a server that answers with the headers it got."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
import warnings
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self

import requests
from urllib3.exceptions import InsecureRequestWarning

from fakes.waiting import LIMIT_S
from vmlab.hub.proxy import proxy_command
from vmlab.lab.origins import Origins
from vmlab.system.host import find_free_port

PROJECT = Path(__file__).parents[2]
TOKEN = "a-token-of-the-tests"
ANSWER_LIMIT_S = 60


class Echo(BaseHTTPRequestHandler):
    """Answers with the request's headers, also to what opens a WebSocket."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
        if self.headers.get("Upgrade"):
            self.send_response(101)
            self.send_header("Upgrade", "websocket")
            self.send_header("Connection", "Upgrade")
            self.end_headers()
            self.wfile.write(body)
            self.close_connection = True
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """The proxy's log is looked at, not this one's."""


def make_certificate(folder: Path) -> tuple[str, ...]:
    """Make a certificate; return the proxy's words for it."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    words = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    files = ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(
        ["openssl", *words, *files, "-subj", "/CN=lab", "-days", "2"],
        check=True,
        capture_output=True,
    )
    return ("--ssl-key", str(key), "--ssl-cert", str(certificate))


class EchoProxy:
    """Both; a context manager that leaves neither behind."""

    def __init__(
        self,
        folder: Path,
        front: tuple[str, ...] = (),
        *,
        tls: bool = False,
        origins: Origins = Origins(),  # noqa: B008 - frozen
        files: Path | None = None,
    ) -> None:
        self.port, self.api_port = find_free_port(), find_free_port()
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}"
        self.listener = folder / "door.sock"
        self.log = folder / "proxy.log"
        self.pid_file = folder / "proxy.pid"
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
        self._server.daemon_threads = True
        self.target_port = self._server.server_address[1]
        target = f"http://127.0.0.1:{self.target_port}"
        self.command = [
            *proxy_command(
                PROJECT, front=front, listener=self.listener, origins=origins, files=files
            ),
            *("--ip", "127.0.0.1", "--port", str(self.port)),
            *("--api-ip", "127.0.0.1", "--api-port", str(self.api_port)),
            *("--default-target", target, "--pid-file", str(self.pid_file)),
            *(make_certificate(folder) if tls else ()),
            *(() if origins.shared else ("--host-routing",)),
        ]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                self.command,
                stdout=log,
                stderr=log,
                env={**os.environ, "CONFIGPROXY_AUTH_TOKEN": TOKEN},
            )
        deadline = time.monotonic() + LIMIT_S
        while not self._answers():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        self.process.wait(LIMIT_S)
        self._server.shutdown()
        self._server.server_close()

    def get(self, path: str = "/") -> requests.Response:
        """Ask the server through the proxy, whatever name is in its certificate."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", InsecureRequestWarning)
            return requests.get(f"{self.url}{path}", timeout=ANSWER_LIMIT_S, verify=False)

    def routes(self, token: str = TOKEN) -> requests.Response:
        """Ask the proxy's own API for its routes."""
        return self._api("GET", "", token)

    def add_route(self, path: str, port: int) -> None:
        """Send what is below this path to another port."""
        target = {"target": f"http://127.0.0.1:{port}"}
        self._api("POST", path, TOKEN, json=target).raise_for_status()

    def _api(self, method: str, path: str, token: str, **more: Any) -> requests.Response:
        url = f"http://127.0.0.1:{self.api_port}/api/routes{path}"
        headers = {"Authorization": f"token {token}"}
        return requests.request(method, url, headers=headers, timeout=ANSWER_LIMIT_S, **more)

    def _answers(self) -> bool:
        try:
            return self.get("/hub/health").ok and self.routes().ok
        except requests.RequestException:
            return False
