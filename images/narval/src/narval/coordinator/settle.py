"""Waiting until actors have done an order: while data flow, and not for ever where one hangs."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping, Sequence
from typing import Any

from narval.coordinator.member import ActorError, Member
from narval.errors import NarvalError

_POLL_S = 0.5  # as often as the actors tell their status
_MAX_TOLD = 5

Members = Mapping[str, Member]
Orders = Mapping[str, Coroutine[Any, Any, Any]]


async def settle(
    members: Members, orders: Orders, deadline_s: float, *, while_data_flow: bool = False
) -> None:
    """Wait for orders, also where some fail; then raise what failed as one.

    When the deadline is over, the actors whose plugins do not return are killed: they may keep
    those waiting that were given the order. Nobody else is.

    Args:
        members: all actors of the sub-system.
        orders: what is waited for, by actor.
        while_data_flow: count the deadline from the last block that any actor has read or written.

    Raises:
        ActorError: at least one failed, was killed or gave no answer; names them.
    """
    loop = asyncio.get_running_loop()
    tasks = {name: loop.create_task(order, name=name) for name, order in orders.items()}
    since, counted = loop.time(), _count(members)
    pending = set(tasks.values())
    try:
        while pending:
            _, pending = await asyncio.wait(pending, timeout=min(_POLL_S, deadline_s))
            if while_data_flow and counted != (counted := _count(members)):
                since = loop.time()
            if pending and loop.time() - since > deadline_s:
                if not _kill_hung(members, deadline_s):
                    break
                since = loop.time()
    finally:
        for task in pending:
            task.cancel()
    done = await asyncio.gather(*tasks.values(), return_exceptions=True)
    raise_failures(
        [
            ActorError(f"{name}: it did not answer within {deadline_s:g} s")
            if isinstance(result, asyncio.CancelledError)
            else result
            for name, result in zip(tasks, done, strict=True)
        ]
    )


def raise_failures(results: Sequence[object]) -> None:
    """Raise what went wrong among the results of several pieces of work as one error."""
    failed = [result for result in results if isinstance(result, BaseException)]
    for result in failed:
        if not isinstance(result, NarvalError):
            raise result
    if failed:
        raise ActorError(shorten(list(map(str, failed))))


def shorten(lines: list[str]) -> str:
    """Return lines as one text that is still read where fifty actors say the same."""
    more = len(lines) - _MAX_TOLD
    return "\n".join([*lines[:_MAX_TOLD], *([f"and {more} more"] if more > 0 else [])])


def _count(members: Members) -> list[tuple[int, int]]:
    return [
        (member.status.get("blocks_in", 0), member.status.get("blocks_out", 0))
        for member in members.values()
    ]


def _kill_hung(members: Members, deadline_s: float) -> bool:
    """Kill the actors that have been in one call for about so long; tell whether there were any."""
    found = False
    for member in members.values():
        seconds = member.seconds_hung()
        if not member.is_alive or seconds < deadline_s - 2 * _POLL_S:
            continue
        what = member.status.get("busy_in") or "its plugin"
        member.kill(f"{what} has not returned for {seconds:.0f} s; it was killed")
        found = True
    return found
