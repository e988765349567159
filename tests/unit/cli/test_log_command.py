"""`vmlab log`: which lines are shown."""

from __future__ import annotations

import threading
from datetime import datetime

import pytest
import typer

from vmlab.cli.log import follow_lines, parse_age, read_lines, select
from vmlab.errors import HostError
from vmlab.hub.log_file import older_part
from vmlab.names import machine_name

LINES = [
    "[I 2026-11-29 09:00:00.001 JupyterHub base:1] User logged in: ann",
    "[I 2026-11-29 09:10:00.001 JupyterHub base:1] User logged in: joann",
    f"[W 2026-11-29 09:20:00.001 JupyterHub x:1] {machine_name('ann')}: not running",
    "Traceback (most recent call last):",
    "ValueError: of ann's",
    "[E 2026-11-29 09:30:00.001 JupyterHub x:1] ann2 and ann.b are others",
    "09:30:01.000 [ConfigProxy] error: /user/ann/ 503",
]


def chosen(name=None, after="2026-11-29 00:00:00") -> list[int]:
    at = datetime.fromisoformat(after).astimezone().timestamp()
    return [LINES.index(line) for line in select(LINES, name, at)]


def test_a_name_is_a_whole_word_and_a_traceback_goes_with_its_message():
    assert chosen() == [0, 1, 2, 3, 4, 5, 6]
    assert chosen("ann") == [0, 2, 3, 4, 6]
    assert chosen(machine_name("ann")) == [2, 3, 4]
    assert chosen("nobody") == []


def test_only_what_is_new_enough():
    assert chosen(after="2026-11-29 09:20:00") == [2, 3, 4, 5, 6]
    assert chosen("ann", after="2026-11-29 09:30:00") == [6]


@pytest.mark.parametrize(("text", "seconds"), [("30s", 30), ("10 min", 600), ("2h", 7200)])
def test_ages(text, seconds):
    assert parse_age(text) == seconds


@pytest.mark.parametrize("text", ["", "10", "-5s", "10 weeks", "1e9s", "9999999s"])
def test_what_is_no_age(text):
    with pytest.raises(typer.BadParameter, match="10min"):
        parse_age(text)


def test_the_older_part_comes_first_and_no_log_is_told(tmp_path):
    file = tmp_path / "hub.log"
    with pytest.raises(HostError, match="no hub ran here"):
        list(read_lines(file))
    older_part(file).write_text("old\n")
    file.write_bytes(b"new \xff\n")
    assert list(read_lines(file)) == ["old", "new \ufffd"]


def test_following_goes_on_when_the_log_is_begun_anew(tmp_path):
    file = tmp_path / "hub.log"
    file.write_text("before\n")
    seen: list[str] = []
    is_seen = threading.Event()

    def look():
        for line in follow_lines(file):
            seen.append(line)
            is_seen.set()
            if line == "end":
                return

    thread = threading.Thread(target=look)
    thread.start()
    try:
        # Written again and again: whether the thread looks already cannot be seen from here.
        while not is_seen.wait(0.2):
            with file.open("a") as log:
                log.write("half a line, ")
                log.write("whole\n")
        file.write_text("")
        is_seen.clear()
        while not is_seen.wait(1.0):
            file.write_text("afresh\n")
    finally:
        while thread.is_alive():
            with file.open("a") as log:
                log.write("end\n")
            thread.join(0.2)
    assert seen[0] == "half a line, whole"
    assert "afresh" in seen
