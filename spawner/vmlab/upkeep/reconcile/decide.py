"""The reconciler's decision: facts in, actions out. Pure.

Guarantees, whatever the facts (tests/unit/upkeep/reconcile/):

- nothing is stopped, revoked, cleared or released before every round has seen it with the same
  problem for the whole grace time;
- a machine whose server is active is never stopped, cleared or adopted, its newest token never
  revoked, its volume never released; the same holds for nodes beside it, and for the machine that
  all servers share;
- no action removes a disk or a volume, or a network that a machine is in;
- after the actions were carried out, another round decides nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from vmlab.model import MachineState, MachineStatus
from vmlab.upkeep.reconcile.facts import Action, ActionKind, Decision, Facts, Seat

_ON = frozenset({MachineState.RUNNING, MachineState.STARTING})

_AT_ONCE = frozenset({ActionKind.ADOPT, ActionKind.FORGET, ActionKind.START})
"""Actions that take nothing away: two give, the other is what the hub's own poll does."""


def decide(facts: Facts, seen: Mapping[str, float], now: float, grace_s: float) -> Decision:
    """Return what to do.

    Args:
        facts: hub and provider now.
        seen: of the last decision.
        now: seconds of a clock that never jumps.
        grace_s: how long trouble must have lasted.
    """
    found = [*_machines(facts), *_servers(facts), *_shared(facts), *_tokens(facts)]
    found += [*_leftovers(facts), *_volumes(facts), *_networks(facts)]
    since = {action.key: seen.get(action.key, now) for action in found}
    ripe = [
        action
        for action in found
        if action.kind in _AT_ONCE or (action.key in seen and now - since[action.key] >= grace_s)
    ]
    waiting = [action for action in found if action.kind not in _AT_ONCE and action.key not in seen]
    return Decision(tuple(ripe), tuple(a for a in waiting if a not in ripe), since)


def _is_on(status: MachineStatus | None) -> bool:
    return status is not None and status.state in _ON


def _machines(facts: Facts) -> Iterator[Action]:
    """Machines that run although the hub has no server for them."""
    seats = {name: seat for seat in facts.seats for name in seat.machines}
    adopted: set[str] = set()
    for name, status in sorted(facts.machines.items()):
        if not _is_on(status) or name in facts.active:
            continue
        seat = seats.get(name)
        if seat is None or not facts.first:
            yield Action(ActionKind.STOP, name, _why_orphan(status, seat, facts))
        elif seat.machine not in adopted:
            adopted.add(seat.machine)
            runs = "runs" if status.state is MachineState.RUNNING else "is starting"
            beside = "" if name == seat.machine else f", beside {name}"
            why = f"it {runs}{beside}, and the hub lost the server of {seat.user}"
            yield Action(ActionKind.ADOPT, seat.machine, why, seat.user, seat.server)


def _why_orphan(status: MachineStatus, seat: Seat | None, facts: Facts) -> str:
    if status.name == facts.shared:
        return f"it is {status.state}, and nobody has a machine in its event any more"
    if seat is None:
        return f"it is {status.state}, and the hub has no user with this machine"
    return f"it is {status.state}, and the hub has no server of {seat.user}"


def _servers(facts: Facts) -> Iterator[Action]:
    """Servers whose machine does not run."""
    for seat in facts.seats:
        if not seat.ready or seat.pending or _is_on(facts.machines.get(seat.machine)):
            continue
        status = facts.machines.get(seat.machine)
        state = status.state if status else MachineState.ABSENT
        problem = f" ({status.problem})" if status and status.problem else ""
        why = f"the hub serves it for {seat.user}, and it is {state}{problem}"
        yield Action(ActionKind.FORGET, seat.machine, why, seat.user, seat.server)


def _shared(facts: Facts) -> Iterator[Action]:
    """The machine that all servers share, if it is off while somebody is at work."""
    at_work = count_at_work(facts.seats)
    status = facts.machines.get(facts.shared)
    if facts.shared and at_work and not _is_on(status):
        problem = f" ({status.problem})" if status and status.problem else ""
        why = f"it is off{problem}, and {at_work} servers need it"
        yield Action(ActionKind.START, facts.shared, why)


def count_at_work(seats: Iterable[Seat]) -> int:
    """Return how many servers somebody may be working in."""
    return sum(seat.ready and not seat.pending for seat in seats)


def _tokens(facts: Facts) -> Iterator[Action]:
    """Tokens of servers that are gone, and older ones of servers that were started again."""
    active = {(seat.user, seat.server) for seat in facts.seats if seat.active}
    newest: dict[tuple[str, str], int] = {}
    for token in facts.tokens:
        key = (token.user, token.server)
        newest[key] = max(token.number, newest.get(key, token.number))
    for token in facts.tokens:
        key = (token.user, token.server)
        if key in active and newest[key] == token.number:
            continue
        gone = "was started again" if key in active else "is gone"
        why = f"the server of {token.user} that it was made for {gone}"
        yield Action(ActionKind.REVOKE, f"token {token.number}", why, token=token)


def _leftovers(facts: Facts) -> Iterator[Action]:
    for leftover in facts.leftovers:
        is_on = _is_on(facts.machines.get(leftover.machine))
        if not is_on and leftover.machine not in facts.active:
            subject = f"{leftover.kind} {leftover.what}"
            yield Action(ActionKind.CLEAR, subject, leftover.why, leftover=leftover)


def _volumes(facts: Facts) -> Iterator[Action]:
    """Volumes held by a machine that does not run."""
    for volume in facts.held:
        if volume.holder in facts.active or _is_on(facts.machines.get(volume.holder)):
            continue
        status = facts.machines.get(volume.holder)
        state = status.state if status else MachineState.ABSENT
        why = f"its holder {volume.holder} is {state}, and no server needs it"
        yield Action(ActionKind.RELEASE, volume.name, why, volume=volume)


def _networks(facts: Facts) -> Iterator[Action]:
    """Networks of events that are over: no machine is in them, and the lab does not name them.

    Of one with a problem it is not known who is in it: it stays as long as any machine runs.
    """
    runs = any(_is_on(status) for status in facts.machines.values())
    for network in facts.networks:
        used = network.machines or (network.problem and runs)
        if not used and network.name not in facts.named:
            why = "no machine is in it, and the lab has no such event"
            yield Action(ActionKind.REMOVE, f"network {network.name}", why, network=network.name)
