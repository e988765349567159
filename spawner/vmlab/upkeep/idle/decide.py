"""Which machines are warned and stopped because nobody works in them. Pure.

Guarantees, whatever the facts (tests/unit/upkeep/idle/):

- no machine is stopped that was not warned at least `warn_s` before, in the same run of it;
- none is stopped whose activity is not known, or lasted less than `stop_after_s` without work;
- none is warned or stopped during a break, and a break counts as work;
- after activity following a warning, the whole time starts again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from vmlab_protocol.messages import Activity


@dataclass(frozen=True)
class IdleRules:
    """When a machine counts as idle."""

    stop_after_s: float  # 0: never
    warn_s: float = 600.0  # seconds between the warning and the stop

    @property
    def is_on(self) -> bool:
        """Whether machines are stopped at all."""
        return self.stop_after_s > 0


@dataclass(frozen=True)
class Desk:
    """A machine whose server is ready."""

    user: str
    server: str
    machine: str
    since: float  # when it was powered on: a machine that was started again is another run
    nodes: tuple[str, ...] = ()  # further machines that are stopped with it

    @property
    def machines(self) -> tuple[str, ...]:
        """All of them."""
        return (self.machine, *self.nodes)


@dataclass(frozen=True)
class IdleFacts:
    """All desks, and what their agents said of them."""

    desks: tuple[Desk, ...]
    activity: Mapping[str, Activity]  # by machine; missing: not known
    is_break: bool = False
    since_break_s: float = math.inf  # since the last break ended


def of_groups(desks: Iterable[Desk], activity: Mapping[str, Activity]) -> Mapping[str, Activity]:
    """Return the activity of each desk, to which that in its nodes counts. Pure.

    Args:
        activity: by machine; missing: not known. A desk that is not known is left out.
    """
    found = {}
    for desk in desks:
        known = [activity[name] for name in desk.machines if name in activity]
        if desk.machine in activity:
            found[desk.machine] = min(known, key=lambda each: each.idle_s)
    return found


class IdleAction(StrEnum):
    """What may be done to a desk."""

    WARN = "warn"
    WITHDRAW = "withdraw"  # the warning
    STOP = "stop"


@dataclass(frozen=True)
class IdleStep:
    """One thing to do."""

    action: IdleAction
    desk: Desk
    in_s: float = 0.0  # of WARN: until it is stopped
    idle_s: float = 0.0


@dataclass(frozen=True)
class IdleDecision:
    """What to do now; `warned` (run of a machine → when it is stopped) is for the next look."""

    steps: tuple[IdleStep, ...]
    warned: Mapping[tuple[str, float], float]


def decide_idle(
    facts: IdleFacts, rules: IdleRules, warned: Mapping[tuple[str, float], float], now: float
) -> IdleDecision:
    """Return whom to warn, whose warning to withdraw, and whom to stop.

    Args:
        facts: the desks now.
        rules: when a machine counts as idle.
        warned: of the last decision.
        now: seconds of a clock that never jumps, the one of `warned`.
    """
    steps: list[IdleStep] = []
    still: dict[tuple[str, float], float] = {}
    for desk in facts.desks:
        run = (desk.machine, desk.since)
        stop_at = warned.get(run)
        for step in _judge(desk, facts, rules, stop_at, now):
            steps.append(step)
            stop_at = now + step.in_s if step.action is IdleAction.WARN else None
        if stop_at is not None:
            still[run] = stop_at
    return IdleDecision(tuple(steps), still)


def _judge(
    desk: Desk, facts: IdleFacts, rules: IdleRules, stop_at: float | None, now: float
) -> Iterator[IdleStep]:
    """Yield at most one step."""
    if facts.is_break or not rules.is_on:
        if stop_at is not None:
            yield IdleStep(IdleAction.WITHDRAW, desk)
        return
    activity = facts.activity.get(desk.machine)
    if activity is None:
        return  # neither idle nor active: not known
    idle_s = min(activity.idle_s, facts.since_break_s)
    left_s = rules.stop_after_s - idle_s
    if stop_at is None:
        if left_s <= rules.warn_s:
            yield IdleStep(IdleAction.WARN, desk, max(left_s, rules.warn_s), idle_s)
    elif left_s > rules.warn_s:
        yield IdleStep(IdleAction.WITHDRAW, desk, idle_s=idle_s)
    elif now >= stop_at and left_s <= 0:
        yield IdleStep(IdleAction.STOP, desk, idle_s=idle_s)
