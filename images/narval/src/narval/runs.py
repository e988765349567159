"""Runs on disk: a folder each, with the topology, the log, what was written, and `run.toml`.

A run is complete when it was ended, nothing in it failed and no file in it is partial.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from narval.errors import NarvalError

PARTIAL = ".partial"
"""What the name of a file ends with until all of it is written."""

TOPOLOGY_FILE = "topology.xml"
LOG_FILE = "log.jsonl"

LAST_NUMBER = 999_999_999

_FACTS = "run.toml"
_MOST_BYTES = 4096  # four lines


@dataclass(frozen=True)
class RunRecord:
    """What is known of a run."""

    folder: Path
    number: int
    began: datetime
    ended: datetime | None = None
    complete: bool = False


def config_folder(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where the acquisition keeps its files: NARVAL_CONFIG, else `~/.narval`."""
    return Path(environment.get("NARVAL_CONFIG") or Path.home() / ".narval")


def run_name(number: int) -> str:
    """Return the name of a run's folder, in that of its sub-system."""
    return f"run-{number:04d}"


def begin_run(config: Path, sub_system: str, topology: str, number: int | None = None) -> RunRecord:
    """Make the folder of the next run.

    Args:
        config: where the acquisition keeps its files.
        topology: its text, kept with the run.
        number: the run's; None: one more than the highest.

    Raises:
        NarvalError: the folder cannot be made, or there is a run of this number.
    """
    above = _runs_of(config, sub_system)
    try:
        above.mkdir(parents=True, exist_ok=True)
        if number is None:
            folder = _make_folder(above)
        else:
            folder = above / run_name(check_number(config, sub_system, number))
            folder.mkdir()
        record = RunRecord(folder, _number(folder), datetime.now(UTC))
        (folder / TOPOLOGY_FILE).write_text(topology, encoding="utf-8")
        _write(record)
    except OSError as error:
        raise NarvalError(f"no run can be begun in {above}: {error.strerror}") from error
    return record


def check_number(config: Path, sub_system: str, number: int) -> int:
    """Return the number of a run that is to come.

    Raises:
        NarvalError: it cannot be one, or there is such a run.
    """
    if not 0 < number <= LAST_NUMBER:
        raise NarvalError(f"run_number {number}: a run's number is 1 to {LAST_NUMBER}")
    folder = _runs_of(config, sub_system) / run_name(number)
    if folder.exists():
        raise NarvalError(f"run_number {number}: {folder} is there already; choose another")
    return number


def end_run(folder: Path, *, failed: bool = False) -> RunRecord:
    """Note that a run has ended and whether it is complete; again for an ended one: no change.

    Raises:
        NarvalError: it is no run's folder, or cannot be written.
    """
    record = read_run(folder)
    if record.ended is not None:
        return record
    complete = not failed and not any(folder.glob(f"*{PARTIAL}"))
    record = replace(record, ended=datetime.now(UTC), complete=complete)
    try:
        _write(record)
    except OSError as error:
        raise NarvalError(f"{folder}: its end cannot be noted: {error.strerror}") from error
    return record


def read_run(folder: Path) -> RunRecord:
    """Return what is known of a run.

    Raises:
        NarvalError: it is no run's folder.
    """
    file = folder / _FACTS
    try:
        with file.open("rb") as stream:
            text = stream.read(_MOST_BYTES + 1)
        if len(text) > _MOST_BYTES:
            raise NarvalError(f"{file}: it is larger than {_MOST_BYTES} bytes")
        facts = tomllib.loads(text.decode())
        number, began, complete = facts["number"], facts["began"], facts["complete"]
    except OSError as error:
        raise NarvalError(f"{file}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        # No TOML, a number of thousands of digits, or lists nested hundreds deep.
        raise NarvalError(f"{file}: {error}") from error
    except KeyError as error:
        raise NarvalError(f"{file}: {error} is missing") from error
    record = RunRecord(folder, number, began, facts.get("ended"), complete)
    if not (
        type(number) is int
        and 0 < number <= LAST_NUMBER
        and isinstance(began, datetime)
        and isinstance(record.ended, datetime | None)
        and isinstance(complete, bool)
    ):
        raise NarvalError(f"{file}: it does not say what a run's file says")
    return record


def list_runs(config: Path, sub_system: str) -> tuple[RunRecord, ...]:
    """Return the runs of a sub-system by number; folders that are no runs are passed over."""
    folders = sorted(_runs_of(config, sub_system).glob("run-*"), key=_number)
    return tuple(read_run(folder) for folder in folders if (folder / _FACTS).is_file())


def _runs_of(config: Path, sub_system: str) -> Path:
    if not sub_system or sub_system in {".", ".."} or "/" in sub_system or "\0" in sub_system:
        raise NarvalError(f"{sub_system!r} cannot be a sub-system's name: it names a folder too")
    return config / "runs" / sub_system


def _make_folder(above: Path) -> Path:
    """Make the next folder; whoever else does so at the same time gets the one after."""
    number = max(map(_number, above.glob("run-*")), default=0) + 1
    while True:
        folder = above / run_name(number)
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
        else:
            return folder


def _number(folder: Path) -> int:
    digits = folder.name.removeprefix("run-")
    return int(digits) if digits.isdecimal() else 0


def _write(record: RunRecord) -> None:
    """Write the facts; a reader sees the old ones or the new ones."""
    lines = [f"number = {record.number}", f"began = {record.began.isoformat()}"]
    if record.ended is not None:
        lines.append(f"ended = {record.ended.isoformat()}")
    lines += [f"complete = {'true' if record.complete else 'false'}", ""]
    fresh = record.folder / f"{_FACTS}.new"
    fresh.write_text("\n".join(lines), encoding="utf-8")
    fresh.replace(record.folder / _FACTS)
