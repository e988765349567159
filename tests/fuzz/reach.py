"""Which functions of the product read raw data, and which of them the corpus reaches."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterator
from types import FrameType

from fuzz.target import HERE

ROOTS = tuple(
    HERE.parents[1] / folder
    for folder in ("spawner", "protocol/src", "images/guest/src", "images/narval/src")
)  # fmt: skip

READERS = frozenset(
    {
        *("load_json", "loads", "parse_toml", "ParserCreate", "fromstring"),
        *("unpack", "unpack_from", "iter_unpack", "from_bytes", "b64decode"),
        *("decompress", "decompressobj", "strptime", "fromisoformat"),
        "urlsplit",
    }
)
"""What is called to make something of bytes or text; `ast.parse`, `shlex.split`, `tarfile.open`
are told by their module."""

_OF_MODULES = frozenset(
    {("ast", "parse"), ("shlex", "split"), ("tarfile", "open"), ("CourseTar", "open")}
)


def find_readers() -> Iterator[str]:
    """Yield `module:name` of each function of the product that calls one of READERS."""
    for root in ROOTS:
        for path in sorted(root.rglob("*.py")):
            module = ".".join(path.relative_to(root).with_suffix("").parts)
            tree = ast.parse(path.read_text(encoding="utf-8"))
            for name in sorted(set(_readers_in(tree, ""))):
                yield f"{module.removesuffix('.__init__')}:{name}"


def _readers_in(node: ast.AST, within: str) -> Iterator[str]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.ClassDef):
            yield from _readers_in(child, f"{within}{child.name}.")
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            name = f"{within}{child.name}"
            if any(map(_reads, ast.walk(child))):
                yield name
        else:
            yield from _readers_in(child, within)


def _reads(node: ast.AST) -> bool:
    if not isinstance(node, ast.Call):
        return False
    match node.func:
        case ast.Name(id=name):
            return name in READERS
        case ast.Attribute(value=ast.Name(id=module), attr=name):
            return name in READERS or (module, name) in _OF_MODULES
        case ast.Attribute(attr=name):
            return name in READERS
    return False


def reached(work: Callable[[], object]) -> set[str]:
    """Do the work; return `module:name` of each Python function that was called."""
    found: set[str] = set()

    def note(frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            found.add(f"{frame.f_globals.get('__name__')}:{frame.f_code.co_qualname}")

    before = sys.getprofile()
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(before)
    return found
