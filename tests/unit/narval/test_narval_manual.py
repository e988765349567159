"""The manual pages: true to the programs' own help and to the actors' parameters."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

import narval
from narval.actors.catalogue import CATALOGUE, make_plugin

MANUAL = Path(narval.__file__).parents[2] / "man"
PROGRAMS = {
    "narval": (
        "narval.cli.main",
        "main",
        (["--help"], ["run", "--help"], ["topology", "draw", "--help"]),
    ),
    "narval_shell": ("narval.shell.program", "main", (["--help"],)),
    "narval_naming_service": ("narval.control.programs", "naming_service", (["--help"],)),
    "central_log": ("narval.control.programs", "central_log", (["--help"],)),
    "narval_coordinator": ("narval.coordinator.program", "main", (["--help"],)),
    "aws_shell": ("narval.shell.server", "main", (["--help"],)),
}


def read_page(name):
    """Return a page's source without the troff that stands inside words."""
    return (MANUAL / name).read_text(encoding="utf-8").replace("\\-", "-")


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_page_has_exactly_the_options_of_the_program(program, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    module, name, calls = PROGRAMS[program]
    for words in calls:
        with pytest.raises(SystemExit):
            getattr(import_module(module), name)(words)
    shown = set(re.findall(r"--[a-z][a-z_-]*", capsys.readouterr().out))
    page = read_page(f"{program}.1").partition(".SH OPTIONS")[2].partition(".SH E")[0]
    told = set(re.findall(r"--[a-z][a-z_-]*", page))
    assert told == shown - ({"--server"} if program == "narval" else set())


def read_parameters():
    """Return what the page of the actors tells: the parameters' names by actor."""
    found, actors, inside = {}, [], False
    for line in read_page("narval_actors.7").splitlines():
        if line in {".RS", ".RE"}:
            inside = line == ".RS"
        elif re.match(r"\.BR? ", line):
            words = re.findall(r"\b[a-z]\w*", line[3:])
            if inside:
                for actor in actors:
                    found[actor] += words
            else:
                actors = words
                found |= {actor: [] for actor in actors}
    return found


@pytest.mark.parametrize("binary_code", CATALOGUE)
def test_the_page_of_the_actors_has_exactly_their_parameters(binary_code):
    wanted = [parameter.name for parameter in make_plugin(binary_code).parameters]
    assert sorted(read_parameters()[binary_code]) == sorted(wanted)
