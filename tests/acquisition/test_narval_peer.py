"""Control connections: calls both ways, the secret, and everything that is not a message."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from acquisition.programs import until
from narval.control.peer import DeadlineError, Peer, PeerClosedError, RemoteError, connect
from narval.control.proof import Side, prove
from narval.control.server import PortError, serve
from narval.control.wire import MAX_LINE_BYTES, BadMessageError
from narval.errors import NarvalError

SECRET = "5" * 64


@dataclass
class Served:
    """What a server of the tests has: its port, who came, what they noted, and clients to close."""

    port: int = 0
    peers: list[Peer] = field(default_factory=list)
    notes: list[dict[str, Any]] = field(default_factory=list)
    clients: list[Peer] = field(default_factory=list)


@pytest.fixture
async def server():
    """A server that keeps its peers, with a few handlers."""
    served = Served()

    async def add(a, b):
        return a + b

    async def refuse():
        raise NarvalError("not on a Monday")

    async def forget():
        await asyncio.Event().wait()

    async def much():
        return "x" * 2 * MAX_LINE_BYTES

    async def status(**facts):
        served.notes.append(facts)

    async def stumble():
        raise ZeroDivisionError

    def greet(peer):
        if peer.hello.get("hello") == "unwanted":
            raise NarvalError("not you")
        each = (add, refuse, forget, much, status, stumble)
        peer.handlers = {handler.__name__: handler for handler in each}
        served.peers.append(peer)

    server = await serve("127.0.0.1", 0, SECRET, greet)
    served.port = server.port
    yield served
    server.close()
    for peer in served.clients:
        peer.close()
        await peer.closed()


async def client(server, **more):
    peer = await connect("127.0.0.1", server.port, SECRET, {"hello": "client", **more})
    server.clients.append(peer)
    return peer


async def test_both_sides_call_and_are_answered(server):
    async def name():
        return "the client"

    peer = await client(server, uuid="17")
    peer.handlers = {"name": name}
    assert await peer.call("add", a=1, b=2) == 3
    assert await server.peers[0].call("name") == "the client"
    assert server.peers[0].hello == {"hello": "client", "uuid": "17"}
    peer.note("status", name="reader", state="Running")
    await until(lambda: server.notes == [{"name": "reader", "state": "Running"}])


@pytest.mark.parametrize(
    ("call", "kind", "message"),
    [
        ("refuse", "NarvalError", "not on a Monday"),
        ("add", "NarvalError", "missing a required argument: 'a'"),
        ("absent", "NarvalError", r"'absent' cannot be called here \(known: add, "),
        ("much", "BadMessageError", "a message has"),
        ("stumble", "ZeroDivisionError", "a mistake of narval's own"),
    ],
)
async def test_what_the_other_side_cannot_do_is_raised_here(server, call, kind, message):
    peer = await client(server)
    with pytest.raises(RemoteError, match=message) as caught:
        await peer.call(call)
    assert caught.value.kind == kind
    assert await peer.call("add", a=1, b=2) == 3


async def test_a_call_ends_by_its_deadline_and_by_the_end_of_the_connection(server):
    peer = await client(server)
    with pytest.raises(DeadlineError, match=r"did not answer 'forget' within 0\.05 s"):
        await peer.call("forget", deadline_s=0.05)
    waiting = asyncio.create_task(peer.call("forget", deadline_s=20))
    await until(lambda: server.peers)
    server.peers[0].close()
    with pytest.raises(PeerClosedError, match="has ended"):
        await waiting
    with pytest.raises(PeerClosedError, match="has ended"):
        await peer.call("add", a=1, b=2)
    peer.note("status")
    peer.close()


async def test_a_message_that_is_too_large_is_not_sent(server):
    peer = await client(server)
    with pytest.raises(BadMessageError, match="a message has"):
        await peer.call("add", a="x" * MAX_LINE_BYTES, b="")
    assert await peer.call("add", a=1, b=2) == 3


async def greeted(server, secret=SECRET, **more):
    """Connect without the client's code; return the streams and what was answered."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port, limit=1024)
    asked = json.loads(await reader.readline())["challenge"]
    proof = prove(secret, Side.CLIENT, asked, "mine")
    hello = {"hello": "client", "challenge": "mine", "proof": proof, **more}
    writer.write(json.dumps(hello).encode() + b"\n")
    return reader, writer, asked, await reader.readline()


async def test_the_server_proves_the_secret_too(server):
    _reader, writer, asked, answer = await greeted(server)
    assert json.loads(answer) == {"welcome": prove(SECRET, Side.SERVER, asked, "mine")}
    writer.close()


@pytest.mark.parametrize(
    "more", [{"hello": "unwanted"}, {"challenge": "another"}, {"proof": SECRET}], ids=str
)
async def test_a_hello_that_is_not_as_proved_or_wanted_gets_no_answer(server, more):
    _reader, writer, _asked, answer = await greeted(server, **more)
    assert answer == b""
    assert server.peers == []
    writer.close()


async def test_nobody_takes_a_proof_that_was_heard_before(server):
    heard = []

    async def listen(reader, writer):
        real, to_real = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(await real.readline())
        heard.append(await reader.readline())
        to_real.close()
        writer.close()

    between = await asyncio.start_server(listen, "127.0.0.1", 0)
    port = between.sockets[0].getsockname()[1]
    with pytest.raises(PeerClosedError, match="does not know this secret"):
        await connect("127.0.0.1", port, SECRET, {"hello": "client"})
    between.close()
    assert SECRET.encode() not in heard[0]
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    await reader.readline()
    writer.write(heard[0])
    assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()


async def test_an_impostor_is_given_no_order():
    said = []

    async def welcome(reader, writer):
        writer.write(b'{"challenge": "17"}\n')
        said.append(json.loads(await reader.readline()))
        proof = said[0]["proof"]  # the client's own, sent back
        writer.write(json.dumps({"welcome": proof}).encode() + b"\n")
        said.append(await reader.read())
        writer.close()

    impostor = await asyncio.start_server(welcome, "127.0.0.1", 0)
    port = impostor.sockets[0].getsockname()[1]
    with pytest.raises(PeerClosedError, match="does not know this secret"):
        await connect("127.0.0.1", port, SECRET, {"hello": "client"})
    await until(lambda: len(said) == 2)
    assert said[1] == b""
    impostor.close()


@pytest.mark.parametrize(
    "greeting",
    [
        b'{"hello": "client", "challenge": "1", "proof": "wrong"}\n',
        b'{"hello": "client"}\n',
        b'{"hello": "client", "proof": ["' + SECRET.encode() + b'"]}\n',
        b'{"hello": "client", "proof": "\\ud800"}\n',
        b'{"hello": "client", "challenge": {}, "proof": ""}\n',
        b"GET / HTTP/1.1\r\n\r\n",
        b"[" * 100_000 + b"\n",
        b"x" * (2 * MAX_LINE_BYTES) + b"\n",
        b"\xff\xfe\n",
    ],
    ids=lambda greeting: greeting[:24].decode(errors="replace"),
)
async def test_who_does_not_greet_as_wanted_is_closed_and_told_nothing(server, greeting):
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    assert set(json.loads(await reader.readline())) == {"challenge"}
    writer.write(greeting)
    with contextlib.suppress(ConnectionResetError):  # what it sent was not even read
        assert await asyncio.wait_for(reader.read(), 10) == b""
    assert server.peers == []
    writer.close()


@pytest.mark.parametrize(
    "line",
    [b"x" * (2 * MAX_LINE_BYTES) + b"\n", b"no JSON\n", b"[]\n", b"{}\n",
     b'{"note": "status", "with": 5}\n', b'{"id": "1", "call": "add"}\n'],
    ids=lambda line: line[:24].decode(),
)  # fmt: skip
async def test_a_line_that_is_no_message_ends_its_connection_only(server, line):
    other = await client(server)
    reader, writer, _asked, answer = await greeted(server)
    assert b"welcome" in answer
    writer.write(line)
    with contextlib.suppress(ConnectionResetError):
        assert await asyncio.wait_for(reader.read(), 10) == b""
    writer.close()
    assert await other.call("add", a=1, b=2) == 3


async def test_a_wrong_secret_is_told_to_who_connects_with_it(server):
    with pytest.raises(PeerClosedError, match="does not know this secret"):
        await connect("127.0.0.1", server.port, "6" * 64, {"hello": "client"})


async def test_a_port_in_use_is_named(server):
    with pytest.raises(PortError, match=f"port {server.port} of 127.0.0.1 .* in use"):
        await serve("127.0.0.1", server.port, SECRET, lambda peer: None)


async def test_nobody_there_is_told_with_the_address():
    gone = await serve("127.0.0.1", 0, SECRET, lambda peer: None)
    gone.close()
    with pytest.raises(PeerClosedError, match=f"127.0.0.1:{gone.port} cannot be reached"):
        await connect("127.0.0.1", gone.port, SECRET, {"hello": "client"})


async def test_who_does_not_read_is_closed(server, caplog):
    reader, writer, _asked, answer = await greeted(server)
    assert b"welcome" in answer
    reader._transport.pause_reading()
    peer = server.peers[0]
    for _ in range(60):
        peer.note("news", text="x" * (MAX_LINE_BYTES // 2))
    assert peer.is_closed
    assert "does not read" in caplog.text
    writer.close()
