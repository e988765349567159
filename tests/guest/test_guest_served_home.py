"""A real JupyterLab whose home is on a file server that goes away: what waits, and what does not.

The file server is played by `os.stat`, which returns for no path of the home while it is away: as
the kernel has it, in whatever thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from browser.machine_lab import LabServer, run_lab
from fakes.waiting import LIMIT_S, wait_until

ANSWER_S = 6.0  # longer than what else is asked meanwhile takes
CONFIG = """
import os, time
from pathlib import Path

away, home, look = Path({away!r}), {home!r}, os.stat


def stat(path, *args, **more):
    if isinstance(path, str | os.PathLike) and os.fspath(path).startswith(home):
        while away.exists():
            time.sleep(0.02)
    return look(path, *args, **more)


os.stat = stat
"""


@pytest.fixture(scope="module")
def away(tmp_path_factory) -> Path:
    """The file server is away while this file is there."""
    return tmp_path_factory.mktemp("served") / "away"


@pytest.fixture(scope="module")
def lab(tmp_path_factory, away) -> Iterator[LabServer]:
    folder = tmp_path_factory.mktemp("lab")
    config = folder / "config/jupyter_server_config.py"
    config.parent.mkdir()
    home = folder / "root/home/trainee"
    config.write_text(CONFIG.format(away=str(away), home=str(home)))
    own = folder / "own"
    words = (
        "--ServerApp.contents_manager_class=vmlab_guest.served_files.ServedFiles",
        "--ServerApp.kernel_spec_manager_class=vmlab_guest.served_files.LocalSpecs",
        f"--ServedFiles.answer_s={ANSWER_S}",
        "--ServedFiles.silent_s=2",
        f"--LabApp.user_settings_dir={own}/settings",
        f"--LabApp.workspaces_dir={own}/workspaces",
    )
    env = {"JUPYTER_CONFIG_DIR": str(own), "JUPYTER_DATA_DIR": str(own / "data")}
    with run_lab(folder, *words, **env) as server:
        yield server
        away.unlink(missing_ok=True)


def test_files_are_there_as_they_always_are(lab):
    lab.put("api/contents/a.txt", {"type": "file", "format": "text", "content": "one"})
    assert lab.get("api/contents/a.txt").json()["content"] == "one"
    assert lab.get("files/a.txt").text == "one"
    assert (lab.home / "a.txt").read_text() == "one"
    assert lab.post("api/terminals", {}).ok


def test_who_asks_for_a_file_waits_and_nobody_else_does(lab, away):
    (lab.home / "b.txt").write_text("two")
    lab.tell("notices.json", [])
    away.touch()
    asked = ("api/contents/?content=1", "api/contents/b.txt", "files/b.txt")
    with ThreadPoolExecutor(len(asked)) as others:
        try:
            files = [others.submit(lab.get, path) for path in asked]
            for path in (
                "vmlab/notices",
                "lab",
                "lab/api/settings?ids_only=true",
                "lab/api/workspaces/default",
                "api/kernelspecs",
                "api/sessions",
                "api/terminals",
                "api/status",
            ):
                assert lab.get(path).ok, path
            answers = [each.result(LIMIT_S) for each in files]
            assert [each.status_code for each in answers] == [503] * len(asked)
            assert "this file is on it" in answers[0].json()["message"]
            assert lab.post("api/terminals", {}).status_code == 503
            body = {"path": "b.ipynb", "type": "notebook", "kernel": {"name": "python3"}}
            refused = lab.post("api/sessions", body)
            assert refused.status_code == 500, "Jupyter's word for whatever keeps a kernel"
            assert "this file is on it" in refused.json()["message"]
        finally:
            away.unlink()
    wait_until(lambda: lab.get("api/contents/b.txt").ok)
    assert lab.get("files/b.txt").text == "two"
    wait_until(lambda: lab.post("api/terminals", {}).ok)
