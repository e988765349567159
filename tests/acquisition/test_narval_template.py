"""The project that a trainee copies: compiles without a warning, counts, copies, prints."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import narval
from narval.plugins.native import Call, Library, PluginRole
from narval.topology.read import read_topology

TEMPLATE = Path(narval.__file__).parents[2] / "template"


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    folder = tmp_path_factory.mktemp("copy") / "template"
    shutil.copytree(TEMPLATE, folder)
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(narval.__file__).parents[1]),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "CFLAGS": "-O2 -Wall -Wextra -Werror",
    }
    done = subprocess.run(
        ["make", "-C", folder, f"NARVAL_INCLUDE={Path(narval.__file__).parent / 'include'}"],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_chain_counts_copies_and_prints(project, capfd):
    roles = {
        "counter": PluginRole.PRODUCER,
        "copy": PluginRole.FILTER,
        "print": PluginRole.CONSUMER,
    }
    instances = {}
    for name, role in roles.items():
        library = Library(project / f"build/lib{name}.so", role)
        library.configure("")
        instances[name] = library.register()
    instances["counter"].call(Call.START)
    output, copied = bytearray(100), bytearray(100)
    used = instances["counter"].produce(output)
    assert bytes(output[:used]) == b"*00001*\0"
    used = instances["copy"].filter(output[:used], copied)
    assert used == 8
    instances["print"].consume(copied[:used])
    assert capfd.readouterr().out == "*00001*\n"


def test_its_topology_names_the_libraries_that_make_builds(project):
    topology = read_topology(project / "topology.xml")
    named = {
        argument.partition("=")[2] for actor in topology.actors for argument in actor.arguments
    }
    assert named == {f"build/{file.name}" for file in (project / "build").iterdir()}
