"""Runs on disk: a folder each, with the topology, the log, what was written, and `run.toml`.

A run is complete when it was ended, nothing in it failed, no frame was lost and no file in it is
partial. A number is given once: `run_numbers/SUB_SYSTEM` keeps those that were, wherever the runs'
folders have gone since.
"""

from __future__ import annotations

import fcntl
import os
import re
import tomllib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
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
_MAX_BYTES = 4096  # five lines
_NUMBER = re.compile(r"[0-9]{1,9}")


@dataclass(frozen=True)
class RunRecord:
    """What is known of a run."""

    folder: Path
    number: int
    began: datetime
    ended: datetime | None = None
    complete: bool = False
    lost_frames: int = 0


def run_name(number: int) -> str:
    """Return the name of a run's folder, in that of its sub-system."""
    return f"run-{number:04d}"


def begin_run(config: Path, sub_system: str, topology: str, number: int | None = None) -> RunRecord:
    """Make the folder of the next run.

    Args:
        config: where the acquisition keeps its files.
        topology: its text, kept with the run.
        number: the run's; None: one more than the highest that there ever was.

    Raises:
        NarvalError: the folder cannot be made, or there was a run of this number.
    """
    above = _runs_of(config, sub_system)
    try:
        above.mkdir(parents=True, exist_ok=True)
        with _numbers(config, sub_system) as (given, give):
            if number is None:
                number = max(given, default=0) + 1
            folder = above / run_name(_check(number, given))
            give(number)
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
        NarvalError: it cannot be one, or there was such a run.
    """
    try:
        with _numbers(config, sub_system) as (given, _):
            return _check(number, given)
    except OSError as error:
        raise NarvalError(f"{error.filename}: {error.strerror}") from error


def _check(number: int, given: Collection[int]) -> int:
    if not 0 < number <= LAST_NUMBER:
        raise NarvalError(f"run_number {number}: a run's number is 1 to {LAST_NUMBER}")
    if number in given:
        raise NarvalError(
            f"run_number {number} is already taken, even if the folder of that run is gone; choose "
            f"another, or none for {max(given) + 1}"
        )
    return number


@contextmanager
def _numbers(config: Path, sub_system: str) -> Iterator[tuple[set[int], Callable[[int], None]]]:
    """Give the numbers that were given, and what gives another; nobody else does meanwhile."""
    file = config / "run_numbers" / sub_system
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+", encoding="ascii", errors="replace") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.seek(0)
        given = {int(line) for line in stream.read().split() if _NUMBER.fullmatch(line)}
        given |= {_number(folder) for folder in _runs_of(config, sub_system).glob("run-*")} - {0}

        def give(number: int) -> None:
            stream.write(f"{number}\n")
            stream.flush()
            os.fsync(stream.fileno())

        yield given, give


def end_run(folder: Path, *, failed: bool = False, lost_frames: int = 0) -> RunRecord:
    """Note that a run has ended and whether it is complete; again for an ended one: no change.

    Args:
        lost_frames: how many frames its actors know to be lost.

    Raises:
        NarvalError: it is not a run's folder, or cannot be written.
    """
    record = read_run(folder)
    if record.ended is not None:
        return record
    complete = not failed and not lost_frames and not any(folder.glob(f"*{PARTIAL}"))
    ended = datetime.now(UTC)
    record = replace(record, ended=ended, complete=complete, lost_frames=lost_frames)
    try:
        _write(record)
    except OSError as error:
        raise NarvalError(f"{folder}: its end cannot be noted: {error.strerror}") from error
    return record


def read_run(folder: Path) -> RunRecord:
    """Return what is known of a run.

    Raises:
        NarvalError: it is not a run's folder.
    """
    file = folder / _FACTS
    try:
        with file.open("rb") as stream:
            text = stream.read(_MAX_BYTES + 1)
        if len(text) > _MAX_BYTES:
            raise NarvalError(f"{file}: it is larger than {_MAX_BYTES} bytes")
        facts = tomllib.loads(text.decode())
        number, began, complete = facts["number"], facts["began"], facts["complete"]
    except OSError as error:
        raise NarvalError(f"{file}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        # No TOML, a number of thousands of digits, or lists nested hundreds deep.
        raise NarvalError(f"{file}: {error}") from error
    except KeyError as error:
        raise NarvalError(f"{file}: {error} is missing") from error
    lost_frames = facts.get("lost_frames", 0)
    record = RunRecord(folder, number, began, facts.get("ended"), complete, lost_frames)
    if not (
        type(number) is int
        and 0 < number <= LAST_NUMBER
        and isinstance(began, datetime)
        and isinstance(record.ended, datetime | None)
        and isinstance(complete, bool)
        and type(lost_frames) is int
        and lost_frames >= 0
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


def _number(folder: Path) -> int:
    digits = folder.name.removeprefix("run-")
    return int(digits) if _NUMBER.fullmatch(digits) else 0


def _write(record: RunRecord) -> None:
    """Write the facts; a reader sees the old ones or the new ones."""
    lines = [f"number = {record.number}", f"began = {record.began.isoformat()}"]
    if record.ended is not None:
        lines.append(f"ended = {record.ended.isoformat()}")
    if record.lost_frames:
        lines.append(f"lost_frames = {record.lost_frames}")
    lines += [f"complete = {'true' if record.complete else 'false'}", ""]
    fresh = record.folder / f"{_FACTS}.new"
    fresh.write_text("\n".join(lines), encoding="utf-8")
    fresh.replace(record.folder / _FACTS)
