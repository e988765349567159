"""Real web servers as processes of the tests: Debian's nginx, Apache and Caddy."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Self

from fakes.waiting import LIMIT_S
from vmlab.network.web_servers import CONFIGS, Site, WebServer

PROJECT = Path(__file__).parents[2]
UNPACKED = PROJECT / ".venv" / "debian" / "usr"  # scripts/bootstrap dev

_NGINX = """\
daemon off;
{user}
worker_processes 1;
pid {folder}/nginx.pid;
error_log stderr warn;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/vmlab.conf;
}}
"""

_APACHE_MODULES = (
    *("mpm_event", "authz_core", "reqtimeout", "ssl", "socache_shmcb", "headers", "rewrite"),
    *("proxy", "proxy_http", "proxy_wstunnel"),
)
_APACHE = """\
ServerRoot "{folder}"
ServerName localhost
PidFile "{folder}/apache.pid"
DefaultRuntimeDir "{folder}"
ErrorLog "{folder}/error.log"
{modules}
{user}
Listen {address}{port} https
Listen {address}{plain_port} http
Include "{folder}/vmlab.conf"
"""


def find_server_program(name: str) -> str:
    """Return the path of a program that scripts/bootstrap dev unpacked or installed."""
    path = f"{UNPACKED}/sbin:{UNPACKED}/bin:{os.environ['PATH']}:/usr/sbin"
    found = shutil.which(name, path=path)
    assert found, f"{name} is missing: scripts/bootstrap dev"
    return found


class RunningWebServer:
    """One of them with the configuration that `vmlab front` prints for a site."""

    def __init__(
        self,
        kind: WebServer,
        site: Site,
        folder: Path,
        change: Callable[[str], str] = lambda text: text,
    ) -> None:
        self.site = site
        self.folder = folder
        self.log = folder / "server.log"
        (folder / "vmlab.conf").write_text(change(CONFIGS[kind](site)))
        self._command = getattr(self, f"_prepare_{kind.value}")()

    def check(self) -> subprocess.CompletedProcess[str]:
        """Have the server read its configuration; in a network of its own, where ports are free."""
        check = ["validate" if word == "run" else word for word in self._command]
        words = [*check, *([] if "validate" in check else ["-t"])]
        alone = ["unshare", "--user", "--map-root-user", "--net"]
        return subprocess.run([*alone, *words], capture_output=True, text=True, check=False)

    def __enter__(self) -> Self:
        environment = os.environ | {
            "XDG_DATA_HOME": str(self.folder),
            "XDG_CONFIG_HOME": str(self.folder),
        }
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._command, stdout=log, stderr=log, env=environment, start_new_session=True
            )
        deadline = time.monotonic() + LIMIT_S
        while not self._listens():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.__exit__()
                raise AssertionError(f"{self._command[0]} did not start:\n{self.log.read_text()}")
            time.sleep(0.02)
        return self

    def __exit__(self, *_: object) -> None:
        # Asked in a friendly way Apache waits ten seconds for connections that are kept open.
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def _listens(self) -> bool:
        for port in (self.site.port, self.site.plain_port):
            try:
                socket.create_connection((self.site.address, port), timeout=5).close()
            except OSError:
                return False
        return True

    def _prepare_nginx(self) -> list[str]:
        config = self.folder / "nginx.conf"
        user = "user root;" if os.geteuid() == 0 else ""
        config.write_text(_NGINX.format(folder=self.folder, user=user))
        return [find_server_program("nginx"), "-e", "stderr", "-c", str(config)]

    def _prepare_apache(self) -> list[str]:
        config = self.folder / "apache.conf"
        modules = "\n".join(
            f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so"
            for name in _APACHE_MODULES
        )
        text = _APACHE.format(
            folder=self.folder,
            modules=modules,
            user="User www-data\nGroup www-data" if os.geteuid() == 0 else "",
            address=f"{self.site.address}:" if self.site.address else "",
            port=self.site.port,
            plain_port=self.site.plain_port,
        )
        config.write_text(text)
        return [find_server_program("apache2"), "-D", "FOREGROUND", "-f", str(config)]

    def _prepare_caddy(self) -> list[str]:
        config = self.folder / "vmlab.conf"
        text = config.read_text()
        if "admin off" not in text:  # its own control port is a fixed one
            text = text.replace("\n{\n", "\n{\n    admin off\n", 1)
        if "admin off" not in text:
            text = f"{{\n    admin off\n}}\n{text}"
        config.write_text(text)
        words = ["run", "--config", str(config), "--adapter", "caddyfile"]
        return [find_server_program("caddy"), *words]
