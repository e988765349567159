"""The state of a machine, read from its folder alone: works with no memory of a start."""

from __future__ import annotations

import json
import time
from urllib.parse import quote

from vmlab.errors import MachineNotFoundError, ProviderError
from vmlab.model import MachineState, MachineStatus
from vmlab.providers.qemu.layout import MachineFolder
from vmlab.providers.qemu.records import RUNNING_STAGES, Record, Stage, read_record
from vmlab.providers.qemu.shim import is_locked

_LAUNCH_S = 10.0


def machine_status(folder: MachineFolder) -> MachineStatus:
    """Return what the folder and the shim's lock say."""
    name = folder.path.name
    record = read_record(folder)
    if record is None:
        return MachineStatus(name, MachineState.ABSENT)
    if not is_on(folder, record):
        return MachineStatus(
            name,
            MachineState.STOPPED,
            owner=record.owner,
            image_version=record.image_version,
            problem=_problem(folder, record),
        )
    seeded = record.stage is Stage.SEEDED
    return MachineStatus(
        name,
        MachineState.RUNNING if seeded else MachineState.STARTING,
        owner=record.owner,
        image_version=record.image_version,
        url=server_url(folder),
        since=record.powered_at,
    )


def listed_status(folder: MachineFolder) -> MachineStatus:
    """Return the status for a list of all: one damaged record must not hide the other machines."""
    try:
        return machine_status(folder)
    except ProviderError as error:
        runs = is_locked(str(folder.shim_lock))
        state = MachineState.STARTING if runs else MachineState.STOPPED
        return MachineStatus(folder.path.name, state, problem=error.message)


def server_url(folder: MachineFolder) -> str:
    """Return where the proxy reaches the server: a unix socket, as JupyterHub 6 writes it."""
    return f"http+unix://{quote(str(folder.server), safe='')}"


def is_on(folder: MachineFolder, record: Record) -> bool:
    """Tell whether the machine's process runs, or was launched a moment ago."""
    return is_locked(str(folder.shim_lock)) or _is_launching(folder, record)


def _is_launching(folder: MachineFolder, record: Record) -> bool:
    """Tell whether a shim was launched so recently that it may not hold its lock yet."""
    fresh = time.time() - record.powered_at < _LAUNCH_S
    return record.stage is Stage.POWERED and fresh and not folder.exit_report.exists()


def _problem(folder: MachineFolder, record: Record) -> str:
    """Return why a machine that nobody stopped does not run."""
    if record.stage not in RUNNING_STAGES:
        return ""
    try:
        report = json.loads(folder.exit_report.read_text())
        status, message = int(report["status"]), str(report["message"])
    except FileNotFoundError:
        return "its process was killed"
    except (ValueError, KeyError, TypeError):
        return "its process ended; the report is not readable"
    if status == 0:
        return "it was shut down from inside"
    return f"QEMU ended with {status}: {message[-300:]}"


def read_console(folder: MachineFolder, max_bytes: int) -> str:
    """Return the end of the console with control characters, line ends excepted, made visible.

    Raises:
        MachineNotFoundError: the machine never ran.
    """
    if not folder.console.exists():
        raise MachineNotFoundError(folder.path.name, "it has no console yet: it never ran")
    older = folder.console.with_suffix(".log.1")
    data = (older.read_bytes() if older.exists() else b"") + folder.console.read_bytes()
    text = data[-max_bytes:].decode(errors="replace").replace("\r\n", "\n")
    return "".join(char if char.isprintable() or char in "\n\t" else "·" for char in text)
