"""A start reads from top to bottom; `scripts/walk` prints through which modules it goes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from fakes.benches import start
from fakes.guest_seeds import CARD
from fakes.tiny_cache import spare
from fakes.walks import recorded
from vmlab.providers import qemu
from vmlab.providers.qemu.warm.template import drop_template, list_templates

pytestmark = [pytest.mark.vm, pytest.mark.timeout(900)]


@asynccontextmanager
async def walked(what: str, modules: int, returns: int) -> AsyncIterator[None]:
    """Print the walk of the block and hold it to a ceiling (docs/decisions/0028)."""
    with recorded(qemu.__name__) as recording:
        yield
    walk = recording.walk()
    print(f"{what}: {walk}")  # noqa: T201 - `scripts/walk` shows it
    assert len(set(walk.modules)) <= modules, walk
    assert walk.returns <= returns, walk


@pytest.mark.own_cache
async def test_machines_come_and_go_by_short_ways(bench):
    provider, spec = bench.provider, bench.spec()
    await provider.validate(spec)  # what the host can do is asked once
    (template,) = list_templates(bench.settings.cache / "templates")
    drop_template(template)
    # Those that run are counted at each start; somebody else's may, so that one always does.
    neighbour = bench.spec("desk-eve-0", "home-eve-0")
    await start(provider, neighbour, bench.seed())
    async with walked("boot", 18, 25):
        await start(provider, spec, bench.seed())
    async with walked("snapshot", 7, 2):
        await provider.snapshot_volume(spec.name, "s1")
    async with walked("stop", 9, 12):
        await provider.stop(spec.name)
    async with walked("boot again", 18, 27):
        await start(provider, spec, bench.seed())
    await provider.delete(spec.name)
    await provider.make_template(spare(bench))
    async with walked("clone", 18, 30):
        await start(provider, spec, bench.seed())
    await provider.delete(spec.name)
    # Its second card: the keeper of its network is asked, and QEMU given what it answers.
    in_event = replace(spec, card=CARD)
    await provider.ensure_network(CARD.network)
    async with walked("clone in an event", 24, 31):
        await start(provider, in_event, bench.seed())
    async with walked("stop in an event", 11, 12):
        await provider.stop(spec.name)
    await provider.remove_network(CARD.network.name)
