"""What scripts make of values, without a page, by Node.js's own test runner."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

PROJECT = Path(__file__).parents[2]
NODE = Path(sys.executable).with_name("node")
FILES = sorted(path.name for path in Path(__file__).parent.glob("*.test.js"))


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> dict[str, dict[str, str]]:
    """For each file: its tests by name, with what went wrong (nothing: empty)."""
    report = tmp_path_factory.mktemp("node") / "report.xml"
    options = ["--test", "--test-reporter=junit", f"--test-reporter-destination={report}"]
    command = [str(NODE), *options, *(f"tests/js/{name}" for name in FILES)]
    # It ends with 1 when a test failed; which one, the report says.
    done = subprocess.run(
        command, cwd=PROJECT, capture_output=True, text=True, timeout=240, check=False
    )
    assert report.exists(), done.stderr
    found: dict[str, dict[str, str]] = {name: {} for name in FILES}
    for case in ET.parse(report).iter("testcase"):
        failure = case.find("failure")
        wrong = "" if failure is None else (failure.text or "it failed")
        found[Path(case.attrib["file"]).name][case.attrib["name"]] = wrong
    return found


@pytest.mark.parametrize("name", FILES)
def test_makers_of_the_scripts(results, name):
    tests = results[name]
    assert tests, f"{name} has no tests"
    failed = [f"{test}\n{wrong}" for test, wrong in tests.items() if wrong]
    assert not failed, "\n\n".join(failed)


def test_a_lab_needs_none_of_the_tools_for_scripts():
    lock = json.loads((PROJECT / "package-lock.json").read_text())
    needed = {
        name.removeprefix("node_modules/")
        for name, facts in lock["packages"].items()
        if name and not facts.get("dev") and not facts.get("devOptional")
    }
    assert "configurable-http-proxy" in needed
    assert not needed & set(lock["packages"][""]["devDependencies"])
    assert not any("resolved" in facts for facts in lock["packages"].values())
