"""The link over real descriptors: a socket pair and a pseudo terminal stand for the port."""

from __future__ import annotations

import json
import os
import select
import socket
import threading
import tty
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmlab_guest.link import MAX_LINE_IN_BYTES, Link, encode

IN, OUT, HUP = select.EPOLLIN, select.EPOLLOUT, select.EPOLLHUP


class Host:
    """The other end, and a link that answers each line with its length."""

    def __init__(self, fd: int, peer: socket.socket | int) -> None:
        self.peer = peer
        self.lines: list[bytes] = []
        self.greetings = 0
        self.link = Link(fd, self._on_line, self._on_first_host)
        self.thread = threading.Thread(target=self.link.serve, daemon=True)

    def _on_line(self, line: bytes) -> None:
        self.lines.append(line)
        self.link.send({"length": len(line)})

    def _on_first_host(self) -> None:
        self.greetings += 1
        self.link.send({"hello": 1})


@contextmanager
def over_sockets(*, serve: bool = True) -> Iterator[Host]:
    near, far = socket.socketpair()
    far.settimeout(10)
    host = Host(near.detach(), far)
    if serve:
        host.thread.start()
    try:
        yield host
    finally:
        host.link.close()
        if serve:
            host.thread.join(10)
            assert not host.thread.is_alive()
        far.close()


def read_messages(peer: socket.socket, count: int) -> list[dict]:
    data = b""
    while data.count(b"\n") < count:
        got = peer.recv(65536)
        assert got, "the link closed"
        data += got
    return [json.loads(line) for line in data.splitlines()]


def test_greets_and_answers() -> None:
    with over_sockets() as host:
        assert read_messages(host.peer, 1) == [{"hello": 1}]
        host.peer.sendall(b'{"a":1}\n{"b"')
        assert read_messages(host.peer, 1) == [{"length": 7}]
        host.peer.sendall(b":2}\n")
        assert read_messages(host.peer, 1) == [{"length": 7}]
        assert host.greetings == 1


def test_over_a_terminal() -> None:
    master, slave = os.openpty()
    tty.setraw(slave)
    tty.setraw(master)
    host = Host(slave, master)
    host.thread.start()
    assert os.read(master, 100) == b'{"hello":1}\n'
    os.write(master, b"x" * 9 + b"\n")
    assert os.read(master, 100) == b'{"length":9}\n'
    os.close(master)
    host.link.close()
    host.thread.join(10)
    assert not host.thread.is_alive()


def test_an_endless_line_is_dropped_and_the_next_is_answered() -> None:
    with over_sockets() as host:
        read_messages(host.peer, 1)
        host.peer.sendall(b"x" * (MAX_LINE_IN_BYTES + 1) + b"\nshort\n")
        assert read_messages(host.peer, 1) == [{"length": 5}]


def test_the_longest_line_passes() -> None:
    with over_sockets() as host:
        read_messages(host.peer, 1)
        host.peer.sendall(b"x" * MAX_LINE_IN_BYTES + b"\n")
        assert read_messages(host.peer, 1) == [{"length": MAX_LINE_IN_BYTES}]


def test_a_host_that_never_reads_does_not_block_the_agent() -> None:
    with over_sockets() as host:
        for number in range(10_000):
            host.link.send({"number": number, "text": "x" * 100})
        host.peer.sendall(b"still there?\n")
        numbers, data = [], b""
        while b'"length":12' not in data:
            host.peer.settimeout(1)
            try:
                data += host.peer.recv(1 << 20)
            except TimeoutError:  # the answer was dropped with the rest; ask again, now we read
                host.peer.sendall(b"still there?\n")
        numbers = [
            json.loads(line)["number"] for line in data.splitlines() if line.startswith(b'{"number')
        ]
        assert numbers == sorted(numbers)
        assert len(numbers) < 10_000


def test_nothing_is_queued_while_nobody_listens() -> None:
    with over_sockets(serve=False) as host:
        host.link.send({"meant for": "nobody"})
        host.link.on_events(OUT)
        host.link.flush()
        assert read_messages(host.peer, 1) == [{"hello": 1}]


def test_a_host_that_went_leaves_nothing_to_the_next() -> None:
    with over_sockets(serve=False) as host:
        host.link.on_events(OUT)
        host.link.send({"for": "the first host"})
        host.peer.sendall(b"half of a li")
        host.link.on_events(IN)
        host.link.on_events(HUP)
        host.link.on_events(OUT)
        host.peer.sendall(b"new\n")
        host.link.on_events(IN | OUT)
        host.link.flush()
        assert read_messages(host.peer, 1) == [{"length": 3}]
        assert host.lines == [b"new"]


def test_bytes_that_overtake_the_connection_are_answered() -> None:
    # Seen on Linux 6.12 with QEMU 7.2: a new host's request arrives while the port still says
    # that nobody is there.
    with over_sockets(serve=False) as host:
        host.link.on_events(OUT)
        host.link.on_events(HUP)
        host.peer.sendall(b"requ")
        host.link.on_events(IN | HUP)
        host.peer.sendall(b"est\n")
        host.link.on_events(IN | HUP)
        host.link.on_events(OUT)
        host.link.flush()
        assert read_messages(host.peer, 1) == [{"length": 7}]


def test_a_port_that_is_unplugged_ends_the_service() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    host = Host(write_end, write_end)
    with pytest.raises(OSError, match="Bad file descriptor"):
        host.link.serve()


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=300).filter(lambda b: b"\n" not in b), max_size=20))
def test_any_bytes_come_through(lines: list[bytes]) -> None:
    with over_sockets() as host:
        read_messages(host.peer, 1)
        host.peer.sendall(b"".join(line + b"\n" for line in lines))
        if lines:
            answers = read_messages(host.peer, len(lines))
            assert answers == [{"length": len(line)} for line in lines]
        assert host.lines == lines


def test_a_message_over_the_limit_is_a_mistake_of_ours() -> None:
    with pytest.raises(ValueError, match="16384"):
        encode({"text": "x" * 20_000})
