"""How far a start of several machines is: one bar, with the machines as its steps. Pure.

Each machine counts by the time that it took in earlier starts. As long as one of them has no
history, all count alike, by their phases, and no time is promised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from vmlab.groups.facts import layers_of
from vmlab.spawning.progress import ALMOST_DONE, Estimate, about, phase_text, words
from vmlab_protocol.notices import Notice
from vmlab_protocol.phases import PHASES, Phase


class PartState(StrEnum):
    """What a machine of a start does."""

    WAITING = "waiting"  # for machines that come before it
    QUEUE = "queue"  # for a start slot
    STARTING = "starting"
    READY = "ready"


@dataclass(frozen=True)
class Part:
    """One machine of a start, and how far it is."""

    label: str
    after: tuple[str, ...] = ()
    phase: Phase | None = None  # None: it waits for those before it
    medians_s: Mapping[str, float] = field(default_factory=dict)
    in_phase_s: float = 0.0

    @property
    def state(self) -> PartState:
        """What it does."""
        match self.phase:
            case None:
                return PartState.WAITING
            case Phase.QUEUE:
                return PartState.QUEUE
            case Phase.READY:
                return PartState.READY
        return PartState.STARTING


@dataclass(frozen=True)
class _Work:
    """What a machine has done of its start and what is left, in seconds or in phases."""

    total: float
    done: float
    step: float | None = None  # what is left of the phase under way; None: nothing is under way

    @property
    def left(self) -> float:
        return self.total - self.done


def estimate_parts(parts: Sequence[Part], slots: int) -> Estimate:
    """Return how far a start is in which not all machines are ready yet.

    Args:
        parts: all its machines; each `after` names others of them.
        slots: how many machines start at once.
    """
    is_known = all(sum(part.medians_s.values()) > 0 for part in parts)
    works = {part.label: _measure(part) if is_known else _count(part) for part in parts}
    total = sum(work.total for work in works.values())
    done = sum(work.done for work in works.values())
    percent = int(ALMOST_DONE * done / total)
    if not is_known:
        return Estimate(percent, None, percent, None)
    steps = [work.step for work in works.values() if work.step is not None]
    step = min(steps, default=0.0)
    is_late = any(part.in_phase_s > _median(part) for part in parts if _is_at_work(part))
    return Estimate(
        percent=percent,
        left_s=None if is_late else round(_left_s(parts, works, slots), 1),
        phase_end=int(ALMOST_DONE * (done + step * len(steps)) / total),
        phase_left_s=round(step, 1),
    )


def make_group_event(
    label: str,
    parts: Sequence[Part],
    *,
    slots: int,
    elapsed_s: float,
    language: str,
    notice: Notice | None = None,
) -> dict[str, Any]:
    """Return the event of a start of several machines (docs/protocols.md, 6).

    Args:
        label: of the machine that it is about.
        notice: what is said of it instead of the words for its phase.
    """
    guess = estimate_parts(parts, slots)
    own = next(part for part in parts if part.label == label)
    text = about(label, notice) if notice else phase_text(own.phase or Phase.QUEUE, label)
    event = {
        "progress": guess.percent,
        **words(text, language),
        "phase": least_advanced(parts).value,
        "eta_s": guess.left_s,
        "progress_end": guess.phase_end,
        "phase_s": guess.phase_left_s,
        "elapsed_s": round(elapsed_s, 1),
        "machine": label,
    }
    return with_parts({**event, "notice": True} if notice else event, parts)


def with_parts(event: dict[str, Any], parts: Sequence[Part]) -> dict[str, Any]:
    """Return the event with all machines of the start."""
    return {**event, "machines": describe_parts(parts)}


def describe_parts(parts: Sequence[Part]) -> list[dict[str, Any]]:
    """Return each machine as progress events tell it (docs/protocols.md, 6)."""
    return [
        {
            "name": part.label,
            "state": part.state.value,
            "phase": part.phase.value if part.phase else "",
            "progress": _percent(part),
        }
        for part in parts
    ]


def least_advanced(parts: Sequence[Part]) -> Phase:
    """Return the phase of the machine that has the longest way to go."""
    return min((part.phase or Phase.QUEUE for part in parts), key=PHASES.index)


def _percent(part: Part) -> int:
    work = _measure(part) if sum(part.medians_s.values()) > 0 else _count(part)
    return int(100 * work.done / work.total)


def _is_at_work(part: Part) -> bool:
    return part.state is PartState.STARTING


def _median(part: Part) -> float:
    return part.medians_s.get(part.phase or "", 0.0)


def _measure(part: Part) -> _Work:
    total = sum(part.medians_s.get(phase, 0.0) for phase in PHASES)
    if part.phase is Phase.READY:
        return _Work(total, total)
    if part.phase is None or not _is_at_work(part):
        return _Work(total, 0.0)
    before = sum(part.medians_s.get(phase, 0.0) for phase in PHASES[: PHASES.index(part.phase)])
    spent = min(part.in_phase_s, _median(part))
    return _Work(total, before + spent, _median(part) - spent)


def _count(part: Part) -> _Work:
    last = len(PHASES) - 1
    return _Work(last, PHASES.index(part.phase) if part.phase else 0)


def _left_s(parts: Sequence[Part], works: Mapping[str, _Work], slots: int) -> float:
    """Return what is left: the longest chain, or all of it where slots are few."""
    after = {part.label: part.after for part in parts}
    until: dict[str, float] = {}
    for layer in layers_of(after):
        for label in layer:
            before = max((until[name] for name in after[label]), default=0.0)
            until[label] = works[label].left + (before if works[label].left else 0.0)
    return max(*until.values(), sum(work.left for work in works.values()) / slots, 0.0)
