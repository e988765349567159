"""`vmlab volume restore|delete`: looked at first, asked about then."""

from __future__ import annotations

import os

import pytest

from fakes.forks import run_command
from vmlab_protocol.snapshots import Reason
from volumes.conftest import make


@pytest.fixture
def lab(tmp_path):
    file = tmp_path / "lab.toml"
    file.write_text('[provider]\nname = "fake"\n')
    (tmp_path / "jupyterhub_config.py").touch()
    return tmp_path


def run(state, lab, *words: str, answer: str = "") -> tuple[int, str]:
    own = {"VMLAB_STATE": str(state), "VMLAB_PROJECT": str(lab), "COLUMNS": "300"}
    done = run_command("volume", *words, environment={**os.environ, **own}, answer=answer)
    return done.returncode, done.stdout + done.stderr


async def test_nobody_is_asked_about_what_cannot_be_done(store, state, lab):
    await make(store)
    taken = await store.snapshot("home-ada", Reason.MANUAL)
    for words, told in (
        (("restore", "home-ada", "manual-20000101T000000Z"), "it has no snapshot"),
        (("restore", "home-add", taken.id), "`vmlab volume list` shows all volumes"),
        (("delete", "home-add"), "`vmlab volume list` shows all volumes"),
    ):
        status, said = run(state, lab, *words)
        assert status == 1
        assert told in said
        assert "[y/N]" not in said
        assert "mean home-ada" not in said, "another one is nobody's wish"
    status, said = run(state, lab, "delete", "home-ada", answer="n\n")
    assert status == 1
    assert "Delete home-ada (user ada)?" in said
    status, said = run(state, lab, "restore", "home-ada", taken.id, answer="y\n")
    assert status == 0, said
    assert f"{taken.id} is restored" in said
