"""What the hub says to the process of the jump host."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest

from vmlab.errors import HostError
from vmlab.ssh.control import JumpControl, Request, Verb, find_socket_problem, parse_request
from vmlab_protocol.errors import FormatError


@pytest.mark.parametrize(
    "request_",
    [Request(Verb.CARRY, "2001:db8::1"), Request(Verb.END, "ada"), Request(Verb.BUSY)],
)
def test_a_request_arrives_as_it_was_sent(request_):
    assert parse_request(request_.line()) == request_


@pytest.mark.parametrize(
    "line",
    [b"", b"{}\n", b"[]\n", b'{"verb":"end"}\n', b'{"verb":"run","about":"x"}\n',
     b'{"verb":1,"about":"x"}\n', b'{"verb":"end","about":"a\\nb"}\n', b"\xff\n"],
)  # fmt: skip
def test_anything_else_is_refused(line):
    with pytest.raises(FormatError):
        parse_request(line)


async def test_a_jump_host_without_room_says_so(tmp_path):
    async def refuse(reader, writer):
        assert parse_request(await reader.readline()).verb is Verb.CARRY
        writer.write(b'{"refused": "too many connections"}\n')
        writer.close()

    path = tmp_path / "jump.sock"
    async with await asyncio.start_unix_server(refuse, path):
        with pytest.raises(HostError, match=r"192.0.2.1 refused: too many connections"):
            await JumpControl(path).carry("192.0.2.1")


@pytest.mark.parametrize(("size", "fits"), [(107, True), (108, False), (300, False)])
def test_a_socket_s_path_has_107_bytes_at_most(size, fits):
    path = Path("/" + "é" * ((size - 10) // 2) + "x" * ((size - 10) % 2) + "/jump.soc")
    assert len(os.fsencode(path)) == size
    problem = find_socket_problem(path)
    assert bool(problem) is not fits
    if problem:
        assert f"{size} bytes" in problem


async def test_without_a_jump_host_there_is_nothing_to_end(tmp_path):
    control = JumpControl(tmp_path / "none.sock")
    assert await control.end("ada") == 0
    assert await control.busy_machines() == frozenset()
    with pytest.raises(HostError, match="does not answer carry"):
        await control.carry("192.0.2.1")
