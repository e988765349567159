"""What commands import: in a machine that is emulated, a module takes 20 ms and more.

Whoever leads an acquisition by hand gives dozens of commands, each a program of its own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import narval

SOURCES = Path(narval.__file__).parents[1]
HEAVY = {"asyncio", "concurrent.futures", "dataclasses", "inspect", "logging", "tomllib", "random"}
LEAST = {"IPython", "numpy", "prompt_toolkit", "tornado"}


def imported_by(code: str) -> set[str]:
    """Return the names of the modules that a fresh interpreter holds after this code."""
    told = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", told], capture_output=True, text=True, check=True,
        env={**os.environ, "PYTHONPATH": str(SOURCES)},
    )  # fmt: skip
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_a_command_of_the_shell_waits_for_no_module_that_only_servers_need():
    alone = imported_by("import argparse, http.client, xml.etree.ElementTree")
    found = imported_by("import narval.shell.program, narval.shell.plain")
    assert "narval.shell.client" in found
    assert not found & (HEAVY - alone | LEAST)
    assert not found & {"narval.client", "narval.shell.grammar", "narval.topology.model"}


@pytest.mark.parametrize("words", ["include", "shell --help"])
def test_words_of_narval_that_start_nothing_import_no_event_loop(words):
    found = imported_by(
        f"import narval.cli.main\ntry: narval.cli.main.main({words.split()})\nexcept SystemExit: 0"
    )
    assert not found & {"asyncio", "narval.cli.run", *LEAST}
