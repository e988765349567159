"""One hub a state folder: who holds the lock is told as long as it is held, and no longer."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from vmlab.errors import HostError
from vmlab.hub.lock import Holder, HubLock, last_holder, lock_path, running_holder
from vmlab.paths import Paths

HOLDER = Holder(
    pid=os.getpid(),
    hub_pid=4711,
    url="http://127.0.0.1:8000/",
    lab="/labs/lab.toml",
    provider="fake",
    options={"accelerator": "auto"},
    started=1.0,
)


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    return Paths(tmp_path / "state", tmp_path / "cache")


def test_nobody_holds_a_lock_that_never_was(paths: Paths) -> None:
    assert running_holder(paths) is None
    assert last_holder(paths) is None


def test_the_holder_is_told_while_the_lock_is_held(paths: Paths) -> None:
    with HubLock(paths) as lock:
        lock.write(HOLDER)
        assert running_holder(paths) == HOLDER
    assert running_holder(paths) is None
    assert last_holder(paths) == HOLDER
    assert stat.S_IMODE(lock_path(paths).stat().st_mode) == 0o600


def test_a_second_hub_is_told_pid_and_folder(paths: Paths) -> None:
    with HubLock(paths) as lock:
        lock.write(HOLDER)
        with pytest.raises(HostError) as caught:
            HubLock(paths)
    assert f"a hub already runs on the state folder {paths.state} (pid 4711" in str(caught.value)
    assert "vmlab down" in caught.value.hint
    HubLock(paths).__exit__(None, None, None)


def test_a_copy_of_the_descriptor_keeps_the_lock(paths: Paths) -> None:
    """As the hub's process keeps it when `vmlab up` was killed."""
    lock = HubLock(paths)
    lock.write(HOLDER)
    copy = os.dup(lock.descriptor)
    lock.__exit__(None, None, None)
    assert running_holder(paths) == HOLDER
    os.close(copy)
    assert running_holder(paths) is None


def test_a_shorter_entry_replaces_a_longer_one(paths: Paths) -> None:
    with HubLock(paths) as lock:
        lock.write(Holder(**{**HOLDER.__dict__, "lab": "/" + "x" * 300}))
        lock.write(HOLDER)
        assert running_holder(paths) == HOLDER


def test_a_held_lock_without_content_is_an_error(paths: Paths) -> None:
    with HubLock(paths), pytest.raises(HostError, match="is locked, but names no pid"):
        running_holder(paths)


def test_a_state_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(HostError, match=r"hub\.lock cannot be opened"):
        HubLock(Paths(tmp_path / "file", tmp_path))


def test_what_a_vmlab_before_options_wrote_is_still_understood(paths: Paths) -> None:
    paths.state.mkdir()
    text = (
        '{"pid": 12, "hub_pid": 13, "url": "http://x", "lab": "lab.toml", "provider": "qemu", '
        '"accelerator": "tcg", "started": 1.5, "volume_mib": 512, "total_mib": 0}'
    )
    lock_path(paths).write_text(text)
    held = last_holder(paths)
    assert held is not None
    assert (held.options, held.volume_mib) == ({"accelerator": "tcg"}, 512)
    for damaged in ('"options": [1]', '"options": {}, "x": 1'):
        lock_path(paths).write_text(text.replace('"accelerator": "tcg"', damaged))
        assert last_holder(paths) is None
