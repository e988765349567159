"""`vmlab service`: start with the host, stop with the host, by systemd."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated

import psutil
import typer

from vmlab.cli.common import JsonOption, LabOption, err, find_project, out, print_json, read_lab
from vmlab.errors import HostError
from vmlab.hub.units import HUB_UNIT, MACHINES_UNIT, UNITS, ServiceFacts, make_units
from vmlab.paths import default_paths
from vmlab.system.environment import tool_environment
from vmlab.system.host import RESERVE_MIB
from vmlab_protocol.atomic import write_atomic

app = typer.Typer(no_args_is_help=True)

_SYSTEMD_RUNS = Path("/run/systemd/system")
_COMMAND_LIMIT_S = 60
_ENABLED = (MACHINES_UNIT, HUB_UNIT)

FolderOption = Annotated[Path, typer.Option("--units", help="Where units are kept.", metavar="DIR")]
_FOLDER = Path("/etc/systemd/system")


@app.command()
def install(
    lab: LabOption = None,
    units: FolderOption = _FOLDER,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the units and change nothing.")
    ] = False,
) -> None:
    """Have systemd start the hub with the host, and shut machines down with it."""
    made = make_units(find_facts(lab))
    if dry_run:
        for name, text in made.items():
            out().print(f"# {units / name}\n{text}")
        return
    _require_root()
    try:
        units.mkdir(parents=True, exist_ok=True)
        for name, text in made.items():
            write_atomic(units / name, text.encode())
            (units / name).chmod(0o644)
    except OSError as error:
        raise HostError(f"{units}: the units cannot be written: {error}") from error
    if units != _FOLDER:
        out().print(f"Written to {units}, which systemd does not look at.")
        return
    _systemctl("daemon-reload", needs_systemd=True)
    _systemctl("enable", *_ENABLED)
    _systemctl("start", MACHINES_UNIT, needs_systemd=True)
    out().print(f"Installed. The hub starts with the host; now: systemctl start {HUB_UNIT}")
    if not _SYSTEMD_RUNS.is_dir():
        err().print("warning: systemd does not run here; the units take effect at its next start")


@app.command()
def remove(units: FolderOption = _FOLDER) -> None:
    """Remove the units; a running hub and running machines are left alone."""
    _require_root()
    there = [name for name in UNITS if (units / name).exists()]
    if units == _FOLDER and there:
        _systemctl("disable", *(name for name in _ENABLED if name in there))
    for name in there:
        (units / name).unlink()
    if units == _FOLDER and there:
        _systemctl("daemon-reload", needs_systemd=True)
    words = f"Removed: {', '.join(there)}." if there else "No units were installed."
    out().print(f"{words} `vmlab down` stops what runs.")


@app.command()
def status(lab: LabOption = None, units: FolderOption = _FOLDER, json: JsonOption = False) -> None:
    """Show which units are installed, up to date, enabled and active; exit status 3 if not all."""
    wanted = make_units(find_facts(lab))
    rows = [_describe(units / name, text) for name, text in wanted.items()]
    if json:
        print_json({"systemd": _SYSTEMD_RUNS.is_dir(), "units": rows})
    else:
        for row in rows:
            state = "up to date" if row["current"] else "written for another lab or VMLab"
            words = f"{state}, {row['enabled']}, {row['active']}" if row["installed"] else "absent"
            out().print(f"{'●' if row['current'] else '○'} {row['unit']}: {words}")
        if not _SYSTEMD_RUNS.is_dir():
            out().print("systemd does not run on this host.")
    if not all(row["current"] for row in rows):
        raise typer.Exit(3)


def find_facts(lab: Path | None) -> ServiceFacts:
    """Return what the units of this installation depend on.

    Raises:
        ConfigError, HostError: as `read_lab`.
    """
    paths = default_paths()
    total_mib = psutil.virtual_memory().total // 2**20
    return ServiceFacts(
        program=Path(sys.executable).with_name("vmlab"),
        project=find_project(),
        lab=read_lab(lab).file,
        state=paths.state,
        cache=paths.cache,
        memory_mib=max(RESERVE_MIB, total_mib - RESERVE_MIB),
    )


def _describe(path: Path, text: str) -> dict[str, object]:
    installed = path.read_text() if path.is_file() else None
    return {
        "unit": path.name,
        "installed": installed is not None,
        "current": installed == text,
        "enabled": _ask("is-enabled", path.name),
        "active": _ask("is-active", path.name),
    }


def _require_root() -> None:
    if os.geteuid() != 0:
        raise HostError(
            "units for the whole host can only be installed by root",
            hint="run it with sudo; a lab of an ordinary user is started by hand",
        )


def _systemctl(*words: str, needs_systemd: bool = False) -> None:
    if needs_systemd and not _SYSTEMD_RUNS.is_dir():
        return
    done = _run(*words)
    if done.returncode != 0:
        reason = (done.stderr or done.stdout).strip()[-500:]
        raise HostError(f"systemctl {' '.join(words)} ended with {done.returncode}: {reason}")


def _ask(*words: str) -> str:
    """Return systemctl's one word, such as "enabled" or "inactive"; it exits with 1 for many."""
    if shutil.which("systemctl") is None or not _SYSTEMD_RUNS.is_dir():
        return "unknown"
    return _run(*words).stdout.strip() or "unknown"


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            ["systemctl", *words],
            capture_output=True,
            text=True,
            timeout=_COMMAND_LIMIT_S,
            check=False,
            env=tool_environment(),
        )
    except FileNotFoundError as error:
        raise HostError(
            "systemctl is not installed", hint="this host has no systemd: start `vmlab up` by hand"
        ) from error
    except subprocess.TimeoutExpired as error:
        raise HostError(
            f"systemctl {' '.join(words)} took longer than {_COMMAND_LIMIT_S} s"
        ) from error
