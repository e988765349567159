"""What programs that VMLab starts know: little, and nothing of the hub's."""

from __future__ import annotations

import ast
import os
import subprocess
from pathlib import Path

import pytest

import vmlab
from vmlab.system.environment import download_environment, keep_only, tool_environment

_SOURCE = Path(vmlab.__file__).parent

# They inherit from a process that was given little: the shim and what it starts, and the tree of
# an image to be.
_WITHIN = {
    "providers/qemu/process/shim.py",
    "providers/qemu/process/gate.py",
    "network/uplink.py",
    "images/inside.py",
}
_STARTERS = {"create_subprocess_exec", "create_subprocess_shell", "Popen", "check_output"}
_STARTERS |= {"check_call", "system", "popen", "execv", "execvp", "execl", "execlp", "posix_spawn"}


@pytest.fixture(autouse=True)
def host(monkeypatch):
    """An operator who exports secrets, and a host that reaches packages in its own way."""
    for name in os.environ:
        if name not in {"PATH", "PYTEST_CURRENT_TEST"}:
            monkeypatch.delenv(name)
    monkeypatch.setenv("CONFIGPROXY_AUTH_TOKEN", "canary")
    monkeypatch.setenv("HOME", "/root")
    for name in ("https_proxy", "NO_PROXY", "PIP_INDEX_URL", "SSL_CERT_FILE", "APT_CONFIG"):
        monkeypatch.setenv(name, f"the host's {name}")
    monkeypatch.setenv("PIPELINE_TOKEN", "canary")


def test_a_tool_knows_where_programs_are_and_which_language_to_speak():
    assert set(tool_environment()) == {"PATH", "LC_ALL"}
    assert tool_environment()["PATH"].endswith(":/usr/sbin:/sbin")


def test_a_tool_may_know_what_it_needs(monkeypatch):
    monkeypatch.setenv("TMPDIR", "/var/tmp")
    found = tool_environment("HOME", "TERM", SOURCE_DATE_EPOCH="1")
    assert found["HOME"] == "/root"
    assert found["SOURCE_DATE_EPOCH"] == "1"
    assert found["TMPDIR"] == "/var/tmp"
    assert "TERM" not in found, "nobody has set it"


def test_a_download_goes_the_hosts_own_way():
    wanted = {"https_proxy", "NO_PROXY", "PIP_INDEX_URL", "SSL_CERT_FILE", "APT_CONFIG", "HOME"}
    assert set(download_environment()) == {"PATH", "LC_ALL", *wanted}


def test_a_program_that_somebody_else_starts_keeps_what_it_needs():
    words = keep_only("CONFIGPROXY_AUTH_TOKEN", "PATH")
    assert not [word for word in words if "canary" in word], "values are on no command line"
    told = subprocess.check_output([*words, "env"], env=os.environ.copy(), text=True)
    assert {line.partition("=")[0] for line in told.splitlines()} == {
        "CONFIGPROXY_AUTH_TOKEN",
        "PATH",
    }


def _starts(path: Path) -> list[tuple[int, bool]]:
    """Lines of this module that start a program, and whether they say with which environment."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        name, owner = node.func.attr, ast.unparse(node.func.value)
        if name in _STARTERS or (name == "run" and owner == "subprocess"):
            found.append((node.lineno, any(word.arg == "env" for word in node.keywords)))
    return found


def test_whoever_starts_a_program_says_what_it_knows():
    modules = {str(path.relative_to(_SOURCE)): _starts(path) for path in _SOURCE.rglob("*.py")}
    assert sum(len(starts) for starts in modules.values()) > 10, "the test finds them"
    bare = [
        f"{module}:{line}"
        for module, starts in modules.items()
        for line, said in starts
        if not said and module not in _WITHIN
    ]
    assert bare == []
