"""Looks at a running acquisition, for the checks of courses on NARVAL.

What finds something missing raises NotYetError with the hint for the trainee; `check` makes the
outcome of it. Hints name `start_service` and `rewind`, which the first cell of such a notebook has.
"""

from __future__ import annotations

import functools
import time
from collections.abc import Callable
from typing import Any

from lab import Outcome, failed, step
from lab.look import processes
from narval.client import Access, SubSystemStatus, SyncSubSystem, list_sub_systems, wait_for
from narval.errors import NarvalError
from narval.states import State

DEADLINE_S = 60.0
WAIT_S = 15.0  # for something to happen in a machine that is emulated
RATE_MEASURED_S = 3.0

_NEXT = {
    State.INITIAL: "configure",
    State.CONFIGURED: "load",
    State.LOADED: "initialise",
    State.STOPPED: "start",
    State.PAUSED: "resume",
}

Check = Callable[..., Outcome]

_opened: list[SyncSubSystem] = []


class NotYetError(Exception):
    """A hint, from wherever something was found missing."""

    def __init__(self, en: str, fr: str) -> None:
        super().__init__(en)
        self.outcome = failed(en, fr)


def check(name: str) -> Callable[[Check], Check]:
    """Mark the check of a step, as `lab.step`; hints may be raised in it."""

    def mark(function: Check) -> Check:
        @functools.wraps(function)
        def look(*answers: object) -> Outcome:
            try:
                return function(*answers)
            except NotYetError as hint:
                return hint.outcome
            except NarvalError as error:
                return failed(f"The acquisition says: {error}", f"L'acquisition dit : {error}")
            finally:
                while _opened:
                    _opened.pop().close()

        return step(name, deadline_s=DEADLINE_S)(look)

    return mark


def why_absent(program: str, error: NarvalError) -> NotYetError:
    """Return the hint for a service that did not answer: whether it runs at all."""
    if any(program in " ".join(entry.command) for entry in processes()):
        return NotYetError(
            f"`{program}` runs, but cannot be used: {error}. See `{program}.log`.",
            f"`{program}` tourne, mais ne peut être utilisé : {error}. Voyez `{program}.log`.",
        )
    return NotYetError(
        f'`{program}` does not run: `start_service("{program}")`. The naming service comes first.',
        f'`{program}` ne tourne pas : `start_service("{program}")`. Le service de noms en premier.',
    )


def find_sub_system(name: str, where: str = "localhost local") -> SyncSubSystem:
    """Return a sub-system; its connection is closed when the check has ended.

    Args:
        where: what `launch` is told of its machine, for the hint.

    Raises:
        NotYetError: it, or a service, does not run.
    """
    try:
        access = Access.default()
        names = wait_for(list_sub_systems(access))
    except NarvalError as error:
        raise NotYetError(
            "The services do not run: first the step `services`.",
            "Les services ne tournent pas : d'abord l'étape `services`.",
        ) from error
    if name not in names:
        known = ", ".join(names) or "-"
        raise NotYetError(
            f"There is no sub-system `{name}` (there are: {known}). "
            f"`narval_shell launch {name} {where}`.",
            f"Il n'y a pas de sous-système `{name}` (il y a : {known}). "
            f"`narval_shell launch {name} {where}`.",
        )
    _opened.append(SyncSubSystem.find(name, access))
    return _opened[-1]


def wait_until(
    condition: Callable[[], Any], seconds: float = WAIT_S, *, every_s: float = 0.2
) -> Any:
    """Return what the condition gives as soon as it is true, or what it gave last."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > end:
            return value
        time.sleep(every_s)


def actor_of(status: SubSystemStatus, name: str) -> dict[str, Any]:
    """Return what is known of an actor, with zeros for what it has not counted yet.

    Raises:
        NotYetError: there is none of this name.
    """
    found = {actor["name"]: dict(actor) for actor in status.actors}.get(name)
    if found is None:
        raise NotYetError(
            f"`{status.sub_system}` has no actor `{name}`.",
            f"`{status.sub_system}` n'a pas d'acteur `{name}`.",
        )
    return {"blocks_in": 0, "blocks_out": 0, "bytes_in": 0, **found}


def expect_running(sub_system: SyncSubSystem) -> SubSystemStatus:
    """Wait until no action is under way; return the status.

    Raises:
        NotYetError: it is not Running; tells the next action.
    """
    wait_until(lambda: sub_system.status().under_way is None)
    status = sub_system.status()
    name = status.sub_system
    if status.state is State.ERROR:
        raise NotYetError(
            f"`{name}` is in Error: `{status.error}`. Mend that; then "
            f'`rewind("{name}")` and all from configure on.',
            f"`{name}` est en Error : `{status.error}`. Corrigez cela ; puis "
            f'`rewind("{name}")` et tout à partir de configure.',
        )
    if status.state is not State.RUNNING:
        action = _NEXT.get(status.state, "configure")
        raise NotYetError(
            f"`{name}` is {status.state}. Next: `narval_shell set action {action} {name}`.",
            f"`{name}` est {status.state}. La suite : `narval_shell set action {action} {name}`.",
        )
    return status


def expect_flow(sub_system: SyncSubSystem, actor: str) -> None:
    """Raise NotYetError unless blocks arrive at an actor."""
    before = actor_of(sub_system.status(), actor)["blocks_in"]
    if not wait_until(lambda: actor_of(sub_system.status(), actor)["blocks_in"] > before):
        raise NotYetError(
            f"It runs, but nothing arrives at `{actor}`. Look at the log.",
            f"Il tourne, mais rien n'arrive à `{actor}`. Regardez le journal.",
        )


def measure_bytes_per_s(sub_system: SyncSubSystem, actor: str) -> float:
    """Return how many bytes arrive per second."""
    began, before = _next_count(sub_system, actor)
    time.sleep(RATE_MEASURED_S)
    ended, after = _next_count(sub_system, actor)
    return float(after - before) / (ended - began)


def _next_count(sub_system: SyncSubSystem, actor: str) -> tuple[float, int]:
    """Wait for the actor's next word, of two or three a second; return when it came, and its bytes.

    What the coordinator tells at any other moment is up to half a second old.
    """

    def count() -> int:
        return int(actor_of(sub_system.status(), actor)["bytes_in"])

    old = count()
    wait_until(lambda: count() != old, every_s=0.02)
    return time.monotonic(), count()


def number_of(answer: object) -> float:
    """Return the number in what a trainee has answered: `1332.5 keV`, `1332,5`, a fitted value.

    Raises:
        NotYetError: it is not one.
    """
    text = str(getattr(answer, "value", answer)).replace("keV", "").partition("±")[0]
    try:
        return float(text.strip().replace(",", "."))
    except ValueError:
        raise NotYetError(
            f"`{str(answer)[:60]}` is not a number.", f"`{str(answer)[:60]}` n'est pas un nombre."
        ) from None
