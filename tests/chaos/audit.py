"""What must hold after a run: nothing promised is lost, nothing is left, all disks are clean."""

from __future__ import annotations

import asyncio
import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from chaos.ground import Ground, wait
from chaos.journal import FILE, Content, parse_journal
from chaos.trainee import Trainee
from vmlab.names import volume_name
from vmlab.providers.qemu.machine.machine import Machine
from vmlab.providers.qemu.process import leftovers
from vmlab.volumes.qcow2 import read_volume

END_LIMIT_S = 15.0
"""What was told to end has ended by then."""

_E2FSCK_MENDED = 1
"""e2fsck -p replayed the journal, as a kernel does at the next mount (e2fsck(8), exit code)."""


@dataclass
class Audit:
    """What was found."""

    checked: int = 0  # acknowledged writes
    lost: list[str] = field(default_factory=list)
    leaked: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)
    foreign: list[str] = field(default_factory=list)


def audit_lab(ground: Ground, trainees: list[Trainee], audit: Audit) -> None:
    """Look for what is left in a lab whose machines were all stopped; the hub still runs."""
    for trainee in trainees:
        tokens = ground.hub.api("GET", f"users/{trainee.user}/tokens").json()["api_tokens"]
        audit.leaked += [
            f"token of {trainee.user}: {token['note']}"
            for token in tokens
            if token["note"].startswith("Server at")
        ]
    answer = ground.hub.api("GET", "proxy")
    answer.raise_for_status()
    routes = answer.json()
    audit.leaked += [f"route {path}" for path in routes if "/user/" in path]
    leftovers._HALF_MADE_S = 0.0  # nobody is at work any more
    found = asyncio.run(trainees[0].desk.provider.leftovers())
    audit.leaked += [f"{item.kind} {item.what} of {item.machine}: {item.why}" for item in found]
    listed = json.loads(ground.vmlab("volume", "list", "--json").stdout)["volumes"]
    wanted = {volume_name(trainee.user) for trainee in trainees}
    audit.leaked += [f"volume {v['name']}" for v in listed if v["name"] not in wanted]
    audit.leaked += [f"{v['name']} is held by {v['holder']}" for v in listed if v["holder"]]
    audit.lost += [f"volume {name}" for name in wanted - {v["name"] for v in listed}]


def audit_host(ground: Ground, audit: Audit) -> None:
    """Look for what a lab left that was taken down: processes and with them ports, sockets."""
    folder = ground.hub.folder
    wait(lambda: not _processes(folder), END_LIMIT_S)
    audit.leaked += _processes(folder)
    audit.leaked += [f"socket {path}" for path in folder.glob("machines/*/*.sock")]
    audit.leaked += [f"file {path}" for path in folder.glob("volumes/work/*")]
    groups = Path("/sys/fs/cgroup").glob("**/vmlab-desk-*")
    units = {path.name for path in groups}
    for machine in folder.glob("machines/*"):
        unit = Machine(machine).unit
        audit.leaked += [f"cgroup {unit}"] if unit in units else []


def _processes(folder: Path) -> list[str]:
    """Return what runs in, or for, the lab."""
    mark, found = str(folder), []
    for process in psutil.process_iter(["cmdline", "cwd"]):
        words = " ".join(process.info["cmdline"] or [])
        if mark in words or mark in (process.info["cwd"] or ""):
            found.append(f"process {process.pid}: {words[:200]}")
    return found


def audit_volume(ground: Ground, trainee: Trainee, audit: Audit) -> None:
    """Compare a volume, and what restores kept, with what was acknowledged."""
    name = volume_name(trainee.user)
    file = ground.hub.folder / "volumes" / f"{name}.qcow2"
    if not _runs(audit, name, "qemu-img", "check", "-q", file):
        return
    current = _content(ground, trainee, file, "", audit)
    held = set(current.numbers)
    with file.open("rb") as opened:
        _, snapshots = read_volume(opened)
    for snapshot in snapshots:
        content = _content(ground, trainee, file, snapshot.id, audit)
        if snapshot.id.startswith("kept-"):
            held |= content.numbers
    promised = trainee.journal.acknowledged()
    audit.checked += len(promised)
    audit.lost += [f"{trainee.user} {number}" for number in sorted(promised - held)]
    recent = trainee.journal.acknowledged(since_restore=True)
    gone = sorted(recent - current.numbers - (promised - held))
    audit.lost += [f"{trainee.user} {number}: in a snapshot only" for number in gone]


def _content(ground: Ground, trainee: Trainee, file: Path, snapshot: str, audit: Audit) -> Content:
    """Return the journal in a state of the volume, after its file system was checked."""
    what = f"{file.stem} {snapshot}".strip()
    raw = ground.records / f"{file.stem}.raw"
    chosen = ["-l", f"snapshot.name={snapshot}"] if snapshot else []
    text = ""
    if _runs(audit, what, "qemu-img", "convert", "-O", "raw", *chosen, file, raw):
        if snapshot:  # of a machine that was killed before: its kernel had replayed the journal
            _runs(audit, what, "/sbin/e2fsck", "-p", raw, good=_E2FSCK_MENDED)
        _runs(audit, what, "/sbin/e2fsck", "-fn", raw)
        done = subprocess.run(
            ["/sbin/debugfs", "-R", f"cat /{FILE}", raw],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        text = done.stdout
    raw.unlink(missing_ok=True)
    content = parse_journal(text, trainee.user)
    audit.foreign += [f"{what}: {line[:80]!r}" for line in content.foreign]
    return content


def _runs(audit: Audit, what: str, *words: object, good: int = 0) -> bool:
    done = subprocess.run(
        [str(word) for word in words], capture_output=True, text=True, check=False
    )
    if done.returncode > good:
        audit.damaged.append(f"{what}: {words[0]}: {(done.stdout + done.stderr)[-800:]}")
    return done.returncode <= good
