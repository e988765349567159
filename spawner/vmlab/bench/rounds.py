"""Rounds in which the variants take turns, each in a hub of its own that runs all the time.

Before the timed rounds each variant has one that is not timed: it warms what a lab in use has warm
(page cache, the hub's first spawn) and shows memory and disk of machines in which nobody has
worked yet: no kernel runs. Every start is a first start of a new user.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace

from vmlab.bench import usage
from vmlab.bench.facts import Result, Sample, Variant
from vmlab.bench.kernel import (
    Channels,
    ChannelsClosedError,
    KernelError,
    execute,
    first_answer,
    open_channels,
    start_kernel,
)
from vmlab.bench.rig import Rig, RunOptions, open_rig
from vmlab.bench.variants import LIMIT_S, choose_idle_seats, choose_rounds, make_groups
from vmlab.errors import LabError
from vmlab.hub.answers import HubAbsentError, HubRefusedError, HubUnclearError
from vmlab.hub.sessions import FAILURES

Say = Callable[[str], None]

CODE, OUTPUT = "print(6*7)", "42"
_SETTLE_S = 3.0
"""Between ready and the look at memory: what a server does right after its start is over."""

_CONNECTIONS = 5
"""How often a kernel's channels are opened; each time they had 30 s."""

EXPECTED = (LabError, *FAILURES)
"""What fails one start, and lets the others go on."""


async def measure(
    seats: int,
    variants: Sequence[Variant],
    options: RunOptions,
    say: Say,
    rounds: int | None = None,
) -> tuple[Result, ...]:
    """Measure these variants, with so many seats started at once.

    Side by side, taking turns; many seats one variant after the other, because a host that has
    memory for two classes at once is rare. A variant that cannot be measured is a result with the
    reason; the others go on.

    Args:
        rounds: timed rounds of every variant; None: as many as its medians need.
    """
    results: list[Result] = []
    for group in make_groups(seats, variants):
        results += await _measure_in_turns(seats, group, options, say, rounds)
    return tuple(results)


async def _measure_in_turns(
    seats: int, variants: Sequence[Variant], options: RunOptions, say: Say, rounds: int | None
) -> tuple[Result, ...]:
    async with AsyncExitStack() as stack:
        results: dict[Variant, Result] = {}
        rigs: dict[Variant, Rig] = {}
        for variant in variants:
            say(f"{seats} seats: the hub for {variant} starts")
            results[variant] = Result(variant, seats)
            try:
                rigs[variant] = await stack.enter_async_context(open_rig(variant, seats, options))
            except EXPECTED as error:
                results[variant] = replace(results[variant], failure=reason(error))
        wanted = {v: choose_rounds(v, seats) if rounds is None else rounds for v in rigs}
        for number in range(max(wanted.values(), default=0) + 1):
            for variant, rig in rigs.items():
                if number > wanted[variant] or results[variant].failure:
                    continue
                say(f"{seats} seats: {variant}, {_round_words(number, wanted[variant])}")
                results[variant] = await _take_turn(rig, results[variant], number, rigs)
        return tuple(results.values())


def _round_words(number: int, of: int) -> str:
    return f"round {number} of {of}" if number else "round for memory and disk"


async def _take_turn(rig: Rig, result: Result, number: int, rigs: Mapping[Variant, Rig]) -> Result:
    """Let a variant start its machines once; return the result with the new samples."""
    variant, seats = result.variant, result.seats
    count = seats if number else choose_idle_seats(variant, seats)
    # A hub takes letters of one case; an account's name starts with one.
    users = [f"{variant}-r{number}-s{seat:03d}" for seat in range(1, count + 1)]
    try:
        for each in rigs.values():
            await each.wait_until_quiet()
        samples = await start_all(rig, users, with_kernel=number > 0)
        if number:
            result = replace(result, timed=(*result.timed, *samples))
        else:
            result = replace(result, idle=samples)
        await rig.remove(users)
    except (*EXPECTED, ExceptionGroup) as error:
        return replace(result, failure=reason(error))
    return result


async def start_all(rig: Rig, users: Sequence[str], *, with_kernel: bool) -> tuple[Sample, ...]:
    """Start the servers of these users at once; return when each is ready or has failed."""
    await rig.client.add_users(users)
    earlier = usage.read_cpu_times()
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(_start(rig, u, earlier, with_kernel)) for u in users]
    samples = [task.result() for task in tasks]
    if rig.plan.variant is Variant.FAKE:
        return tuple(samples)
    await asyncio.sleep(_SETTLE_S)
    return tuple([await _look(rig, sample) for sample in samples])


async def _start(rig: Rig, user: str, earlier: usage.CpuTimes, with_kernel: bool) -> Sample:
    """Start one user's server and measure; a failure is a sample with its reason."""
    client, sample = rig.client, Sample(user)
    began = time.perf_counter()

    def now_s() -> float:
        return round(time.perf_counter() - began, 4)

    try:
        async with asyncio.timeout(LIMIT_S):
            await client.start_server(user)
            phases: dict[str, float] = {}
            async for event in client.progress(user):
                if "phase" in event:
                    phases.setdefault(str(event["phase"]), now_s())
            await first_answer(client, user)
            sample = replace(sample, ready_s=now_s(), phases_s=phases)
            if rig.plan.variant is Variant.FAKE:
                return sample
            # In a thread and beside the kernel's start: looking must not delay what is timed.
            async with asyncio.TaskGroup() as group:  # neither outlives the other's failure
                look = group.create_task(_look_at_cpu(rig, user, earlier))
                if with_kernel:
                    sample = replace(sample, kernel_s=await _run_kernel(rig, user, now_s))
            use = look.result()
            return replace(
                sample, cpu_s=round(use.since_s, 3), prepare_cpu_s=round(use.before_s, 3)
            )
    except (*EXPECTED, ExceptionGroup) as error:
        cause = await asyncio.to_thread(rig.find_cause, user)
        return replace(sample, failure=one_line(cause) if cause else reason(error))


async def _run_kernel(rig: Rig, user: str, now_s: Callable[[], float]) -> float:
    """Start a kernel and return when its first output came. It stays, as a trainee's would.

    A server that gets no processor time for 30 s closes its websockets
    (jupyter_server, `websocket_ping_timeout`), and JupyterLab reconnects: so does this.
    """
    session = rig.client.session
    async with start_kernel(session, rig.client.server_url(user), keep=True) as kernel:
        for _ in range(_CONNECTIONS):
            try:
                async with open_channels(session, kernel) as socket:
                    return await _first_output(socket, now_s)
            except ChannelsClosedError as error:
                closed = error
        raise closed


async def _first_output(socket: Channels, now_s: Callable[[], float]) -> float:
    async with aclosing(execute(socket, CODE)) as texts:
        async for text in texts:
            came_s = now_s()
            if text.strip() != OUTPUT:
                raise KernelError(f"the kernel printed {text!r} instead of {OUTPUT}")
            return came_s
    raise KernelError("the kernel printed nothing")


async def _look_at_cpu(rig: Rig, user: str, earlier: usage.CpuTimes) -> usage.CpuUse:
    model = await rig.client.find_server(user)
    return await asyncio.to_thread(lambda: usage.cpu_use(rig.processes(model, user), earlier))


async def _look(rig: Rig, sample: Sample) -> Sample:
    """Add memory and disk of a machine that is ready."""
    if sample.failure:
        return sample
    model = await rig.client.find_server(sample.user)
    memory = usage.memory_use(rig.processes(model, sample.user))
    return replace(
        sample,
        pss_mib=round(memory.pss_mib, 1),
        private_mib=round(memory.private_mib, 1),
        disk_mib=round(rig.disk_mib(sample.user), 2),
        origin=rig.origin(sample.user),
    )


def reason(error: BaseException) -> str:
    """Return what failed in one line; of several failures at once the first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    if isinstance(error, TimeoutError) and not str(error):
        return f"not done within {LIMIT_S:.0f} s"
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, LabError):
        # Of a hub that does not start, the hint holds the end of its log; of one that does not do
        # what it is asked to, it is about the lab's hub, not the bench's.
        of_hub = (HubAbsentError, HubRefusedError, HubUnclearError)
        hint = "" if isinstance(error, of_hub) else error.hint
        text = f"{error.message}: {hint.splitlines()[-1]}" if hint else error.message
    return one_line(text)


def one_line(text: str) -> str:
    """Return a message in one line, cut."""
    return " ".join(text.split())[:300]
