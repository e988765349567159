"""Caddy gets certificates by itself for the names that `vmlab front caddy` lists.

The authority is a second Caddy. Authorities ask at ports 80 and 443, so all of it runs in a network
of its own, where these are free and names are known.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from fakes.names import LAB_NAME
from web_servers.acme_room import AUTHORITY, MACHINES

LIMIT_S = 240


def test_caddy_gets_a_certificate_for_the_hub_and_every_machine(tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text(f"127.0.0.1 localhost {AUTHORITY} {LAB_NAME} {' '.join(MACHINES)}\n")
    room = Path(__file__).with_name("acme_room.py")
    script = 'ip link set lo up && mount --bind "$1" /etc/hosts && exec "$2" "$3" "$4"'
    ended = subprocess.run(
        [
            *("unshare", "--user", "--map-root-user", "--net", "--mount", "--pid", "--fork"),
            *("--mount-proc", "--kill-child", "bash", "-ec", script, "bash"),
            *map(str, (hosts, sys.executable, room, tmp_path)),
        ],
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
        check=False,
    )
    logs = "\n".join(file.read_text()[-3000:] for file in tmp_path.glob("*/*log"))
    assert ended.returncode == 0, f"{ended.stderr[-4000:]}\n{logs}"
    told = json.loads(ended.stdout.splitlines()[-1])
    assert set(told["served"]) == {LAB_NAME, *MACHINES}
    assert all("Caddy Local Authority" in issuer for issuer in told["served"].values())

    findings = {finding["what"]: finding for finding in told["findings"]}
    assert findings["outside"]["found"] == f"this hub answers at https://{LAB_NAME}/"
    assert findings["WebSockets"]["level"] == "ok"
    assert "plain HTTP" not in findings, "it leads to https"
    # There is no record for every name, and doctor says what that means.
    assert findings["machines"]["level"] == "warn"
    assert "names of accounts work, others do not: doctor-" in findings["machines"]["found"]
