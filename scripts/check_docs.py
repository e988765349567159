"""Checks that the commands which documents name exist. Links and pictures: scripts/docs.

python scripts/check_docs.py: prints each mistake as file:line and ends with 1 if there is one.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer.main

from vmlab.cli import app

PROJECT = Path(__file__).resolve().parents[1]

_VMLAB = re.compile(r"\bvmlab((?: [a-z][a-z-]*)+)")
_MAKE = re.compile(r"^(?:sudo )?make ([a-z][a-z-]*)")
_CODE = re.compile(r"`([^`]+)`")
_TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)


def documents() -> list[Path]:
    """Return all documents that git knows or would add."""
    words = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    done = subprocess.run(words, cwd=PROJECT, capture_output=True, text=True, check=True)
    names = sorted(set(done.stdout.splitlines()))
    return [PROJECT / name for name in names if (PROJECT / name).exists()]


def command_mistake(words: list[str], root: Any) -> str:
    """Return what is wrong with a command of `vmlab`; only groups have further names."""
    command = root
    for depth, word in enumerate(words):
        commands = getattr(command, "commands", None)
        if commands is None:
            return ""
        if word not in commands:
            return f"`vmlab {' '.join(words[: depth + 1])}`: no such command"
        command = commands[word]
    return ""


def make_targets(document: Path) -> set[str]:
    """Return what can be made where a document lies: the nearest Makefile's targets."""
    nearest = next(folder for folder in document.parents if (folder / "Makefile").is_file())
    return set(_TARGET.findall((nearest / "Makefile").read_text()))


def mistakes(document: Path, root: Any, targets: set[str]) -> Iterator[tuple[int, str]]:
    """Yield line and text of each mistake in a document."""
    in_block = False
    for number, line in enumerate(document.read_text().splitlines(), start=1):
        if line.lstrip().startswith("```"):
            in_block = not in_block
            continue
        found: list[str] = []
        for code in [line] if in_block else _CODE.findall(line):
            found += [command_mistake(words.split(), root) for words in _VMLAB.findall(code)]
            wanted = _MAKE.findall(code.strip())
            found += [f"`make {t}`: no such target" for t in wanted if t not in targets]
        yield from ((number, text) for text in found if text)


def main() -> int:
    """Check all documents; return the exit status."""
    root = typer.main.get_command(app)
    count = 0
    for document in documents():
        for line, text in mistakes(document, root, make_targets(document)):
            print(f"{document.relative_to(PROJECT)}:{line}: {text}")
            count += 1
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
