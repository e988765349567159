"""What the commands print: nothing is eaten, no name is in two pieces."""

from __future__ import annotations

import pytest

from vmlab.cli import common

NAME = "desk-a-trainee-with-quite-a-long-name-0"


@pytest.fixture
def narrow(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")


@pytest.mark.parametrize("text", ["[idle] stop_after", "[bold]x[/]", "a :smile: b", "[/nothing]"])
def test_brackets_and_colons_are_printed(capsys, text):
    common.out().print(text)
    common.err().print(text, style="bold red")
    printed = capsys.readouterr()
    assert printed.out == printed.err == f"{text}\n"
    table = common.make_table("title", free=("title",))
    table.add_row(text)
    common.print_table(table)
    assert text in capsys.readouterr().out


def test_no_name_and_no_path_is_broken(capsys, narrow):
    path = "/var/lib/vmlab/machines/" + NAME + "/root.qcow2"
    table = common.make_table("machine", "user", "since", "file", "problem", free=("problem",))
    table.add_row(NAME, NAME, "2 h 05 min", path, f"one does not find {path}, perhaps deleted")
    common.print_table(table)
    printed = capsys.readouterr().out
    assert printed.count(NAME) == 4
    assert printed.count(path) == 2
    assert "2 h 05 min" in printed


def test_sentences_are_broken_so_that_a_table_fits(capsys, narrow):
    table = common.make_table("machine", "problem", free=("problem",))
    table.add_row("desk-ada-0", "word " * 60)
    common.print_table(table)
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


def test_messages_are_whole_and_quotes_are_harmless():
    assert common.whole("a\nb\x1b[31m" + "x" * 5000).plain == "a\nb·[31m" + "x" * 5000
