"""Programs whose reader goes away, and locales that lack our characters: no traceback."""

from __future__ import annotations

import os
import subprocess

import pytest

from acquisition.programs import MODULES, chain, command, service

ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
LATIN = {"PYTHONIOENCODING": "iso-8859-1:strict"}


@pytest.fixture
def topology(tmp_path, acquisition_folder):
    file = tmp_path / "chaîne→.xml"
    file.write_text(chain(writer="title=é→"), encoding="utf-8")
    return file


@pytest.fixture
def naming_and_shell(acquisition_folder, monkeypatch):
    with service("narval_naming_service", "--port", "0") as naming:
        monkeypatch.setenv("NARVAL_NAMING_SERVICE", f"127.0.0.1:{naming.port}")
        with service("aws_shell", "--aws_server_port", "0") as shell:
            monkeypatch.setenv("NARVAL_SHELL", f"127.0.0.1:{shell.port}")
            yield


def run_deaf(words: list[str], **more) -> subprocess.CompletedProcess[bytes]:
    """Run a command whose standard output nobody reads, as `| head` has it in the end."""
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        return subprocess.run(
            words, stdout=theirs, stderr=subprocess.PIPE, check=False, timeout=60, **more
        )
    finally:
        os.close(theirs)


@pytest.mark.parametrize("program", MODULES)
def test_help_that_nobody_reads(acquisition_folder, program):
    done = run_deaf(command(program, "--help"))
    assert (done.returncode in {0, 141}, done.stderr) == (True, b"")


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("narval", ("topology", "check", "FILE")),
        ("narval", ("topology", "draw", "FILE")),
        ("narval", ("topology", "convert", "FILE")),
        ("narval", ("include",)),
        ("narval", ("run", "FILE", "--sub_system", "x", "--naming_service", "127.0.0.1:0")),
        ("narval_naming_service", ("--port", "0")),
    ],
)
def test_output_that_nobody_reads(topology, program, words):
    words = [str(topology) if word == "FILE" else word for word in words]
    done = run_deaf(command(program, *words))
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("locale", [ASCII, LATIN])
@pytest.mark.parametrize("command_", ["check", "draw", "convert", "run"])
def test_characters_that_the_locale_lacks(topology, acquisition_folder, locale, command_):
    words = ["run", topology, "--seconds", "0.1", "--naming_service", "127.0.0.1:0"]
    words = [*words, "--sub_system", "tandem", "--log_level", "debug"]
    words = words if command_ == "run" else ["topology", command_, topology]
    done = subprocess.run(
        command("narval", *map(str, words)), capture_output=True, check=False, timeout=60,
        env={**os.environ, **locale},
    )  # fmt: skip
    assert b"Traceback" not in done.stderr, done.stderr
    assert b"rror" not in done.stderr, done.stderr
    assert done.returncode == 0
    if command_ == "convert":
        assert "title=é→" in done.stdout.decode()


@pytest.mark.parametrize("text", [b"get state \xff\n", "get état →\n".encode()])
@pytest.mark.parametrize("by_pipe", [True, False])
def test_bytes_that_are_no_characters(acquisition_folder, naming_and_shell, text, by_pipe):
    words = [] if by_pipe else [os.fsdecode(text.strip())]
    done = subprocess.run(
        command("narval_shell", *words), input=text if by_pipe else b"", capture_output=True,
        check=False, timeout=60, env={**os.environ, **ASCII},
    )  # fmt: skip
    assert b"Traceback" not in done.stderr
    assert done.returncode == 1
    assert b"failed, and all after it" in done.stderr
    assert done.stdout == b""
