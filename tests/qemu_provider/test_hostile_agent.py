"""An agent that says a number of 400 digits: its own machine is not known, everybody else's is."""

from __future__ import annotations

import pytest

from fakes.benches import start
from vmlab.upkeep.idle import IdleRules
from vmlab.upkeep.idle.driver import IdleWatch
from vmlab.upkeep.reconcile.facts import Seat

RULES = IdleRules(stop_after_s=0.001, warn_s=0.0)


class Hub:
    """A hub with two servers, which notes whose it was told to stop."""

    def __init__(self) -> None:
        self.stopped: list[str] = []

    def seats(self) -> tuple[Seat, ...]:
        return tuple(Seat(name, "", f"desk-{name}-0", ready=True) for name in ("eve", "ada"))

    async def stop_server(self, user: str, server: str = "") -> None:
        self.stopped.append(user)


@pytest.mark.attack("jobs.apart", "a machine's agent says that it is idle for 10^400 s")
async def test_a_line_of_400_digits_stops_nobodys_care(bench, tried):
    for name, word in (("eve", "TINY_DIGITS"), ("ada", "")):
        spec = bench.spec(f"desk-{name}-0", f"home-{name}-0", owner=name)
        await start(bench.provider, spec, bench.seed(VMLAB_TEST=word))
    names = ["desk-eve-0", "desk-ada-0"]
    assert list(await bench.provider.activity(names)) == ["desk-ada-0"]
    hub = Hub()
    watch = IdleWatch(hub, hub, bench.provider, RULES, bench.settings.state)
    for _ in range(3):
        await watch.look()
    assert set(hub.stopped) == {"ada"}
    tried(4)
