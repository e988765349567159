"""The hub's log under floods and endless lines: its handler, its file, a real hub and proxy."""

from __future__ import annotations

import io
import logging
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import requests

from fakes.echo_proxy import EchoProxy
from fakes.waiting import wait_until
from hub.running_hub import RunningHub
from vmlab.hub import log_file
from vmlab.hub.log_file import MAX_BYTES, older_part, tidy
from vmlab.hub.log_lines import BURST, LONGEST_ENTRY, LONGEST_MESSAGE, PER_SECOND, BoundedHandler
from vmlab.system.host import find_free_port

LONG = 15_000  # the proxy takes headers of 16 KiB
LINE_BYTES = 3 * LONGEST_MESSAGE  # a line of either, colours and all


class Clock:
    """A clock that stands still until it is told."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def log(stream: io.StringIO, clock: Clock) -> logging.Logger:
    logger = logging.Logger("test")
    logger.addHandler(BoundedHandler(stream, clock))
    return logger


def test_a_long_message_is_cut(log: logging.Logger, stream: io.StringIO) -> None:
    log.warning("GET %s is refused", "x" * 100_000)
    line = stream.getvalue()
    assert line.startswith("GET xxx")
    assert line.endswith("x… (100015 characters)\n")
    assert len(line) < LONGEST_MESSAGE + 30


def test_a_traceback_survives_a_long_message(log: logging.Logger, stream: io.StringIO) -> None:
    try:
        raise ValueError("the reason")
    except ValueError:
        log.exception("GET %s", "x" * 100_000)
    assert "ValueError: the reason" in stream.getvalue()
    try:
        raise ValueError("x" * 100_000)
    except ValueError:
        log.exception("endless")
    assert len(stream.getvalue()) < LONGEST_MESSAGE + LONGEST_ENTRY + 1000


def test_the_record_itself_is_not_touched(log: logging.Logger) -> None:
    kept: list[logging.LogRecord] = []

    def keep(record: logging.LogRecord) -> bool:
        kept.append(record)
        return True

    log.addFilter(keep)
    log.warning("%s", "x" * 5000)
    assert kept[0].getMessage() == "x" * 5000


@pytest.mark.attack("log.rate", "has a hundred thousand lines written at once")
def test_a_flood_is_counted(
    log: logging.Logger, stream: io.StringIO, clock: Clock, tried: Callable[[int], None]
) -> None:
    for number in range(100_000):
        log.warning("line %d", number)
    tried(100_000)
    assert len(stream.getvalue().splitlines()) == BURST
    clock.now += 1
    log.warning("after it")
    assert stream.getvalue().splitlines()[-2:] == [
        f"{100_000 - BURST} log lines were left out: there were too many at once",
        "after it",
    ]


def test_an_everyday_pace_loses_nothing(
    log: logging.Logger, stream: io.StringIO, clock: Clock
) -> None:
    for number in range(10 * BURST):
        clock.now += 1 / PER_SECOND
        log.warning("line %d", number)
    assert len(stream.getvalue().splitlines()) == 10 * BURST


def test_a_small_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "hub.log"
    assert not tidy(path)
    path.write_text("line\n")
    assert not tidy(path)
    assert path.read_text() == "line\n"
    assert not older_part(path).exists()


def test_the_end_of_a_large_one_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "hub.log"
    path.write_bytes(bytes(range(100)))
    assert tidy(path, most_bytes=40)
    assert path.read_bytes() == b""
    assert older_part(path).read_bytes() == bytes(range(60, 100))
    assert stat.S_IMODE(older_part(path).stat().st_mode) == 0o600


def test_a_file_is_emptied_even_when_its_end_cannot_be_kept(tmp_path: Path) -> None:
    path = tmp_path / "hub.log"
    path.write_bytes(bytes(100))
    older_part(path).mkdir()
    with pytest.raises(OSError, match="directory"):
        tidy(path, most_bytes=40)
    assert path.stat().st_size == 0
    assert sorted(each.name for each in tmp_path.iterdir()) == ["hub.log", "hub.log.1"]


_WRITER = """
import os, sys
for number in range(int(sys.argv[1])):
    os.write(1, b"%d\\n" % number)
"""


@pytest.mark.attack("log.size", "two processes write as fast as they can, while it is emptied")
def test_what_others_write_goes_on_behind(tmp_path: Path, tried: Callable[[int], None]) -> None:
    """Nothing but what falls into the instant of emptying is lost, and nothing is garbled."""
    path = tmp_path / "hub.log"
    seen: set[int] = set()
    largest = 0
    with path.open("ab") as log:
        writers = [
            subprocess.Popen([sys.executable, "-c", _WRITER, "40000"], stdout=log) for _ in range(2)
        ]
        while any(writer.poll() is None for writer in writers):
            largest = max(largest, path.stat().st_size)
            if tidy(path, most_bytes=20_000):
                lines = older_part(path).read_bytes().split(b"\n")[1:-1]
                seen.update(int(line) for line in lines)
    tried(80_000)
    assert {writer.returncode for writer in writers} == {0}
    assert b"\0" not in path.read_bytes(), "no hole where it was emptied"
    assert len(seen) > 1000
    assert largest < 4 * 2**20, "so much is written between two looks"


def test_a_log_that_is_somebody_elses_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "hub.log"
    path.write_bytes(bytes(100))
    for mode, ours in (("r+b", False), ("ab", True)):
        with path.open(mode) as file:
            monkeypatch.setattr(log_file, "_STDERR", file.fileno())
            assert log_file._is_ours(path) is ours
            assert not log_file._is_ours(tmp_path / "other.log")


@pytest.mark.attack("log.lines", "asks for long URLs as fast as a hub answers, for seconds")
@pytest.mark.parametrize("path", ["/hub/login?", "/user/ada/", "/hub/api/"])
def test_long_urls_do_not_fill_the_log(
    hub: RunningHub, tried: Callable[[int], None], path: str
) -> None:
    before = hub.log.stat().st_size
    began = time.monotonic()
    until = began + 2
    asked = 0
    lock = threading.Lock()

    def ask(_: int) -> None:
        nonlocal asked
        with requests.Session() as session:
            while time.monotonic() < until:
                url = f"{hub.base_url}{path}{'x' * LONG}"
                session.get(url, timeout=60, allow_redirects=False)
                with lock:
                    asked += 1

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, range(8)))
    tried(asked)
    grown = hub.log.read_bytes()[before:]
    assert max(map(len, grown.split(b"\n"))) < LINE_BYTES
    lines = BURST + PER_SECOND * (time.monotonic() - began)
    assert len(grown) < lines * LINE_BYTES
    assert asked * LONG > len(grown), "less than was asked for"


@pytest.mark.attack("log.size", "a real hub's log becomes large while it runs")
def test_a_running_hub_keeps_its_log_small(hub: RunningHub) -> None:
    with hub.log.open("ab") as log:
        log.write(b"a line of the attack\n" * (MAX_BYTES // 20))
    wait_until(lambda: hub.log.stat().st_size < MAX_BYTES, 60)
    assert older_part(hub.log).stat().st_size <= MAX_BYTES + 2**20
    requests.get(f"{hub.base_url}/hub/after-it", timeout=60)
    wait_until(lambda: b"/hub/after-it" in hub.log.read_bytes(), 60)
    assert not hub.log.read_bytes().startswith(b"\0")


@pytest.mark.attack("log.lines", "long URLs of a machine that does not answer, at the proxy")
def test_the_proxy_cuts_its_lines(short_folder: Path, tried: Callable[[int], None]) -> None:
    asked = 1500

    def ask(session: requests.Session) -> None:
        for _ in range(asked // 4):
            session.get(f"{proxy.url}/dead/{'x' * LONG}", timeout=60)

    with EchoProxy(short_folder) as proxy, requests.Session() as first:
        proxy.add_route("/dead", find_free_port())
        began = time.monotonic()
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(ask, [first, *(requests.Session() for _ in range(3))]))
        took_s = time.monotonic() - began
    tried(asked)
    lines = proxy.log.read_bytes().split(b"\n")
    assert b"503 GET /dead/xxx" in proxy.log.read_bytes()
    assert max(map(len, lines)) < LINE_BYTES
    assert len(lines) < 1000 + 50 * (took_s + 2), "output.mjs: a burst, and so many a second"
