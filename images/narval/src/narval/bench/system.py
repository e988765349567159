"""How fast a sub-system is led, and whether it keeps its memory: real coordinators and actors."""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from narval.config import LOOPBACK, Address, ensure_secret
from narval.control.naming import serve_names
from narval.coordinator.coordinator import Coordinator, coordinate
from narval.coordinator.settings import Settings
from narval.errors import NarvalError
from narval.states import Action, State

ACTORS = 50
_STARTING = (Action.CONFIGURE, Action.LOAD, Action.INITIALISE, Action.START)
_PAGE_MIB = os.sysconf("SC_PAGE_SIZE") / 2**20
_LOOKS = 20
_SETTLED = 5  # looks after which an actor has all that it needs

_PAIR = """
<producer><name>writer{n}</name><hostname>localhost</hostname>
  <binary_code>data_rate_producer</binary_code><output_buffer_name>data</output_buffer_name>
  <size output_buffer="data">1_000_000</size><port output_buffer="data">fifo</port>
  <argument>blocks_per_s={rate}</argument></producer>
<consumer><name>reader{n}</name><hostname>localhost</hostname>
  <binary_code>data_rate_consumer</binary_code>
  <data_source source_port="fifo" source_buffer="data">writer{n}</data_source></consumer>
"""


@dataclass(frozen=True)
class SystemResult:
    """What was measured."""

    actors: int
    start_s: float  # from configure to Running
    actions_per_s: float  # pause and resume of two actors, each answered by both
    soak_s: float  # of one link at full speed
    soak_bytes: int
    soak_growth_mib: float  # of the actor whose memory grew most, after it had settled


def bench_system(
    soak_s: float, actors: int = ACTORS, tell: Callable[[str], None] = lambda _line: None
) -> SystemResult:
    """Measure.

    Args:
        actors: of the topology that is started; a multiple of 2.
        tell: given a line of progress.

    Raises:
        NarvalError: something did not go as it should.
    """
    return asyncio.run(_bench(soak_s, actors, tell))


async def _bench(soak_s: float, actors: int, tell: Callable[[str], None]) -> SystemResult:
    tell(f"start of {actors} actors")
    began = time.monotonic()
    async with _running("many", [f"{n}" for n in range(actors // 2)], rate=10):
        start_s = time.monotonic() - began
    tell("actions")
    async with _running("led", ["0"], rate=10) as coordinator:
        began, count = time.monotonic(), 0
        while time.monotonic() - began < min(soak_s, 5.0):
            await coordinator.act(Action.PAUSE)
            await coordinator.act(Action.RESUME)
            count += 2
        actions_per_s = count / (time.monotonic() - began)
    tell(f"one link at full speed for {soak_s:g} s")
    async with _running("soak", ["0"], rate=0) as coordinator:
        growth, total = await _soak(coordinator, soak_s)
    return SystemResult(
        actors, round(start_s, 2), round(actions_per_s, 1), soak_s, total, round(growth, 2)
    )


async def _soak(coordinator: Coordinator, seconds: float) -> tuple[float, int]:
    """Let it run; return how many MiB the worst actor grew, and how many bytes came."""
    pids = [int(actor["pid"]) for actor in coordinator.status()["actors"]]
    seen: dict[int, list[float]] = {pid: [] for pid in pids}
    for _ in range(_LOOKS):
        await asyncio.sleep(seconds / _LOOKS)
        for pid in pids:
            seen[pid].append(_resident_mib(pid))
    _check(coordinator)
    await coordinator.act(Action.STOP)
    growth = max(_growth(looks[_SETTLED:]) for looks in seen.values())
    return growth, max(int(actor["bytes_in"]) for actor in coordinator.status()["actors"])


def _growth(looks: Sequence[float]) -> float:
    """Return the difference of the medians of the last and the first third."""
    third = len(looks) // 3
    return statistics.median(looks[-third:]) - statistics.median(looks[:third])


def _resident_mib(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_MIB


def _check(coordinator: Coordinator) -> None:
    if coordinator.state is not State.RUNNING:
        raise NarvalError(f"the bench's sub-system is {coordinator.state}: {coordinator.status()}")


@asynccontextmanager
async def _running(name: str, pairs: Sequence[str], *, rate: int) -> AsyncIterator[Coordinator]:
    """Give a sub-system of so many producers and consumers that runs, in a folder of its own."""
    with tempfile.TemporaryDirectory(prefix="narval-bench-") as folder:
        config = Path(folder)
        secret = ensure_secret(config)
        names = await serve_names(Address(LOOPBACK, 0), secret, None)
        naming = Address(LOOPBACK, names.server.port)
        at = Address(LOOPBACK, 0)
        coordinator = await coordinate(Settings(name, at, naming, secret, config, is_all_here=True))
        file = config / f"{name}.xml"
        body = "".join(_PAIR.format(n=n, rate=rate) for n in pairs)
        file.write_text(f"<configuration>{body}</configuration>", encoding="utf-8")
        coordinator.set_configuration_file(file)
        try:
            for action in _STARTING:
                await coordinator.act(action)
            _check(coordinator)
            yield coordinator
        finally:
            await coordinator.close()
            names.close()
