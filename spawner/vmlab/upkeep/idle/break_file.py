"""A break: until then no machine is stopped because nobody works in it. Kept in STATE/idle.json.

The file is written by the command line and by the hub's API alike, with and without a running hub.
"""

from __future__ import annotations

import json
import math
import time
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from vmlab.errors import ConfigError, HostError
from vmlab_protocol.atomic import write_atomic
from vmlab_protocol.outside import load_json

LONGEST_S = 31 * 86400.0


@dataclass(frozen=True)
class Break:
    """When the last break that was declared ends, in seconds since the epoch; 0: none was."""

    until: float = 0.0

    def is_on(self, now: float) -> bool:
        """Whether it lasts still."""
        return now < self.until

    def over_for_s(self, now: float) -> float:
        """Return for how long it has been over."""
        return max(0.0, now - self.until) if self.until else math.inf


def break_path(state: Path) -> Path:
    """Return the file."""
    return state / "idle.json"


def read_break(state: Path) -> Break:
    """Return the last break that was declared.

    Raises:
        HostError: the file is damaged.
    """
    path = break_path(state)
    try:
        until = float(load_json(path.read_bytes())["until"])
        if not math.isfinite(until):
            raise ValueError(until)
    except FileNotFoundError:
        return Break()
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HostError(
            f"{path} cannot be read: {error}", hint="declare the break again, or remove the file"
        ) from error
    return Break(until)


def declare_break(state: Path, until: float, now: float | None = None) -> Break:
    """Have no machine stopped until then; a time of now or before ends the break.

    Raises:
        ConfigError: it is more than 31 days ahead.
        HostError: the file cannot be written.
    """
    now = time.time() if now is None else now
    if not math.isfinite(until) or until - now > LONGEST_S:
        raise ConfigError(
            f"a break until {until:.0f} is too long: at most 31 days",
            hint="to have no machine stopped at all, leave [idle] stop_after out of lab.toml",
        )
    declared = Break(max(until, 0.0))
    try:
        state.mkdir(mode=0o711, parents=True, exist_ok=True)
        write_atomic(break_path(state), json.dumps({"until": declared.until}).encode())
    except OSError as error:
        raise HostError(f"{break_path(state)} cannot be written: {error}") from error
    return declared


def parse_until(text: str, now: datetime) -> float:
    """Return the time that a person wrote, as seconds since the epoch.

    `14:30` is the next time that the clock shows it; `2026-12-24T18:00` and `2026-12-24 18:00` are
    local times.

    Raises:
        ConfigError: it is neither, or is in the past.
    """
    try:
        if len(text) <= 5 and ":" in text:
            hour, minute = (int(part) for part in text.split(":"))
            moment = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
            return moment.timestamp() + (86400 if moment <= now else 0)
        until = datetime.fromisoformat(text).timestamp()
    except (ValueError, OverflowError) as error:  # also of years that no clock here knows
        raise ConfigError(
            f"{text!r} is not a time", hint='write 14:30, or "2026-12-24 18:00"'
        ) from error
    if until <= now.timestamp():
        raise ConfigError(f"{text!r} is in the past", hint='write 14:30, or "2026-12-24 18:00"')
    return until
