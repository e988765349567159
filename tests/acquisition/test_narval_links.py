"""Links with real pipes and sockets."""

from __future__ import annotations

import os
import socket
import threading
from pathlib import Path

import pytest

from narval.errors import NarvalError
from narval.links import fifo, tcp
from narval.links.frame import HEADER, Kind, LinkCutError
from narval.links.output import FanOut, Output
from narval.links.reader import READABLE, LinkReader
from narval.links.waiting import AbortedError, Bell, wait_for
from narval.topology.model import OutputBuffer

SECRET = "5" * 64
PORTS = ("fifo", "eth0")
LIMIT_S = 60.0


class Ends:
    """A buffer of one writer and its readers, all here."""

    def __init__(self, folder: Path, port: str, size: int, readers: int, fan_out: FanOut) -> None:
        self.abort = Bell()
        buffer = OutputBuffer("data", size, port)
        self.output = Output(
            buffer,
            folder=folder,
            host="127.0.0.1",
            secret=SECRET,
            abort=self.abort,
            fan_out=fan_out,
        )
        names = [f"r{number}" for number in range(readers)]
        self.readers = [
            LinkReader(self._connect(at), "w.data", size) for at in self.output.offer("w", names)
        ]
        self.output.complete()
        for reader in self.readers:
            reader.begin_run()

    def _connect(self, at: dict) -> int:
        if "path" in at:
            return fifo.open_to_read(Path(at["path"]))
        size = self.output.buffer.size_bytes
        return tcp.connect(at, SECRET, at["reader"], size).detach()

    def close(self) -> None:
        self.output.close()
        for reader in self.readers:
            reader.close()


@pytest.fixture(params=PORTS)
def ends(request, tmp_path):
    made = []

    def make(size: int = 100_000, readers: int = 1, fan_out: FanOut = FanOut.BROADCAST) -> Ends:
        made.append(Ends(tmp_path, request.param, size, readers, fan_out))
        return made[-1]

    yield make
    for each in made:
        each.close()


def next_block(reader: LinkReader) -> bytes | None:
    """The next block; None at the run's end."""
    while (block := reader.receive()) is None and not reader.has_ended:
        assert wait_for({reader.descriptor: READABLE}, LIMIT_S), "nothing came"
    return None if block is None else bytes(block)


def writing(work) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_blocks_of_all_sizes_come_in_order_and_whole(ends):
    link = ends(size=300_000)
    blocks = [os.urandom(size) for size in (1, 7, 8, 4096, 65536, 300_000, 299_999, 0, 5)]

    def write() -> None:
        for block in blocks:
            link.output.send(block)
        link.output.send(b"", Kind.END)

    thread = writing(write)
    assert [next_block(link.readers[0]) for _ in blocks] == blocks
    assert next_block(link.readers[0]) is None
    thread.join(LIMIT_S)
    assert not thread.is_alive()


def test_a_writer_waits_for_a_slow_reader_and_no_byte_is_lost(ends):
    link = ends(size=4096)
    sent = []

    def write() -> None:
        for number in range(2000):
            link.output.send(number.to_bytes(4, "little") * 1000)
            sent.append(number)
        link.output.send(b"", Kind.END)

    thread = writing(write)
    reader = link.readers[0]
    first = next_block(reader)
    (fill,) = link.output.fills()
    assert fill.filled_bytes >= 0
    assert len(sent) < 2000, "everything fitted: nothing held the writer back"
    got = [first]
    while (block := next_block(reader)) is not None:
        got.append(block)
    assert [int.from_bytes(block[:4], "little") for block in got] == list(range(2000))
    thread.join(LIMIT_S)


def test_each_reader_of_a_buffer_gets_all(ends):
    link = ends(readers=3)
    for number in range(5):
        link.output.send(bytes([number]))
    for reader in link.readers:
        assert [next_block(reader) for _ in range(5)] == [bytes([n]) for n in range(5)]


def test_readers_can_share_a_buffer(ends):
    link = ends(readers=2, fan_out=FanOut.SHARE)
    for number in range(6):
        link.output.send(bytes([number]))
    link.output.send(b"", Kind.END)
    got = []
    for reader in link.readers:
        while (block := next_block(reader)) is not None:
            got.append(block)
        assert len(got) >= 3
    assert sorted(got) == [bytes([n]) for n in range(6)]


def test_a_reader_that_has_gone_is_left_out_and_counted(ends):
    link = ends(readers=2)
    link.readers[0].close()
    for _ in range(50):
        link.output.send(b"x" * 50_000)
        assert next_block(link.readers[1]) == b"x" * 50_000
    assert link.output.lost_links == 1


def test_a_wait_for_room_is_given_up_when_the_bell_rings(ends):
    link = ends(size=4096)
    raised = []

    def write() -> None:
        try:
            while True:
                link.output.send(b"x" * 4096)
        except AbortedError as error:
            raised.append(error)

    thread = writing(write)
    link.abort.ring()
    thread.join(LIMIT_S)
    assert raised


def test_what_is_left_of_a_run_is_not_taken_for_the_next(ends):
    link = ends()
    reader = link.readers[0]
    for block in (b"old 1", b"old 2"):
        link.output.send(block)
    assert next_block(reader) == b"old 1"
    link.output.send(b"", Kind.END)
    reader.begin_run()
    link.output.send(b"new")
    link.output.send(b"", Kind.END)
    assert next_block(reader) == b"new"
    assert next_block(reader) is None


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"", "without the mark"),
        (HEADER.pack(100, 0)[:3], "in the middle of a block: 3 bytes"),
        (HEADER.pack(100, 0) + b"x" * 60, "68 of 108 bytes"),
        (HEADER.pack(101, 0), "the buffer has 100"),
        (b"GET / HT", "no link of narval|buffer has 100"),
    ],
)
def test_a_link_that_is_cut_or_talks_nonsense_is_named(sent, words):
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    reader = LinkReader(ours.detach(), "writer.data", 100)
    reader.begin_run()
    theirs.sendall(sent)
    theirs.close()
    with pytest.raises(LinkCutError, match=words) as caught:
        next_block(reader)
    assert "writer.data" in str(caught.value)
    assert reader.is_lost
    assert reader.has_ended
    reader.close()


def test_nobody_gets_a_link_without_the_secret(caplog):
    output = Output(
        OutputBuffer("data", 1000, "eth0"),
        folder=Path(), host="127.0.0.1", secret=SECRET, abort=Bell(),
    )  # fmt: skip
    (at,) = output.offer("w", ["r0"])
    strangers = [
        tcp.connect(at, "wrong", "r0", 1000),
        tcp.connect(at, "ä" * 3, "r0", 1000),
        tcp.connect(at, SECRET, "another", 1000),
        tcp.connect({**at, "challenge": "0" * 64}, SECRET, "r0", 1000),  # heard at an earlier link
    ]
    ours = tcp.connect(at, SECRET, "r0", 1000)
    assert SECRET not in str(at)
    output.complete()
    assert [fill.reader for fill in output.fills()] == ["r0"]
    assert caplog.text.count("was refused") == 4
    output.send(b"x" * 10)
    for link in (*strangers, ours):
        link.settimeout(LIMIT_S)
    assert HEADER.unpack(ours.recv(HEADER.size)) == (10, Kind.DATA)
    assert [link.recv(1) for link in strangers] == [b""] * 4
    output.close()
    for link in (*strangers, ours):
        link.close()


def test_pipes_are_the_users_own_and_go_with_the_link(tmp_path):
    output = Output(
        OutputBuffer("data", 1000, "fifo"),
        folder=tmp_path, host="127.0.0.1", secret=SECRET, abort=Bell(),
    )  # fmt: skip
    (at,) = output.offer("w", ["r"])
    path = Path(str(at["path"]))
    assert path.is_fifo()
    assert path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(LinkCutError, match="has not opened it"):
        output.complete()
    output.close()
    assert not path.exists()
    with pytest.raises(NarvalError, match="cannot be opened"):
        fifo.open_to_read(path)
