"""What comes out of a machine is untrusted."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest

from vmlab.errors import GuestError
from vmlab.providers.qemu.channels.agent import AgentLink
from vmlab_protocol.messages import (
    GuestMessageType,
)


class Sink:
    def write(self, data): ...

    async def drain(self): ...


def link_with(data: bytes) -> AgentLink:
    reader = asyncio.StreamReader(limit=16 * 1024)
    reader.feed_data(data)
    reader.feed_eof()
    return AgentLink("desk-ada-0", reader, cast("asyncio.StreamWriter", Sink()))


async def test_rubbish_is_skipped():
    link = link_with(b'no json\n{"type":"reboot"}\n{"type":"seeded"}\n')
    assert (await link.receive()).type is GuestMessageType.SEEDED


async def test_an_endless_line_breaks_the_protocol():
    with pytest.raises(GuestError, match="desk-ada-0: the agent broke the protocol"):
        await link_with(b"x" * 20_000).receive()


async def test_a_chattering_guest_is_cut_off():
    with pytest.raises(GuestError, match="more than 500 messages"):
        await link_with(b"{}\n" * 600).receive()


async def test_the_end_of_the_machine_is_told():
    with pytest.raises(GuestError, match="ended while it was starting"):
        await link_with(b'{"type":').receive()
