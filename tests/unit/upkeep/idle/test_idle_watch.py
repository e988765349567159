"""Forgotten machines are warned and stopped: a hub in memory, the fake provider's machines."""

from __future__ import annotations

import json
import logging
import time
from dataclasses import dataclass, field

import pytest

from fakes.benches import open_bench, start
from vmlab.errors import HostError, ProviderError
from vmlab.providers.fake import FakeProvider
from vmlab.upkeep.idle import IdleAction, IdleRules
from vmlab.upkeep.idle.break_file import break_path, declare_break
from vmlab.upkeep.idle.driver import IdleWatch
from vmlab.upkeep.reconcile import Seat

RULES = IdleRules(stop_after_s=3600, warn_s=600)
ADA, BOB = "desk-ada-0", "desk-bob-0"
LONG_AGO = 7200.0


@dataclass
class MemoryHub:
    """A hub that notes which servers it is asked to stop."""

    all_seats: list[Seat] = field(default_factory=list)
    stopped: list[tuple[str, str]] = field(default_factory=list)
    refuses: str = ""  # a user whose server it does not stop

    def seats(self):
        return tuple(self.all_seats)

    async def stop_server(self, user, server=""):
        if user == self.refuses:
            raise HostError(f"the server of {user} does not end")
        self.stopped.append((user, server))


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Deaf(FakeProvider):
    """One whose machines hear no warning for now."""

    is_deaf = True

    async def warn(self, name, stop_at):
        if self.is_deaf:
            raise ProviderError(name, "its agent does not answer")
        await super().warn(name, stop_at)


@pytest.fixture
async def bench():
    async with open_bench("fake", None, None) as made:
        yield made


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def hub():
    return MemoryHub([Seat("ada", "", ADA, ready=True), Seat("bob", "spare", BOB, ready=True)])


@pytest.fixture
def watch(bench, hub, clock):
    """A function that makes a watch over two machines that run, with this provider's."""

    async def make(provider=None, rules=RULES, busy=None) -> IdleWatch:
        provider = provider or bench.provider
        for machine, owner in ((ADA, "ada"), (BOB, "bob")):
            spec = bench.spec(machine, None, owner=owner)
            await start(provider, spec, bench.seed())
        return IdleWatch(hub, hub, provider, rules, bench.settings.state, busy=busy, clock=clock)

    return make


def idle(bench, **idle_s: float) -> None:
    """From now on these have not worked for so long."""
    (bench.settings.state / "fake.json").write_text(json.dumps({"idle_s": idle_s}))


def told(steps) -> dict[str, IdleAction]:
    return {step.desk.user: step.action for step in steps}


async def test_who_does_not_work_is_warned_then_stopped_and_the_log_says_so(
    bench, hub, clock, watch, caplog
):
    caplog.set_level(logging.INFO, "vmlab.upkeep.idle.driver")
    idle(bench, ada=0, bob=LONG_AGO)
    watching = await watch()
    assert told(await watching.look()) == {"bob": IdleAction.WARN}
    assert bench.provider.warned[BOB] == pytest.approx(time.time() + 600, abs=120)
    clock.now = 599
    assert await watching.look() == ()
    clock.now = 600
    assert told(await watching.look()) == {"bob": IdleAction.STOP}
    assert hub.stopped == [("bob", "spare")]
    records = [r for r in caplog.records if r.name == "vmlab.upkeep.idle.driver"]
    warned, stopped = (record.getMessage() for record in records)
    assert "for 120 min; it will be stopped in 10 min" in warned
    assert stopped == f"{BOB} is stopped: nobody has worked in it for 120 min (user bob)"


async def test_who_works_again_has_the_warning_withdrawn(bench, hub, clock, watch):
    idle(bench, ada=LONG_AGO, bob=0)
    watching = await watch()
    await watching.look()
    idle(bench, ada=0, bob=0)
    clock.now = 600
    assert told(await watching.look()) == {"ada": IdleAction.WITHDRAW}
    assert bench.provider.warned[ADA] == 0
    assert hub.stopped == []


async def test_a_warning_that_reached_nobody_does_not_count(bench, hub, clock, watch, caplog):
    idle(bench, ada=LONG_AGO, bob=0)
    provider = bench.another(Deaf)
    watching = await watch(provider)
    assert told(await watching.look()) == {"ada": IdleAction.WARN}
    assert "its agent does not answer" in caplog.text
    clock.now = 600
    provider.is_deaf = False
    assert told(await watching.look()) == {"ada": IdleAction.WARN}
    assert hub.stopped == []
    clock.now = 1200
    assert told(await watching.look()) == {"ada": IdleAction.STOP}
    assert hub.stopped == [("ada", "")]


async def test_a_server_that_does_not_end_keeps_no_other(bench, hub, clock, watch, caplog):
    idle(bench, ada=LONG_AGO, bob=LONG_AGO)
    hub.refuses = "ada"
    watching = await watch()
    await watching.look()
    clock.now = 600
    await watching.look()
    assert hub.stopped == [("bob", "spare")]
    assert f"{ADA}: stop failed" in caplog.text
    assert "the server of ada does not end" in caplog.text


async def test_what_starts_stops_or_is_off_is_not_judged(bench, hub, watch):
    idle(bench, ada=LONG_AGO, bob=LONG_AGO)
    watching = await watch()
    hub.all_seats = [Seat("ada", "", ADA, ready=True, pending=True), Seat("bob", "spare", BOB)]
    assert await watching.look() == ()
    hub.all_seats = [Seat("ada", "", ADA, ready=True), Seat("eve", "", "desk-eve-0", ready=True)]
    await bench.provider.stop(ADA)
    assert await watching.look() == ()
    assert bench.provider.warned == {}


async def test_a_break_withdraws_warnings_and_its_end_begins_the_time_anew(
    bench, hub, clock, watch
):
    idle(bench, ada=LONG_AGO, bob=0)
    watching = await watch()
    await watching.look()
    declare_break(bench.settings.state, time.time() + 3000)
    clock.now = 600
    assert told(await watching.look()) == {"ada": IdleAction.WITHDRAW}
    break_path(bench.settings.state).write_text(json.dumps({"until": time.time() - 1}))
    assert await watching.look() == ()
    assert hub.stopped == []


async def test_a_damaged_declaration_of_a_break_stops_nobody(bench, hub, clock, watch):
    idle(bench, ada=LONG_AGO, bob=LONG_AGO)
    watching = await watch()
    await watching.look()
    break_path(bench.settings.state).write_text("{")
    clock.now = 600
    with pytest.raises(HostError, match="declare the break again"):
        await watching.look()
    assert hub.stopped == []


async def test_a_provider_that_knows_no_activity_has_no_machine_stopped(hub, tmp_path):
    watching = IdleWatch(hub, hub, object(), RULES, tmp_path)  # type: ignore[arg-type]
    assert await watching.look() == ()


@pytest.mark.parametrize(("warn_s", "period_s"), [(600, 60), (3600, 60), (30, 3)])
async def test_short_warnings_are_looked_after_more_often(watch, warn_s, period_s):
    watching = await watch(rules=IdleRules(3600, warn_s))
    assert watching.period_s == period_s


async def test_an_open_ssh_channel_is_work_whatever_agents_say(bench, hub, clock, watch):
    open_to = {BOB}

    async def busy():
        return open_to

    idle(bench, ada=LONG_AGO, bob=LONG_AGO)
    watching = await watch(busy=busy)
    assert told(await watching.look()) == {"ada": IdleAction.WARN}
    open_to.clear()
    assert told(await watching.look()) == {"bob": IdleAction.WARN}
    open_to.add(BOB)
    clock.now = 600
    steps = told(await watching.look())
    assert steps == {"ada": IdleAction.STOP, "bob": IdleAction.WITHDRAW}


async def test_an_open_ssh_channel_to_a_node_is_work_at_its_desk(bench, clock):
    async def busy():
        return {"node1-bob-x"}

    for machine, owner in ((ADA, "ada"), (BOB, "bob")):
        await start(bench.provider, bench.spec(machine, None, owner=owner), bench.seed())
    seats = [Seat("ada", "", ADA, ready=True, nodes=("node1-ada-x",)),
             Seat("bob", "", BOB, ready=True, nodes=("node1-bob-x",))]  # fmt: skip
    hub = MemoryHub(seats)
    idle(bench, ada=LONG_AGO, bob=LONG_AGO)
    state = bench.settings.state
    watching = IdleWatch(hub, hub, bench.provider, RULES, state, busy=busy, clock=clock)
    assert told(await watching.look()) == {"ada": IdleAction.WARN}


async def test_where_the_jump_host_does_not_answer_agents_are_believed(bench, watch):
    async def busy():
        raise HostError("it does not answer")

    idle(bench, ada=0, bob=LONG_AGO)
    watching = await watch(busy=busy)
    assert told(await watching.look()) == {"bob": IdleAction.WARN}
