"""Lines between host and agent, over virtio-serial (docs/protocols.md, section 1). Pure.

One JSON object a line. All that a guest says is untrusted: the type must be known, texts are cut
and cleaned before anything else sees them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from vmlab_protocol.commands import RunReport, parse_report
from vmlab_protocol.outside import load_json
from vmlab_protocol.phases import GUEST_PHASES, Phase

PORT_NAME = "org.vmlab.agent"
"""The virtio-serial port, as the guest sees it."""

MAX_TO_GUEST_BYTES = 256 * 1024
MAX_FROM_GUEST_BYTES = 16 * 1024
"""Of a line with its newline."""

MAX_MESSAGE_CHARS = 1000
MAX_TROUBLE_CHARS = 300
MAX_REASONS = 5
_MAX_REASON_CHARS = 100
_MAX_IDLE_S = 10 * 366 * 86400.0
_MAX_ENDS = 1000


class HostMessageType(StrEnum):
    """What a host may say."""

    STATUS = "status"
    PARK = "park"
    WARM = "warm"
    SEED = "seed"
    FREEZE = "freeze"
    THAW = "thaw"
    GROW = "grow"
    SHOW = "show"
    HIDE = "hide"
    ACTIVITY = "activity"
    WARN = "warn"
    TIME = "time"
    LANGUAGE = "language"
    RUN = "run"
    SERVE = "serve"
    KEYS = "keys"
    POWEROFF = "poweroff"


class GuestMessageType(StrEnum):
    """What an agent may say."""

    STATUS = "status"
    PHASE = "phase"
    SEEDED = "seeded"
    ERROR = "error"
    PARKED = "parked"
    WARMED = "warmed"
    ACTIVITY = "activity"
    WARNED = "warned"
    SPEAKS = "speaks"
    KEYED = "keyed"
    FROZEN = "frozen"
    THAWED = "thawed"
    GROWN = "grown"
    SHOWN = "shown"
    HIDDEN = "hidden"
    TIMED = "timed"
    RAN = "ran"
    SERVING = "serving"


class Reason(StrEnum):
    """Why a seed could not be applied, where a trainee can do something about it."""

    HOME_AWAY = "home-away"  # the home is on a file server that did not let it be mounted


_GUEST_TYPES = frozenset(GuestMessageType)
_REASONS = frozenset(Reason)

ANSWERS: Mapping[HostMessageType, GuestMessageType] = {
    HostMessageType.STATUS: GuestMessageType.STATUS,
    HostMessageType.PARK: GuestMessageType.PARKED,
    HostMessageType.WARM: GuestMessageType.WARMED,
    HostMessageType.SEED: GuestMessageType.SEEDED,
    HostMessageType.FREEZE: GuestMessageType.FROZEN,
    HostMessageType.THAW: GuestMessageType.THAWED,
    HostMessageType.GROW: GuestMessageType.GROWN,
    HostMessageType.SHOW: GuestMessageType.SHOWN,
    HostMessageType.HIDE: GuestMessageType.HIDDEN,
    HostMessageType.ACTIVITY: GuestMessageType.ACTIVITY,
    HostMessageType.WARN: GuestMessageType.WARNED,
    HostMessageType.TIME: GuestMessageType.TIMED,
    HostMessageType.LANGUAGE: GuestMessageType.SPEAKS,
    HostMessageType.RUN: GuestMessageType.RAN,
    HostMessageType.SERVE: GuestMessageType.SERVING,
    HostMessageType.KEYS: GuestMessageType.KEYED,
}
"""What an agent says when it has done what it was told; or ERROR. POWEROFF has no answer."""


@dataclass(frozen=True)
class Activity:
    """How long nobody has worked in a machine, by its agent."""

    idle_s: float
    why: tuple[str, ...] = ()  # what is going on in it


@dataclass(frozen=True)
class ServerTrouble:
    """A single-user server that ends before it serves, by its machine's agent."""

    ends: int  # in a row
    is_plain: bool  # it is started without the trainee's own settings now
    line: str = ""  # what it said last that matters; a machine's words

    def to_json(self) -> dict[str, object]:
        """Return it as `trouble` of a message."""
        return {"ends": self.ends, "plain": self.is_plain, "line": self.line}


@dataclass(frozen=True)
class GuestMessage:
    """One checked message from the agent."""

    type: GuestMessageType
    phase: Phase | None = None
    text: str = ""
    seeded: bool = False
    activity: Activity | None = None  # of ACTIVITY
    was_frozen: bool = False
    trouble: ServerTrouble | None = None  # of STATUS and ACTIVITY
    report: RunReport | None = None  # of RAN
    serial: int = 0  # of SERVING: the roster that is served now
    reason: Reason | None = None  # of ERROR


def dump_line(kind: HostMessageType | GuestMessageType, **details: object) -> bytes:
    """Return a message as the line that travels."""
    return json.dumps({"type": kind.value, **details}).encode() + b"\n"


def parse_guest_line(line: bytes) -> GuestMessage | None:
    """Return the message in this line, or None when it is not one that an agent may send."""
    try:
        body = load_json(line)
    except ValueError:
        return None
    said = body.get("type") if isinstance(body, dict) else None
    if not isinstance(said, str) or said not in _GUEST_TYPES:
        return None
    kind = GuestMessageType(said)
    phase = _parse_phase(body.get("phase"))
    if kind is GuestMessageType.PHASE and phase is None:
        return None
    activity = _parse_activity(body) if kind is GuestMessageType.ACTIVITY else None
    if kind is GuestMessageType.ACTIVITY and activity is None:
        return None
    report = parse_report(body) if kind is GuestMessageType.RAN else None
    if kind is GuestMessageType.RAN and report is None:
        return None
    return GuestMessage(
        kind,
        phase,
        clean_text(body.get("message")),
        seeded=body.get("seeded") is True,
        activity=activity,
        was_frozen=body.get("was_frozen") is True,
        trouble=_parse_trouble(body.get("trouble")),
        report=report,
        serial=serial if type(serial := body.get("serial")) is int and serial > 0 else 0,
        reason=_parse_reason(body.get("reason")),
    )


def _parse_trouble(value: Any) -> ServerTrouble | None:
    ends = value.get("ends") if isinstance(value, dict) else None
    if type(ends) is not int or not ends > 0:
        return None
    line = clean_text(value.get("line"), MAX_TROUBLE_CHARS)
    return ServerTrouble(min(ends, _MAX_ENDS), value.get("plain") is True, line)


def _parse_activity(body: dict[str, Any]) -> Activity | None:
    idle_s, why = body.get("idle_s"), body.get("why")
    if isinstance(idle_s, bool) or not isinstance(idle_s, int | float):
        return None
    if not 0 <= idle_s <= _MAX_IDLE_S:
        return None
    reasons = why[:MAX_REASONS] if isinstance(why, list) else []
    return Activity(float(idle_s), tuple(clean_text(word, _MAX_REASON_CHARS) for word in reasons))


def _parse_phase(value: Any) -> Phase | None:
    return Phase(value) if isinstance(value, str) and value in GUEST_PHASES else None


def _parse_reason(value: Any) -> Reason | None:
    return Reason(value) if isinstance(value, str) and value in _REASONS else None


def clean_text(value: Any, limit: int = MAX_MESSAGE_CHARS) -> str:
    """Return text from a machine without control characters and within the limit."""
    text = value if isinstance(value, str) else ""
    return "".join(char if char.isprintable() else " " for char in text[:limit])
