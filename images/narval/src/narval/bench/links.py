"""How fast links are, beside a plain pipe and a plain socket of the same block size.

A producer and a consumer with plugins in C that do next to nothing, compiled here, each in a
process of its own as in an acquisition; in turns with two plain processes that write and read as
fast as they can.
"""

from __future__ import annotations

import fcntl
import multiprocessing
import os
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import narval
from narval.actor.work import make_worker
from narval.errors import NarvalError
from narval.links import fifo, tcp
from narval.links.output import Output
from narval.links.reader import LinkReader
from narval.links.waiting import Bell
from narval.plugins.library import NativeConsumer, NativeProducer
from narval.plugins.native import Library, PluginRole
from narval.plugins.plugin import Run
from narval.topology.model import FIFO, OutputBuffer

SIZES = (4096, 65536, 2**20)
MARKS = {65536: 0.6, 2**20: 0.9}
"""What a link is to reach of the plain one, by block size in bytes."""

BUFFER_BYTES = 2**20
"""Of the buffer between the actors, whatever the blocks': about what the wiki's topology has."""

_SECRET = "s" * 64
_LIMIT_S = 60.0

_PRODUCER = """\
#define NARVAL_PRODUCER
#include "narval_plugin.h"
struct my_struct { unsigned int number; } it;
void process_config(char *d, unsigned int *e) { (void)d; *e = 0; }
struct my_struct *process_register(unsigned int *e) { *e = 0; return &it; }
void process_block(struct my_struct *s, void *out, unsigned int size, unsigned int *used,
                   unsigned int *e)
{ *(unsigned int *)out = s->number++; *used = BLOCK_BYTES; *e = size < BLOCK_BYTES; }
"""
_CONSUMER = """\
#define NARVAL_CONSUMER
#include "narval_plugin.h"
struct my_struct { unsigned int number; } it;
void process_config(char *d, unsigned int *e) { (void)d; *e = 0; }
struct my_struct *process_register(unsigned int *e) { *e = 0; return &it; }
void process_block(struct my_struct *s, void *in, unsigned int size, unsigned int *e)
{ (void)size; *e = *(unsigned int *)in != s->number++; }
"""


@dataclass(frozen=True)
class LinkResult:
    """One block size over one kind of link."""

    port: str  # "fifo" or "tcp"
    block_bytes: int
    narval_bytes_per_s: float  # median of the rounds
    plain_bytes_per_s: float
    ratio: float
    mark: float | None


def bench_links(
    seconds: float = 1.0,
    sizes: Sequence[int] = SIZES,
    rounds: int = 3,
    tell: Callable[[str], None] = lambda _line: None,
) -> list[LinkResult]:
    """Measure; takes about 4 * `seconds` * `rounds` for each size.

    Args:
        seconds: of each measurement.
        tell: given a line of progress.

    Raises:
        NarvalError: there is no C compiler, or a measurement failed.
    """
    with tempfile.TemporaryDirectory(prefix="narval-bench-") as name:
        folder = Path(name)
        results = []
        for size in sizes:
            libraries = [
                _compile(folder, f"produce{size}", _PRODUCER, size),
                _compile(folder, f"consume{size}", _CONSUMER, size),
            ]
            for port in (FIFO, "tcp"):
                tell(f"{port}, blocks of {size} bytes")
                narval, plain = [], []
                for _ in range(rounds):
                    plain.append(_plain(port, size, seconds))
                    narval.append(_narval(port, seconds, folder, libraries))
                ours, theirs = statistics.median(narval), statistics.median(plain)
                ratio = round(ours / theirs, 3)
                results.append(LinkResult(port, size, ours, theirs, ratio, MARKS.get(size)))
    return results


def _compile(folder: Path, name: str, source: str, block_bytes: int) -> Path:
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        raise NarvalError("no C compiler is found: install gcc")
    file, library = folder / f"{name}.c", folder / f"lib{name}.so"
    file.write_text(source, encoding="utf-8")
    include = Path(narval.__file__).with_name("include")
    words = [compiler, "-O2", "-shared", "-fPIC", f"-DBLOCK_BYTES={block_bytes}", f"-I{include}"]
    words += ["-o", str(library), str(file)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NarvalError(f"{file} is not compiled:\n{done.stderr}")
    return library


def _measure(write: Callable[[], None], read: Callable[[Connection], None]) -> float:
    """Run both ends in a process of their own; return the reader's bytes per second."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    reader = context.Process(target=read, args=(theirs,), daemon=True)
    writer = context.Process(target=write, daemon=True)
    reader.start()
    theirs.close()
    writer.start()
    try:
        if not ours.poll(_LIMIT_S):
            raise NarvalError(f"a measurement did not end within {_LIMIT_S:g} s")
        return float(ours.recv())
    except EOFError:
        raise NarvalError("a measurement's reader failed") from None
    finally:
        for process in (writer, reader):
            process.kill()
            process.join()


def _plain(port: str, size: int, seconds: float) -> float:
    """Measure a pipe or a socket without anything of ours."""
    if port == FIFO:
        read_end, write_end = os.pipe()
        fcntl.fcntl(write_end, fcntl.F_SETPIPE_SZ, fifo.capacity_for(BUFFER_BYTES))  # as ours
    else:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            write_end = socket.create_connection(listener.getsockname()).detach()
            read_end = listener.accept()[0].detach()

    def write() -> None:
        block = bytes(size)
        while True:
            os.write(write_end, block)

    def read(told: Connection) -> None:
        buffer, total, began = bytearray(size), 0, time.monotonic()
        while (passed := time.monotonic() - began) < seconds or not total:
            total += os.readv(read_end, [buffer])
        told.send(total / passed)

    try:
        return _measure(write, read)
    finally:
        os.close(read_end)
        os.close(write_end)


def _narval(port: str, seconds: float, folder: Path, libraries: Sequence[Path]) -> float:
    """Measure two actors' workers with their plugins and a link between."""
    bell = Bell()
    buffer = OutputBuffer("data", BUFFER_BYTES, FIFO if port == FIFO else "eth0")
    output = Output(buffer, folder=folder, host="127.0.0.1", secret=_SECRET, abort=bell)
    (at,) = output.offer("producer", ["consumer"])
    if port == FIFO:
        descriptor = fifo.open_to_read(Path(str(at["path"])))
    else:
        descriptor = tcp.connect(at, _SECRET, "consumer", BUFFER_BYTES).detach()
    output.complete()
    reader = LinkReader(descriptor, "producer.data", BUFFER_BYTES)

    def write() -> None:
        reader.close()
        plugin = NativeProducer(Library(libraries[0], PluginRole.PRODUCER))
        plugin.config("")
        worker = make_worker(plugin, [], [output], bell)
        worker.begin()
        while True:
            worker.step(bell)

    def read(told: Connection) -> None:
        output.close()
        plugin = NativeConsumer(Library(libraries[1], PluginRole.CONSUMER))
        plugin.config("")
        plugin.start(Run(1, folder))
        worker = make_worker(plugin, [reader], [], bell)
        worker.begin()
        began = time.monotonic()
        while (passed := time.monotonic() - began) < seconds or not worker.counters.blocks_in:
            worker.step(bell)
        told.send(worker.counters.bytes_in / passed)

    try:
        return _measure(write, read)
    finally:
        reader.close()
        output.close()
        bell.close()
