"""The state of a machine, read from its folder alone: works with no memory of a start."""

from __future__ import annotations

import contextlib
import os
import time
from urllib.parse import quote

from vmlab.errors import MachineNotFoundError, ProviderError
from vmlab.model import EndCause, MachineState, MachineStatus
from vmlab.providers.qemu.machine.machine import RUNNING_STAGES, Machine, Record, Stage
from vmlab.system.files import read_end
from vmlab_protocol.atomic import write_atomic
from vmlab_protocol.messages import clean_text
from vmlab_protocol.outside import load_json

_ENDS = {
    EndCause.REBOOT: "it was restarted from inside",
    EndCause.PANIC: "its kernel crashed (panic)",
    EndCause.POWEROFF: "it was shut down from inside",
}
_LAUNCH_S = 10.0
_REPORT_BYTES = 64 * 1024


def machine_status(machine: Machine) -> MachineStatus:
    """Return what the folder and the shim's lock say.

    Raises:
        ProviderError: they cannot be read.
    """
    name = machine.name
    record = machine.record()
    if record is None:
        return MachineStatus(name, MachineState.ABSENT)
    if not is_on(machine, record):
        problem, cause = _find_end(machine, record)
        return MachineStatus(
            name,
            MachineState.STOPPED,
            owner=record.owner,
            image_version=record.image_version,
            problem=problem,
            cause=cause,
        )
    seeded = record.stage is Stage.SEEDED
    return MachineStatus(
        name,
        MachineState.RUNNING if seeded else MachineState.STARTING,
        owner=record.owner,
        image_version=record.image_version,
        url=server_url(machine),
        since=record.powered_at,
        problem=_server_problem(machine),
    )


def _server_problem(machine: Machine) -> str:
    """Return why the server of a machine that runs does not come up."""
    try:
        return clean_text(read_end(machine.server_problem, _REPORT_BYTES).decode(errors="replace"))
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as error:
        return clean_text(f"{machine.server_problem} cannot be read: {error}")


def note_server_problem(machine: Machine, problem: str) -> None:
    """Note why the server does not come up, or (empty) that it does; no-op without a machine.

    Raises:
        OSError: the file system refused.
    """
    if not (problem and machine.path.is_dir()):
        machine.server_problem.unlink(missing_ok=True)
        return
    text = problem.encode()
    # Mostly it is there: each look at the machine says so again.
    if not machine.server_problem.exists() or machine.server_problem.read_bytes() != text:
        write_atomic(machine.server_problem, text)


def listed_status(machine: Machine) -> MachineStatus:
    """Return the status for a list of all: one damaged machine must not hide the others."""
    name = os.fsencode(machine.name).decode(errors="replace")
    if os.path.lexists(machine.path) and not machine.path.is_dir():
        problem = f"{machine.path} is not a machine's folder; move it away"
        return MachineStatus(name, MachineState.ABSENT, problem=clean_text(problem))
    try:
        return machine_status(machine)
    except ProviderError as error:
        state = MachineState.STARTING if _seems_on(machine) else MachineState.STOPPED
        return MachineStatus(name, state, problem=clean_text(error.message))


def _seems_on(machine: Machine) -> bool:
    try:
        return machine.is_running()
    except OSError:
        return False


def server_url(machine: Machine) -> str:
    """Return where the proxy reaches the server: a unix socket, as JupyterHub 6 writes it."""
    return f"http+unix://{quote(os.fsencode(machine.server), safe='')}"


def is_on(machine: Machine, record: Record) -> bool:
    """Tell whether the machine's process runs, or was launched a moment ago.

    Raises:
        ProviderError: its lock cannot be asked.
    """
    try:
        return machine.is_running() or _is_launching(machine, record)
    except OSError as error:
        message = (
            f"its lock {machine.shim_lock} cannot be queried, so whether it runs is unknown: "
            f"{error.strerror}"
        )
        raise ProviderError(machine.name, message) from error


def _is_launching(machine: Machine, record: Record) -> bool:
    """Tell whether a shim was launched so recently that it may not hold its lock yet."""
    fresh = time.time() - record.powered_at < _LAUNCH_S
    return record.stage is Stage.POWERED and fresh and not has_report(machine)


def has_report(machine: Machine) -> bool:
    """Tell whether the shim said how QEMU ended; it cannot when it was killed."""
    try:
        return machine.exit_report.lstat().st_size > 0
    except FileNotFoundError:
        return False


def _find_end(machine: Machine, record: Record) -> tuple[str, EndCause | None]:
    """Return why a machine that nobody stopped does not run: for people, and for the hub."""
    if record.stage not in RUNNING_STAGES:
        return "", None
    if not has_report(machine):
        return "its process was killed", None
    try:
        report = load_json(read_end(machine.exit_report, _REPORT_BYTES))
        status, message = int(report["status"]), str(report["message"])
        cause = EndCause(report["cause"]) if report.get("cause") else None
    except (OSError, ValueError, KeyError, TypeError):
        return "its process ended; the report is not readable", None
    if status != 0:
        return f"QEMU ended with {status}: {clean_text(message[-300:])}", None
    return _ENDS[cause or EndCause.POWEROFF], cause


def read_console(machine: Machine, max_bytes: int) -> str:
    """Return the end of the console with control characters, line ends excepted, made visible.

    Raises:
        MachineNotFoundError: the machine never ran.
        ProviderError: the console is not a file.
    """
    try:
        data = read_end(machine.console, max_bytes)
        with contextlib.suppress(FileNotFoundError):  # as long as the first is not full
            data = read_end(machine.console.with_suffix(".log.1"), max_bytes) + data
    except FileNotFoundError as error:
        message = "it has no console yet: it never ran"
        raise MachineNotFoundError(machine.name, message) from error
    except (OSError, ValueError) as error:
        message = f"its console cannot be read: {error}"
        raise ProviderError(machine.name, message) from error
    text = data[-max_bytes:].decode(errors="replace").replace("\r\n", "\n")
    return "".join(char if char.isprintable() or char in "\n\t" else "·" for char in text)
