"""How a command ends."""

from __future__ import annotations

from fakes.endings import frozen_at_end


def test_a_command_does_not_end_with_collections():
    code = "import sys; sys.argv[1:] = ['--version']\nfrom vmlab.cli import main\nmain()\n"
    assert frozen_at_end(code) > 10_000
