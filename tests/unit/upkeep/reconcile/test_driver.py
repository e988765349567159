"""The reconciler's driver: a hub in memory, the fake provider's machines."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field, replace

import pytest

from fakes.benches import start
from vmlab.errors import HostError, ProviderError
from vmlab.model import Leftover, LeftoverKind, MachineState
from vmlab.providers.fake import FakeProvider
from vmlab.upkeep.reconcile import ActionKind, HeldVolume, Seat, ServerToken
from vmlab.upkeep.reconcile.driver import Reconciler

NAME = "desk-ada-0"


@dataclass
class MemoryHub:
    """A hub that does what it is told, and remembers it."""

    all_seats: dict[str, Seat] = field(default_factory=dict)
    all_tokens: list[ServerToken] = field(default_factory=list)
    adopted: list[str] = field(default_factory=list)

    def seats(self):
        return tuple(self.all_seats.values())

    def tokens(self):
        return tuple(self.all_tokens)

    async def adopt(self, user, server):
        self.adopted.append(user)
        self.all_seats[user] = replace(self.all_seats[user], ready=True)

    async def forget(self, user, server):
        self.all_seats[user] = replace(self.all_seats[user], ready=False)

    def revoke(self, token):
        self.all_tokens.remove(token)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
async def bench():
    from fakes.benches import open_bench

    async with open_bench("fake", None, None) as made:
        await start(made.provider, made.spec(), made.seed())
        yield made


async def state(provider) -> MachineState:
    return (await provider.status([NAME]))[NAME].state


def make(hub, provider, **more) -> tuple[Reconciler, Clock]:
    clock = Clock()
    return Reconciler(hub, provider, clock=clock, **more), clock


async def test_an_orphan_is_stopped_after_the_grace_time_and_the_log_says_why(bench, caplog):
    caplog.set_level(logging.INFO, "vmlab.upkeep.reconcile.driver")
    reconciler, clock = make(MemoryHub(), bench.provider)
    assert await reconciler.look() == ()
    clock.now = 599
    assert await reconciler.look() == ()
    assert await state(bench.provider) is MachineState.RUNNING
    clock.now = 600
    (action,) = await reconciler.look()
    assert action.kind is ActionKind.STOP
    assert await state(bench.provider) is MachineState.STOPPED
    (line,) = [r.getMessage() for r in caplog.records if "is stopped" in r.getMessage()]
    assert NAME in line
    assert "no user with this machine" in line
    assert await reconciler.look() == ()


async def test_a_lost_server_is_adopted_once(bench):
    hub = MemoryHub({"ada": Seat("ada", "", NAME)})
    reconciler, _ = make(hub, bench.provider)
    for _ in range(3):
        await reconciler.look()
    assert hub.adopted == ["ada"]
    assert await state(bench.provider) is MachineState.RUNNING


async def test_a_server_without_a_machine_is_forgotten(bench):
    hub = MemoryHub({"ada": Seat("ada", "", NAME, ready=True)})
    reconciler, _ = make(hub, bench.provider)
    assert await reconciler.look() == ()
    await bench.provider.stop(NAME)
    assert [action.kind for action in await reconciler.look()] == [ActionKind.FORGET]
    assert not hub.all_seats["ada"].active


async def test_a_trainee_who_comes_back_in_the_last_moment_keeps_the_machine(bench):
    class ComesBack(MemoryHub):
        looks = 0

        def seats(self):
            self.looks += 1  # twice a look, and once more before the action
            return (Seat("ada", "", NAME, pending=self.looks > 4),)

    reconciler, clock = make(ComesBack(), bench.provider)
    reconciler._is_first = False
    for clock.now in (0, 600):
        assert await reconciler.look() == ()
    assert await state(bench.provider) is MachineState.RUNNING


class Unreadable(FakeProvider):
    broken = False

    async def status(self, names=None):
        if self.broken:
            raise ProviderError("desk-x", "its record cannot be read")
        return await super().status(names)


async def test_an_unreadable_provider_removes_nothing_and_starts_no_grace_time(bench):
    provider = bench.another(Unreadable)
    await start(provider, bench.spec(), bench.seed())
    hub = MemoryHub(all_tokens=[ServerToken(1, "then", "ada", "")])
    reconciler, clock = make(hub, provider)
    provider.broken = True
    for clock.now in (0, 600, 1200):
        with pytest.raises(ProviderError, match="cannot be read"):
            await reconciler.look()
    provider.broken = False
    assert await reconciler.look() == ()
    assert await state(provider) is MachineState.RUNNING
    assert len(hub.all_tokens) == 1


async def test_what_fails_is_tried_again(bench, caplog):
    class Stuck(FakeProvider):
        stuck = True

        async def stop(self, name, *, now=False):
            if self.stuck:
                raise ProviderError(name, "it does not end")
            await super().stop(name, now=now)

    provider = bench.another(Stuck)
    await start(provider, bench.spec(), bench.seed())
    reconciler, clock = make(MemoryHub(), provider)
    await reconciler.look()
    clock.now = 600
    assert await reconciler.look() == ()
    assert "it does not end" in caplog.text
    provider.stuck = False
    assert [action.kind for action in await reconciler.look()] == [ActionKind.STOP]


async def test_tokens_leftovers_and_volumes_go_after_the_grace_time(bench):
    await bench.provider.stop(NAME)

    class Messy(FakeProvider):
        def __init__(self, settings):
            super().__init__(settings)
            self.found = [Leftover(LeftoverKind.SOCKET, NAME, "qmp.sock", "it does not run")]

        async def leftovers(self):
            return list(self.found)

        async def clear(self, leftover):
            self.found.remove(leftover)

    class Registry:
        def __init__(self):
            self.volumes = [HeldVolume("home-ada-0", NAME)]

        async def held(self):
            return tuple(self.volumes)

        async def release(self, volume):
            self.volumes.remove(volume)

    hub = MemoryHub(all_tokens=[ServerToken(1, "then", "ada", "")])
    provider, registry = bench.another(Messy), Registry()
    reconciler, clock = make(hub, provider, volumes=registry)
    assert await reconciler.look() == ()
    clock.now = 600
    kinds = [action.kind for action in await reconciler.look()]
    assert kinds == [ActionKind.REVOKE, ActionKind.CLEAR, ActionKind.RELEASE]
    assert (hub.all_tokens, provider.found, registry.volumes) == ([], [], [])
    assert await reconciler.look() == ()


async def test_a_hub_that_refuses_to_adopt_is_told_and_asked_no_more(bench, caplog):
    class Refusing(MemoryHub):
        async def adopt(self, user, server):
            raise HostError("the hub refused POST users/ada/server: 503")

    hub = Refusing({"ada": Seat("ada", "", NAME)})
    reconciler, clock = make(hub, bench.provider)
    assert await reconciler.look() == ()
    assert "503" in caplog.text
    # From now on it is an orphan like others.
    await reconciler.look()
    clock.now = 600
    assert [action.kind for action in await reconciler.look()] == [ActionKind.STOP]


@dataclass
class Shared:
    """The machine that all share."""

    machine: str = NAME
    begun: int = 0

    def begin_start(self) -> None:
        self.begun += 1


async def test_a_shared_machine_is_started_again_while_somebody_is_at_work(bench):
    shared, hub = Shared("server-x"), MemoryHub({"ada": Seat("ada", "", NAME, ready=True)})
    reconciler, _ = make(hub, bench.provider, shared=shared)
    (action,) = await reconciler.look()
    assert (action.kind, shared.begun) == (ActionKind.START, 1)


async def test_a_shared_machine_is_not_stopped_when_somebody_comes_back(bench):
    """The facts are older than the action: who came in between is at work."""
    hub = MemoryHub({"ada": Seat("ada", "", "desk-ada-1")})
    reconciler, clock = make(hub, bench.provider, shared=Shared())
    await reconciler.look()
    clock.now = 600
    hub.all_seats["ada"] = Seat("ada", "", "desk-ada-1", pending=True)
    assert await reconciler.look() == ()
    assert await state(bench.provider) is MachineState.RUNNING
