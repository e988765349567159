"""What a start costs the hub itself: the fake provider's machines cost nothing.

All starts are asked for at once, the worst that can happen to a hub's event loop, and each is
followed on the progress stream, as a waiting trainee's browser does.
"""

from __future__ import annotations

import asyncio
import time

import psutil

from vmlab.bench.facts import HubCost, Variant
from vmlab.bench.rig import Rig, RunOptions, open_rig
from vmlab.bench.rounds import EXPECTED, reason
from vmlab.bench.variants import LIMIT_S
from vmlab.hub.loop_watch import read_blocks, worst
from vmlab.hub.proxy import find_proxy

_WARM_UP = 3
_WATCH_DELAY_S = 1.5
"""The watch of the event loop writes once a second."""


async def measure_hub(seats: int, options: RunOptions) -> HubCost:
    """Start so many servers that cost nothing at once; return what that cost the hub.

    Raises:
        HostError: the hub does not start.
    """
    async with open_rig(Variant.FAKE, seats, options) as rig:
        warm = [f"warm-{number}" for number in range(_WARM_UP)]
        await rig.client.add_users(warm)
        for user in warm:
            await _start(rig, user)
        users = [f"seat-{number:04d}" for number in range(seats)]
        await rig.client.add_users(users)
        await asyncio.sleep(_WATCH_DELAY_S)  # making a class of accounts blocks, and is not a start
        hub, proxy = psutil.Process(rig.hub.pid), _proxy_process(rig)
        cpu_before = _cpu_s(hub), _cpu_s(proxy)
        since, began = time.time(), time.perf_counter()
        reasons = [r for r in await asyncio.gather(*(_start(rig, u) for u in users)) if r]
        wall_s = time.perf_counter() - began
        cpu_after = _cpu_s(hub), _cpu_s(proxy)
        await asyncio.sleep(_WATCH_DELAY_S)
        block = worst(read_blocks(rig.loop_watch, since))
        per_spawn = 1000 / seats
        return HubCost(
            seats=seats,
            ms_per_spawn=round(wall_s * per_spawn, 2),
            hub_cpu_ms_per_spawn=round((cpu_after[0] - cpu_before[0]) * per_spawn, 2),
            proxy_cpu_ms_per_spawn=round((cpu_after[1] - cpu_before[1]) * per_spawn, 2),
            loop_blocked_ms_max=block.callback_ms,
            loop_blocked_cpu_ms=block.callback_cpu_ms,
            loop_blocked_by=block.callback,
            loop_late_ms_max=block.late_ms,
            failures=len(reasons),
            reasons=tuple(dict.fromkeys(reasons)),
        )


async def _start(rig: Rig, user: str) -> str:
    """Start one server; return why it failed, or nothing."""
    try:
        async with asyncio.timeout(LIMIT_S):
            await rig.client.start_server(user)
            async for _ in rig.client.progress(user):
                pass
    except EXPECTED as error:
        return reason(error)
    return ""


def _proxy_process(rig: Rig) -> psutil.Process | None:
    pid = find_proxy(rig.paths.state / "proxy.pid")
    return psutil.Process(pid) if pid else None


def _cpu_s(process: psutil.Process | None) -> float:
    if process is None:
        return 0.0
    times = process.cpu_times()
    return float(times.user + times.system)
