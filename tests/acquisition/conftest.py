"""Plugins compiled by gcc, as a trainee compiles them."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path

import pytest

import narval
from fakes.waiting import LIMIT_S
from narval import client

HEADERS = Path(narval.__file__).parent / "include"


@pytest.fixture(scope="module", autouse=True)
def client_thread_ends():
    """End the thread in which a notebook's client works: a notebook keeps it for its whole life."""
    yield
    if not client._background_loop.cache_info().currsize:
        return
    loop = client._background_loop()
    client._background_loop.cache_clear()
    loop.call_soon_threadsafe(loop.stop)
    for thread in threading.enumerate():
        if thread.name == "narval client":
            thread.join(LIMIT_S)
    loop.close()


@pytest.fixture
def compiled(tmp_path):
    """A function that compiles C and returns the library."""

    def compile_plugin(source: str, name: str = "plugin") -> Path:
        code, library = tmp_path / f"{name}.c", tmp_path / f"lib{name}.so"
        code.write_text(source)
        words = ["gcc", "-shared", "-fPIC", "-Wall", "-Werror", f"-I{HEADERS}", "-o"]
        done = subprocess.run([*words, library, code], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return library

    return compile_plugin


@pytest.fixture
def acquisition_folder(tmp_path, monkeypatch):
    """NARVAL_CONFIG of an acquisition of its own; processes find the package, and fake actors."""
    overlay = tmp_path / "overlay" / "narval"
    overlay.mkdir(parents=True)
    (overlay / "__init__.py").write_text(
        "from pkgutil import extend_path\n"
        "__path__ = extend_path(__path__, __name__)\n"
        f"__version__ = {narval.__version__!r}\n"
    )
    (overlay / "actor.py").symlink_to(Path(__file__).with_name("fake_actor.py"))
    folder, runtime = tmp_path / "config", tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    sources = Path(narval.__file__).parent.parent
    monkeypatch.setenv("NARVAL_CONFIG", str(folder))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(runtime))
    monkeypatch.setenv("PYTHONPATH", f"{overlay.parent}:{sources}")
    monkeypatch.delenv("NARVAL_NAMING_SERVICE", raising=False)
    monkeypatch.delenv("NARVAL_SHELL", raising=False)
    return folder
