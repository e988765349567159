"""A server that does not come up: which line says why, and how it gets by without the settings."""

from __future__ import annotations

import os
import stat

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.guest_seeds import ENV
from vmlab_guest.server_request import ServerRequest
from vmlab_guest.standby import can_become
from vmlab_guest.trainee import open_home
from vmlab_guest.trouble import (
    list_settings,
    make_plain,
    make_plain_notice,
    pick_line,
    read_trouble,
    write_trouble,
)
from vmlab_protocol.messages import ServerTrouble

# As real servers said it (jupyter_server 2, jupyterhub 6.1, Python 3.13).
BAD_FOLDER = """\
[I 2026-11-29 16:02:11.402 ServerApp] Extension package jupyterlab took 0.2 s to import
[C 2026-11-29 16:02:12.001 ServerApp] Bad config encountered during initialization: no folder
the server ended with 1; it is started again in 2 s
"""
TRACEBACK = """\
Traceback (most recent call last):
  File "/opt/vmlab/lib/python3.13/site-packages/vmlab_guest/trainee.py", line 100, in become_trainee
    os.chdir(folder)
PermissionError: [Errno 13] Permission denied: '/home/trainee'
"""
COLOURED = "\x1b[1;35m[E 2026-11-29 16:02:12.001 ServerApp]\x1b[m Exception while loading config\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (BAD_FOLDER, "Bad config encountered during initialization: no folder"),
        (TRACEBACK, "PermissionError: [Errno 13] Permission denied: '/home/trainee'"),
        (COLOURED, "Exception while loading config"),
        (COLOURED + TRACEBACK, "PermissionError: [Errno 13] Permission denied: '/home/trainee'"),
        ("Killed\n\n", "Killed"),
        ("", ""),
    ],
)
def test_the_line_that_matters_is_picked(text, line):
    assert pick_line(text) == line


@given(st.text())
def test_any_log_gives_one_short_printable_line(text):
    line = pick_line(text)
    assert line.isprintable()
    assert len(line) <= 300


def test_what_the_zygote_notes_is_read(tmp_path):
    trouble = ServerTrouble(2, is_plain=True, line="why «é»")
    (tmp_path / "note").write_bytes(write_trouble(trouble))
    assert read_trouble(tmp_path / "note") == trouble
    assert read_trouble(tmp_path / "missing") is None


@given(st.binary())
def test_nonsense_is_no_trouble(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("note") / "note"
    path.write_bytes(data)
    assert read_trouble(path) is None


def test_a_plain_server_is_the_same_server_without_the_home(tmp_path):
    request = ServerRequest(ENV, ("--HubOAuth.base_url=/user/ada/",))
    plain = make_plain(request)
    assert plain.env.items() >= ENV.items()
    assert plain.env["JUPYTERHUB_DISABLE_USER_CONFIG"] == "1"
    added = [*(set(plain.env.items()) - set(ENV.items())), *plain.args[1:]]
    assert not [word for word in map(str, added) if "/home" in word]
    assert plain.args[: len(request.args)] == request.args
    assert not can_become(plain.env, plain.args, tmp_path), "a standby server read the settings"


def test_settings_are_found_and_named(tmp_path):
    assert list_settings(tmp_path) == []
    paths = [".jupyter/jupyter_server_config.py", ".jupyter/jupyter_server_config.d/x.json"]
    for path in (*paths, ".jupyter/migrated", ".jupyter/lab/user-settings/x.json"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("")
    assert {str(path.relative_to(tmp_path)) for path in list_settings(tmp_path)} == set(paths)
    notice = make_plain_notice("it said so", ["~/.jupyter/x_config.py"] * 9)
    for text in (notice.en, notice.fr):
        assert "it said so" in text
        assert text.count("~/.jupyter/x_config.py") == 5


@pytest.mark.skipif(os.getuid() != 0, reason="gives folders to others")
@pytest.mark.parametrize(
    ("uid", "mode", "was_closed"),
    [(0, 0o700, True), (1000, 0o000, True), (1000, 0o500, True), (0, 0o755, True),
     (1000, 0o700, False), (1000, 0o755, False)],
)  # fmt: skip
def test_a_home_that_its_trainee_cannot_enter_is_given_back(tmp_path, uid, mode, was_closed):
    (tmp_path / "file").write_text("kept")
    os.chown(tmp_path, uid, uid)
    tmp_path.chmod(mode)
    assert open_home(tmp_path) is was_closed
    status = tmp_path.stat()
    assert status.st_uid == 1000
    assert stat.S_IMODE(status.st_mode) == mode | 0o700
    assert (tmp_path / "file").stat().st_uid == 0, "what is in it is not touched"
    assert open_home(tmp_path) is False
