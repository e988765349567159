"""What is installed elsewhere carries its licence, and the database's steps."""

from __future__ import annotations

import subprocess
import sys
import tomllib
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
FOLDERS = sorted(
    path.parent.relative_to(ROOT)
    for pattern in ("pyproject.toml", "*/pyproject.toml", "images/*/pyproject.toml")
    for path in ROOT.glob(pattern)
    if "build-system" in tomllib.loads(path.read_text())
)


def test_all_distributions_are_looked_at():
    assert {str(folder) for folder in FOLDERS} >= {".", "images/guest", "images/narval"}


@pytest.mark.parametrize("folder", FOLDERS, ids=str)
def test_a_wheel_carries_the_licence(folder, tmp_path):
    words = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(words, cwd=ROOT / folder, check=True, capture_output=True)
    (path,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(path) as wheel:
        names = wheel.namelist()
        (licence,) = (name for name in names if name.endswith(".dist-info/licenses/LICENSE"))
        (facts,) = (name for name in names if name.endswith(".dist-info/METADATA"))
        assert wheel.read(licence) == (ROOT / "LICENSE").read_bytes()
        assert message_from_bytes(wheel.read(facts))["License-Expression"] == "BSD-3-Clause"
    if folder == Path():
        steps = ROOT / "spawner/vmlab/database/migrations"
        wanted = {f.relative_to(ROOT / "spawner") for f in steps.rglob("*") if f.is_file()}
        assert {str(name) for name in wanted if "__pycache__" not in name.parts} <= {*names}
