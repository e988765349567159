"""A small right course, for tests to break."""

from __future__ import annotations

import json
from pathlib import Path

NOTEBOOK = {
    "cells": [
        {"cell_type": "markdown", "metadata": {}, "source": ["# Who am I?\n"]},
        {
            "cell_type": "code",
            "metadata": {"tags": ["exercise"]},
            "source": "!whoami",
            "outputs": [],
            "execution_count": None,
        },
    ],
    "metadata": {},
    "nbformat": 4,
    "nbformat_minor": 5,
}

COURSE_TOML = """\
[course]
name = "first-steps"
title = { en = "First steps", fr = "Premiers pas" }

[[exercise]]
folder = "01-who"
title = { en = "Who am I?", fr = "Qui suis-je ?" }
[[exercise.step]]
name = "user"
title = { en = "Your user", fr = "Votre utilisateur" }
[[exercise.step]]
name = "home-disk"
title = { en = "Your disk", fr = "Votre disque" }
"""

CHECKS = """\
from lab import step

def user(name): ...

@step("home-disk")
def disk(): ...
"""


def make_files(changes: dict[str, bytes] | None = None) -> dict[str, bytes]:
    """Return a right course, with some files added or replaced."""
    return {
        "course.toml": COURSE_TOML.encode(),
        "01-who/exercise.ipynb": json.dumps(NOTEBOOK).encode(),
        "01-who/solution.ipynb": json.dumps(NOTEBOOK | {"metadata": {"title": "solved"}}).encode(),
        "01-who/checks.py": CHECKS.encode(),
    } | (changes or {})


def write_folder(folder: Path, files: dict[str, bytes]) -> Path:
    """Write a course's files below a folder and return it."""
    for path, content in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    return folder
