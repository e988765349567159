"""Run by test_acme.py in a network and /etc/hosts of its own: Caddy, its authority, a hub.

    python acme_room.py FOLDER

Prints as JSON what is served for each name, and what `vmlab doctor` says. Ports are the real ones.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import ssl
import subprocess
import sys
from contextlib import ExitStack
from dataclasses import asdict
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from fakes.names import LAB_NAME
from fakes.waiting import wait_until
from fakes.web_servers import RunningWebServer, find_server_program
from hub.running_hub import RunningHub
from vmlab.cli.outside import ask_from_outside
from vmlab.cli.reach import reach_findings
from vmlab.hub.access import read_cli_access
from vmlab.lab.lab import load_lab
from vmlab.network.web_servers import WebServer, make_site
from vmlab.paths import Paths

AUTHORITY = "authority.localhost"
MACHINES = (f"ada.{LAB_NAME}", f"bob.{LAB_NAME}")
LIMIT_S = 120

_AUTHORITY = """\
{
    admin off
    auto_https disable_redirects
    skip_install_trust
}
https://authority.localhost:9443 {
    bind 127.0.0.1
    tls internal
    acme_server
}
"""
# In place of Let's Encrypt, which nobody here can reach.
_OPTIONS = """\
{{
    admin off
    acme_ca https://authority.localhost:9443/acme/local/directory
    acme_ca_root {root}
}}
"""


def start_authority(folder: Path, running: ExitStack) -> Path:
    """Start an authority; return its root certificate."""
    folder.mkdir()
    (folder / "Caddyfile").write_text(_AUTHORITY)
    words = ["run", "--config", str(folder / "Caddyfile"), "--adapter", "caddyfile"]
    environment = os.environ | {"XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    log = running.enter_context((folder / "log").open("wb"))
    process = subprocess.Popen(
        [find_server_program("caddy"), *words], stdout=log, stderr=log, env=environment
    )
    running.callback(process.wait)
    running.callback(process.kill)
    root = folder / "caddy" / "pki" / "authorities" / "local" / "root.crt"
    wait_until(root.is_file, LIMIT_S)
    wait_until(lambda: issuer(AUTHORITY, root, 9443), LIMIT_S)
    return root


def issuer(host: str, root: Path, port: int = 443) -> str:
    """Return who issued what is served for a name, once it is valid; else nothing."""
    context = ssl.create_default_context(cafile=str(root))
    try:
        with (
            socket.create_connection((host, port), timeout=10) as plain,
            context.wrap_socket(plain, server_hostname=host) as wrapped,
        ):
            return str(wrapped.getpeercert()["issuer"])
    except OSError:
        return ""


def main() -> None:
    folder = Path(sys.argv[1])
    with ExitStack() as running:
        root = start_authority(folder / "authority", running)
        (folder / "hub").mkdir()
        lines = f'url = "https://{LAB_NAME}"\nfront = ["127.0.0.1"]'
        hub = RunningHub(folder / "hub", trainees=("ada", "bob"), hub_lines=lines)
        text = hub.folder / "lab.toml"
        names = 'trainers = ["trainer"]\nfacilitators = ["facilitator"]\nadministrators = ["admin"]'
        alone = "trainers = []\nfacilitators = []\nadministrators = []"
        text.write_text(text.read_text().replace(names, alone))
        running.enter_context(hub)
        lab = load_lab(text)
        (folder / "front").mkdir()
        options = _OPTIONS.format(root=root)
        site = make_site(lab)
        here = type(site)(**(vars(site) | {"address": "127.0.0.1"}))
        running.enter_context(
            RunningWebServer(WebServer.CADDY, here, folder / "front", lambda text: options + text)
        )
        served = {
            host: wait_until(partial(issuer, host, root), LIMIT_S) for host in (LAB_NAME, *MACHINES)
        }
        os.environ["SSL_CERT_FILE"] = str(root)
        secret = read_cli_access(Paths(hub.folder, hub.folder)).token
        reach = asyncio.run(ask_from_outside(lab, secret))
        findings = [asdict(finding) for finding in reach_findings(reach, lab.hub)]
        sys.stdout.write(json.dumps({"served": served, "findings": findings}))


if __name__ == "__main__":
    main()
