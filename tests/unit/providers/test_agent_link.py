"""What comes out of a machine is untrusted."""

from __future__ import annotations

import asyncio

import pytest

from vmlab.errors import GuestError, MachineTimeoutError
from vmlab.providers.agent.asking import describe_trouble
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
