"""A line of the log. Pure."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from narval.errors import NarvalError
from narval.topology.model import LogLevel

MAX_CHARACTERS = 4096
"""Of a message, with the mark of one that was cut."""

PYTHON_LEVELS: Mapping[LogLevel, int] = {
    LogLevel.DEBUG: logging.DEBUG,
    LogLevel.INFO: logging.INFO,
    LogLevel.WARN: logging.WARNING,
    LogLevel.ERROR: logging.ERROR,
    LogLevel.FATAL: logging.CRITICAL,
}


@dataclass(frozen=True)
class LogRecord:
    """What was said, by whom and when."""

    time: str  # ISO 8601, UTC
    level: LogLevel
    sub_system: str
    actor: str  # empty: the coordinator, or a service
    host: str
    message: str


@dataclass(frozen=True)
class LogFilter:
    """Which records are wanted."""

    sub_system: str | None = None
    actor: str | None = None
    level: LogLevel = LogLevel.DEBUG  # this one and those that are more serious

    def has(self, record: LogRecord) -> bool:
        """Tell whether a record is one of them."""
        return (
            self.sub_system in {None, record.sub_system}
            and self.actor in {None, record.actor}
            and PYTHON_LEVELS[record.level] >= PYTHON_LEVELS[self.level]
        )


def level_of(number: int) -> LogLevel:
    """Return the level of one of Python's."""
    reached = [level for level, least in PYTHON_LEVELS.items() if number >= least]
    return reached[-1] if reached else LogLevel.DEBUG


def read_level(text: str) -> LogLevel:
    """Return the level of this name.

    Raises:
        NarvalError: there is none.
    """
    try:
        return LogLevel(text)
    except ValueError:
        raise NarvalError(f"{text[:60]!r} is not a log level ({', '.join(LogLevel)})") from None


def read_record(facts: Mapping[str, Any]) -> LogRecord:
    """Return the record of a message.

    Raises:
        NarvalError: something is missing, or it is not a record.
    """
    try:
        return LogRecord(
            time=str(facts["time"]),
            level=read_level(str(facts["level"])),
            sub_system=str(facts["sub_system"]),
            actor=str(facts["actor"]),
            host=str(facts["host"]),
            message=cut(str(facts["message"])),
        )
    except KeyError as error:
        raise NarvalError(f"a log record without {error}") from error
    except TypeError as error:
        raise NarvalError(f"{str(facts)[:60]!r} is not a log record") from error


def cut(message: str) -> str:
    """Return a message of at most MAX_CHARACTERS, and a mark where it was longer."""
    if len(message) <= MAX_CHARACTERS:
        return message
    mark = f"… ({len(message)} characters)"
    return message[: MAX_CHARACTERS - len(mark)] + mark
