"""All texts of VMLab that people read, by where they stand: for tests of words and signs."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

PROJECT = Path(__file__).parents[3]
STATIC = PROJECT / "spawner/vmlab/web/pages/static"
GUEST = PROJECT / "images/guest"
# What programs read, by what is in it: there `;` and `:` follow a space.
COMMANDS = {
    "notices.py": "[ -",
    "offline.py": "[ -",
    "configuration.py": "&& : >",
    "ready.py": "sport = :",
    "rules.py": " : ",  # of nft
}


def strings_of_python(file: Path) -> Iterator[tuple[int, str]]:
    """Yield all strings of a module; what is in an f-string's braces becomes an x."""
    tree = ast.parse(file.read_text())
    parts = {id(v) for n in ast.walk(tree) if isinstance(n, ast.JoinedStr) for v in n.values}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            mark = COMMANDS.get(file.name)
            if mark is None or mark not in node.value:
                yield node.lineno, ("x" if id(node) in parts else "") + node.value


def strings_of_script(file: Path) -> Iterator[tuple[int, str]]:
    """Yield all strings of a script of the pages; what is in `${}` becomes an x."""
    for number, line in enumerate(file.read_text().splitlines(), start=1):
        shown = re.sub(r"\$\{[^}]*\}", "x", line)
        for found in re.findall(r'"(?:[^"\\]|\\.)*"|`[^`]*`', shown):
            yield number, found[1:-1].replace("\\u00a0", "\u00a0")


def quoted_strings(file: Path) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(file.read_text().splitlines(), start=1):
        for found in re.findall(r'"[^"]*"', line):
            yield number, found[1:-1]


def french_of_notebook(file: Path) -> Iterator[tuple[int, str]]:
    for cell in json.loads(file.read_text())["cells"]:
        if cell["cell_type"] == "markdown":
            yield from french_of_text("".join(cell["source"]))


def french_of_text(text: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of what is marked as French, or is below the heading Français."""
    is_french = in_block = False
    for number, line in enumerate(text.splitlines(), start=1):
        in_block ^= line.startswith("```")
        if mark := re.search(r'<div lang="(..)"|^## (Français|English)$', line):
            is_french = mark[1] == "fr" or mark[2] == "Français"
        if is_french and not in_block:
            yield number, line
        is_french &= "</div>" not in line


SOURCES: dict[str, tuple[Callable[[Path], Iterator[tuple[int, str]]], list[Path]]] = {
    "messages": (
        strings_of_python,
        [
            *PROJECT.glob("spawner/vmlab/**/*.py"),
            *PROJECT.glob("images/*/src/**/*.py"),
            *PROJECT.glob("notebooks/**/*.py"),
        ],
    ),
    "scripts": (
        strings_of_script,
        [*STATIC.glob("*.js"), *GUEST.glob("labextension*/static/*.js")],
    ),
    "courses": (quoted_strings, [*PROJECT.glob("notebooks/*/course.toml")]),
    "templates": (quoted_strings, [*STATIC.parent.glob("templates/*.html")]),
    "notebooks": (french_of_notebook, [*PROJECT.glob("notebooks/*/*/*.ipynb")]),
    "guide": (lambda file: french_of_text(file.read_text()), [PROJECT / "docs/trainee.md"]),
}
