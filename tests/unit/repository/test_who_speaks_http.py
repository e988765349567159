"""Who speaks HTTP, and with what: one library, and few modules that know it."""

from __future__ import annotations

import ast
from pathlib import Path

import vmlab

_ROOT = Path(vmlab.__file__).parents[2]
_LIBRARIES = {
    "aiohttp", "http.client", "httpx", "pycurl", "requests", "tornado.httpclient",
    "tornado.simple_httpclient", "tornado.websocket", "urllib.request", "urllib3", "websockets",
}  # fmt: skip

SPEAKERS = {
    "spawner/vmlab/hub/sessions.py": {"aiohttp"},  # sessions, deadlines, what a failure is
    "spawner/vmlab/hub/client.py": {"aiohttp"},  # the hub's API
    "spawner/vmlab/cli/outside.py": {"aiohttp"},  # the kind of a failure is what the doctor tells
    "spawner/vmlab/bench/kernel.py": {"aiohttp"},  # a kernel's channels are a WebSocket
    "spawner/vmlab/providers/fake/site.py": {"aiohttp"},  # answers: it plays a machine's server
    "spawner/vmlab/web/api/hello.py": {"tornado.websocket"},  # answers
    # In machines, which have neither the hub's libraries nor time to load them:
    "images/guest/src/vmlab_guest/hub.py": {"http.client"},
    "images/guest/src/vmlab_guest/idle.py": {"http.client"},  # the machine's own server
    "images/guest/src/vmlab_guest/dry_run.py": {
        "http.client",
        "tornado.httpclient",
        "tornado.websocket",
        "urllib.request",
    },  # a browser's part, while a template is made
    "images/narval/src/narval/shell/client.py": {"http.client"},
}


def _imported(file: Path) -> set[str]:
    found: set[str] = set()
    text = file.read_text()
    if not any(library.rpartition(".")[2] in text for library in _LIBRARIES):
        return found  # to parse all takes seconds
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found.update(f"{node.module}.{alias.name}" for alias in node.names)
    return {
        library
        for library in _LIBRARIES
        if any(name == library or name.startswith(f"{library}.") for name in found)
    }


def test_only_these_modules_know_a_library_for_http():
    folders = ("spawner", "protocol/src", "images")
    files = [file for folder in folders for file in (_ROOT / folder).rglob("*.py")]
    found = {str(file.relative_to(_ROOT)): _imported(file) for file in files}
    assert {name: libraries for name, libraries in found.items() if libraries} == SPEAKERS
