"""Files are replaced as one step, and never through somebody else's link."""

from __future__ import annotations

import stat
import threading

import pytest

from vmlab_protocol.atomic import write_atomic


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "f"
    write_atomic(path, b"old")
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(OSError, match="No space left"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["f"]


@pytest.mark.attack("worker.reads", "waits with a link under the name that root writes to next")
def test_writing_a_file_follows_no_link(tmp_path, monkeypatch, tried):
    secret = tmp_path / "secret"
    secret.write_text("root's own")
    monkeypatch.setattr("os.urandom", bytes)
    (tmp_path / ".vmlab-00000000.tmp").symlink_to(secret)
    with pytest.raises(FileExistsError):
        write_atomic(tmp_path / "machine.json", b"{}")
    assert secret.read_text() == "root's own"
    tried(1)


@pytest.mark.parametrize("durable", [False, True])
def test_it_has_its_mode_whatever_was_there_before(tmp_path, durable):
    path = tmp_path / "secret"
    path.write_bytes(b"old")
    path.chmod(0o644)
    write_atomic(path, b"new", durable=durable)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    write_atomic(path, b"newer", mode=0o640, durable=durable)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert path.read_bytes() == b"newer"


def test_a_name_as_long_as_names_can_be(tmp_path):
    path = tmp_path / ("n" * 255)
    write_atomic(path, b"text")
    assert path.read_bytes() == b"text"


def test_many_writers_leave_one_whole_file(tmp_path):
    path = tmp_path / "f"
    texts = [bytes([65 + number]) * 100_000 for number in range(8)]
    threads = [threading.Thread(target=write_atomic, args=(path, text)) for text in texts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert path.read_bytes() in texts
    assert [p.name for p in tmp_path.iterdir()] == ["f"]
