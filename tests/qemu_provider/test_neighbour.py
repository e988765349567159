"""Another user of the same host, who is nobody to VMLab. Real hub, real QEMU, tiny guest."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import psutil
import pytest
import requests

from fakes.waiting import LIMIT_S
from hub.running_hub import RunningHub
from vmlab.hub.proxy import find_proxy

pytestmark = [
    pytest.mark.vm,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as another user"),
]

AS_NOBODY = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups"]

# Debian's Python, which everybody may run. Paths come on standard input: a listing is not a secret,
# what is in the files is.
INTRUDER = """
import json, os, socket, sys
got = []
for path in json.load(sys.stdin):
    try:
        if os.path.isdir(path):
            os.listdir(path)
            got.append("listed " + path)
            open(os.path.join(path, "intruder"), "w").close()
            got.append("wrote into " + path)
            continue
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(path)
            got.append("connected to " + path)
    except (OSError, ValueError):
        pass
    for mode in "r", "a":
        try:
            open(path, mode).close()
            got.append(f"opened {path} ({mode})")
        except OSError:
            pass
print(json.dumps(got))
"""


def intrude(paths: list[Path]) -> list[str]:
    """Return what nobody could do with these paths."""
    words = [*AS_NOBODY, "/usr/bin/python3", "-c", INTRUDER]
    done = subprocess.run(
        words, input=json.dumps([str(path) for path in paths]), capture_output=True, text=True,
        timeout=LIMIT_S, check=True,
    )  # fmt: skip
    got: list[str] = json.loads(done.stdout)
    return got


@pytest.mark.attack(
    "neighbour.files", "opens, lists and connects to everything in the state folder"
)
def test_nothing_in_the_state_folder_opens_itself(hub, tried):
    open_file = hub.folder / "for-everybody"
    open_file.write_text("x")
    open_file.chmod(0o644)
    assert intrude([open_file]) == [f"opened {open_file} (r)"], "the intruder works"
    open_file.unlink()
    # The test's own files are none of VMLab's; the proxy's pid is in every list of processes.
    own = {"lab.toml", "jupyterhub_config.py", "hub.log", "proxy.pid"}
    paths = [p for p in hub.folder.rglob("*") if p.name not in own and "env-" not in p.name]
    assert any(path.is_socket() for path in paths)
    tried(len(paths))
    assert intrude([hub.folder, *paths]) == []


def listeners(hub: RunningHub) -> dict[int, int]:
    """Return on which ports of the host something of this hub listens, and its pid."""
    processes = [p for p in psutil.process_iter() if _belongs(p, hub)]
    return {
        connection.laddr.port: process.pid
        for process in processes
        for connection in process.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN
    }


def _belongs(process: psutil.Process, hub: RunningHub) -> bool:
    try:
        return hub.pid in {process.pid, *(parent.pid for parent in process.parents())} or str(
            hub.folder
        ) in " ".join(process.cmdline())
    except psutil.Error:
        return False


@pytest.mark.attack("neighbour.ports", "calls every port that hub, proxy and machine listen on")
def test_no_port_of_a_machine_and_none_that_answers_without_a_token(hub, tried):
    ports = listeners(hub)
    assert hub.port in ports
    tried(len(ports))
    for port in ports:
        for path in ("api/routes", "hub/api/users", "hub/api/vmlab/board", "hub/api/proxy"):
            answer = requests.get(
                f"http://127.0.0.1:{port}/{path}", timeout=LIMIT_S, allow_redirects=False
            )
            assert answer.status_code in {302, 403, 404, 421}, (ports[port], path)
    # Nothing of the machine's: neither QEMU nor its shim.
    assert set(ports.values()) == {hub.pid, find_proxy(hub.folder / "proxy.pid")}


@pytest.mark.attack("neighbour.command-lines", "reads the command line and environment of all")
def test_no_token_stands_on_a_command_line(hub, tried):
    secrets = {hub.server_token("ada"), hub.cli_token, hub.password("ada")}
    lines = [" ".join(p.info["cmdline"] or ()) for p in psutil.process_iter(["cmdline"])]
    tried(len(lines))
    assert not [line for line in lines if any(secret in line for secret in secrets)]
    of_others = [f"/proc/{p.pid}/environ" for p in psutil.process_iter() if _belongs(p, hub)]
    assert of_others
    assert intrude([Path(path) for path in of_others]) == []
