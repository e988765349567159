"""What comes out of a machine is untrusted."""

from __future__ import annotations

import asyncio

import pytest

from vmlab import messages
from vmlab.errors import GuestError, MachineTimeoutError
from vmlab.providers.agent import asking, volume
from vmlab.providers.agent.asking import describe_trouble
from vmlab.providers.agent.handover import await_agent, hand_over
from vmlab.providers.agent.link import AgentLink
from vmlab.providers.base import AgentStream
from vmlab_protocol.messages import GuestMessageType, HostMessageType, ServerTrouble


class Sink:
    """A writer as an engine may have one whose stream is not a socket."""

    def __init__(self) -> None:
        self.is_closed = False

    def write(self, data: bytes) -> None: ...

    async def drain(self) -> None:
        if self.is_closed:
            raise BrokenPipeError

    def close(self) -> None:
        self.is_closed = True


def link_with(data: bytes, limit: int = 16 * 1024) -> AgentLink:
    reader = asyncio.StreamReader(limit=limit)
    reader.feed_data(data)
    reader.feed_eof()
    return AgentLink(AgentStream("desk-ada-0", reader, Sink()))


async def test_rubbish_is_skipped():
    link = link_with(b'no json\n{"type":"reboot"}\n{"type":"seeded"}\n')
    assert (await link.receive()).type is GuestMessageType.SEEDED


async def test_an_endless_line_breaks_the_protocol():
    with pytest.raises(GuestError, match="desk-ada-0: the agent broke the protocol"):
        await link_with(b"x" * 20_000).receive()


async def test_a_long_line_breaks_it_whatever_the_engines_stream_would_take():
    line = b'{"type":"seeded","x":"' + b"x" * 16 * 1024 + b'"}\n'
    with pytest.raises(GuestError, match=r"broke the protocol: it sent a line of \d+ bytes"):
        await link_with(line, limit=2**20).receive()


async def test_the_end_of_a_conversation_lets_the_next_caller_in():
    async with link_with(b"") as link:
        await link.send(HostMessageType.STATUS)
    with pytest.raises(GuestError, match="ended while it was starting"):
        await link.send(HostMessageType.STATUS)


async def test_what_the_agent_cannot_do_and_what_it_does_not_answer_are_told_by_the_request():
    link = link_with(b'{"type":"frozen"}\n{"type":"error","message":"no volume"}\n')
    assert (await link.ask(HostMessageType.FREEZE, 60)).type is GuestMessageType.FROZEN
    with pytest.raises(GuestError, match="its agent cannot grow: no volume"):
        await link.ask(HostMessageType.GROW, 60)
    silent = AgentLink(AgentStream("desk-ada-0", asyncio.StreamReader(), Sink()))
    with pytest.raises(MachineTimeoutError, match="did not answer 'thaw' within 0 s"):
        await silent.ask(HostMessageType.THAW, 0)


class NobodyReads(Sink):
    """A writer whose other side, root in the machine, has stopped reading."""

    async def drain(self) -> None:
        await asyncio.Event().wait()


def deaf(doing: str = "") -> AgentLink:
    return AgentLink(AgentStream("desk-ada-0", asyncio.StreamReader(), NobodyReads()), doing)


async def test_a_seed_that_nobody_reads_is_not_waited_for_without_end():
    phases = hand_over(deaf(), lambda: b"{}\n", 0.1)
    with pytest.raises(MachineTimeoutError, match="in phase 'identity'") as caught:
        await asyncio.wait_for(anext(phases), 60)
    assert caught.value.public is messages.TOO_LATE


@pytest.mark.parametrize(
    ("reason", "public"),
    [('"home-away"', messages.HOME_AWAY), ('"x"', messages.SETUP_FAILED)],
)
async def test_a_trainee_reads_why_a_home_is_not_there(reason, public):
    said = f'{{"type":"error","phase":"mounts","message":"no","reason":{reason}}}\n'
    phases = hand_over(link_with(said.encode()), lambda: b"{}\n", 60)
    with pytest.raises(GuestError, match=r"could not be applied \(mounts\): no") as caught:
        await anext(phases)
    assert caught.value.public is public


async def test_a_thaw_that_nobody_reads_is_not_waited_for_without_end(monkeypatch):
    for name in ("_ANSWER_LIMIT_S", "_FREEZE_ANSWER_LIMIT_S"):
        monkeypatch.setattr(volume, name, 0.1)
    with pytest.raises(MachineTimeoutError, match="did not answer 'freeze'"):
        async with asyncio.timeout(60), volume.frozen(deaf("a snapshot was made")):
            pass


async def test_reaching_an_agent_and_its_answer_have_one_limit(monkeypatch):
    limit_s, opening_s = 60.0, 58.0
    monkeypatch.setattr(asking, "_ANSWER_LIMIT_S", limit_s)
    loop = asyncio.get_running_loop()
    clock = loop.time

    class Slow:
        async def open_agent(self, name: str) -> AgentStream:
            monkeypatch.setattr(loop, "time", lambda: clock() + opening_s)
            return AgentStream(name, asyncio.StreamReader(), Sink())

        async def note_trouble(self, name: str, problem: str) -> None: ...

    began = loop.time()
    with pytest.raises(MachineTimeoutError, match="did not answer 'warn'") as caught:
        await asking.ask(Slow(), "desk-ada-0", HostMessageType.WARN)
    assert loop.time() - began < opening_s + limit_s
    assert caught.value.hint == "vmlab machine console desk-ada-0"


async def test_what_goes_wrong_in_a_running_machine_is_not_told_as_a_start():
    """A trainee whose snapshot failed reads what `public` says."""
    running = deaf("a snapshot was made")
    with pytest.raises(MachineTimeoutError) as no_answer:
        await running.ask(HostMessageType.FREEZE, 0.1)
    with pytest.raises(MachineTimeoutError) as not_there:
        await await_agent(running, 0.1)
    ended = AgentLink(link_with(b"")._stream, "a snapshot was made")
    with pytest.raises(GuestError, match="ended while a snapshot was made") as gone:
        await ended.receive()
    assert [caught.value.public for caught in (no_answer, not_there, gone)] == [None] * 3
    with pytest.raises(GuestError) as caught:
        await link_with(b"").receive()
    assert caught.value.public is messages.WENT_OFF


async def test_one_end_of_a_server_is_no_news_yet():
    assert describe_trouble(None) == describe_trouble(ServerTrouble(1, is_plain=False)) == ""
    told = describe_trouble(ServerTrouble(2, is_plain=True, line="no such folder"))
    assert told == (
        "JupyterLab ended 2 times before it was ready, and is started without the trainee's "
        "settings: no such folder"
    )


async def test_a_chattering_guest_is_cut_off():
    with pytest.raises(GuestError, match="more than 500 messages"):
        await link_with(b"{}\n" * 600).receive()


async def test_the_end_of_the_machine_is_told():
    with pytest.raises(GuestError, match="ended while it was starting"):
        await link_with(b'{"type":').receive()
