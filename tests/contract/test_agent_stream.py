"""The stream to an agent (`ReachesAgents`), and what is made of it, over every provider with one.

The guest of `qemu` is the tiny one here; the machine of `processes` has VMLab's own agent.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from fakes.benches import start
from fakes.waiting import wait_until
from vmlab.errors import GuestError
from vmlab.providers.agent.link import AgentLink
from vmlab.providers.agent.volume import frozen, working
from vmlab.providers.base import ReachesAgents
from vmlab_protocol.messages import HostMessageType
from vmlab_protocol.notices import Language, Notice

NEEDS = (ReachesAgents,)
LIMIT_S = 120
FREEZE, THAW = HostMessageType.FREEZE, HostMessageType.THAW
LANGUAGE = HostMessageType.LANGUAGE


async def test_conversations_come_one_after_the_other_and_end_with_the_machine(bench):
    spec = bench.spec()
    with pytest.raises(GuestError, match=spec.name):
        await bench.provider.open_agent(spec.name)
    await bench.provider.note_trouble(spec.name, "what was asked before it was deleted")
    assert await bench.provider.status() == {}
    await start(bench.provider, spec, bench.seed())
    stream = await bench.provider.open_agent(spec.name)
    async with AgentLink(await bench.provider.open_agent(spec.name), "it was asked") as second:
        async with working(stream, "it was frozen") as first:
            waiting = asyncio.create_task(second.ask(LANGUAGE, LIMIT_S, language="fr"))
            await check_freeze(first)
            assert not waiting.done(), "two at once: each would get answers of the other"
        await waiting
        await bench.provider.stop(spec.name, now=True)
        with pytest.raises(GuestError, match="the machine ended while it was asked"):
            await second.receive()


async def check_freeze(link: AgentLink) -> None:
    """Have it frozen for what is done meanwhile, and for what fails meanwhile."""
    with pytest.raises(OSError, match="the disk is full"):
        async with frozen(link):
            raise OSError("the disk is full")
    async with frozen(link):  # an agent refuses what is frozen already
        pass
    assert not (await link.ask(THAW, LIMIT_S)).was_frozen


# -- with VMLab's own agent: what it does of what it is told -------------------------------------


@pytest.fixture
def own(bench):
    if bench.kind != "processes":
        pytest.skip("its guest is not VMLab's own agent; tests/vm has that one in a real machine")
    return bench


def run_folder(bench, name: str) -> Path:
    return bench.settings.state / "processes" / name / "root/run/vmlab"


async def test_nothing_is_written_while_it_is_frozen(own):
    spec = own.spec()
    await start(own.provider, spec, own.seed())
    note = f"{(await own.provider.status([spec.name]))[spec.name].url}/user/ada/note"

    def read() -> str:
        return requests.get(note, timeout=LIMIT_S).json()["note"]

    stream = await own.provider.open_agent(spec.name)
    async with working(stream, "it was frozen") as link, frozen(link):
        with pytest.raises(requests.ReadTimeout):
            await asyncio.to_thread(requests.put, note, data="kept", timeout=1)
        assert await asyncio.to_thread(read) == ""
        with pytest.raises(GuestError, match="its agent cannot freeze: the home is frozen already"):
            await link.ask(FREEZE, LIMIT_S, limit_s=10)
    await asyncio.to_thread(wait_until, lambda: read() == "kept", LIMIT_S)


async def test_what_the_seed_and_later_words_say_arrives(own):
    spec, told = own.spec(), Notice("The system is new.", "Le système est neuf.")
    seed = replace(own.seed(), notices=(told,), language="fr")
    await start(own.provider, spec, seed)
    run = run_folder(own, spec.name)
    (notice,) = json.loads((run / "notices.json").read_text())
    assert (notice["en"], notice["fr"]) == (told.en, told.fr)
    assert (run / "language").read_text() == "fr\n"
    await own.provider.set_language(spec.name, Language.EN)
    assert (run / "language").read_text() == "en\n"
    await own.provider.warn(spec.name, 2_000_000_000)
    assert json.loads((run / "warning.json").read_text()) == {"stop_at": 2_000_000_000}
    await own.provider.warn(spec.name, 0)
    assert not (run / "warning.json").exists()


async def test_a_seed_that_the_agent_refuses_is_a_start_that_fails(own):
    with pytest.raises(GuestError, match=r"the seed could not be applied \(identity\): seed"):
        await start(own.provider, own.spec(host_name="not a name"), own.seed())
