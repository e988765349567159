"""The home as an archive: whatever is in it, and whatever happens to it meanwhile."""

from __future__ import annotations

import io
import os
import socket
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab_guest.takehome import NOTE, _Padded, write_archive


def take(home: Path) -> tuple[dict[str, bytes], list[str]]:
    """Return the archive's files by name, and what was not taken."""
    out = io.BytesIO()
    problems = write_archive(home, "ada-home", out.write)
    out.seek(0)
    files = {}
    with tarfile.open(fileobj=out, mode="r:gz") as archive:
        for member in archive:
            stream = archive.extractfile(member) if member.isreg() else None
            files[member.name] = stream.read() if stream else b""
    return files, problems


def test_files_folders_and_links_are_taken_and_caches_are_not(tmp_path):
    (tmp_path / "a/b").mkdir(parents=True)
    (tmp_path / "a/b/data").write_bytes(os.urandom(600_000))
    (tmp_path / "a/odd\nname\udcff").write_bytes(b"odd")
    (tmp_path / "link").symlink_to("/etc/passwd")
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache/x").write_bytes(b"x")
    (tmp_path / "a/.cache").mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "listener"))
        files, problems = take(tmp_path)
    assert problems == []
    assert files["ada-home/a/b/data"] == (tmp_path / "a/b/data").read_bytes()
    assert files["ada-home/a/odd\nname\udcff"] == b"odd"
    assert files["ada-home/link"] == b""
    assert "ada-home/a/.cache" in files
    assert not [name for name in files if name.startswith("ada-home/.cache")]


def test_a_file_of_two_names_is_whole_in_both_places(tmp_path):
    (tmp_path / "one").write_bytes(b"same")
    os.link(tmp_path / "one", tmp_path / "two")
    files, _ = take(tmp_path)
    assert files["ada-home/one"] == files["ada-home/two"] == b"same"


def test_what_cannot_be_read_is_named_in_the_archive(tmp_path, monkeypatch):
    (tmp_path / "mine").write_bytes(b"mine")
    (tmp_path / "secret").write_bytes(b"root's")
    really = os.open

    def refuse(path, flags, *more, **options):
        if str(path).endswith("secret"):
            raise PermissionError(13, "Permission denied")
        return really(path, flags, *more, **options)

    monkeypatch.setattr("vmlab_guest.takehome.os.open", refuse)
    files, problems = take(tmp_path)
    assert problems == ["secret: Permission denied"]
    assert files[f"ada-home/{NOTE}"] == b"secret: Permission denied\n"
    assert files["ada-home/mine"] == b"mine"
    assert "ada-home/secret" not in files


def test_a_browser_that_goes_away_ends_the_work(tmp_path):
    (tmp_path / "data").write_bytes(os.urandom(3_000_000))
    pieces: list[int] = []

    def write(piece: bytes) -> None:
        pieces.append(len(piece))
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        write_archive(tmp_path, "ada-home", write)
    assert sum(pieces) < 3_000_000


@given(st.binary(max_size=200), st.integers(0, 300), st.lists(st.integers(-1, 50), max_size=20))
def test_a_file_gives_as_much_as_it_promised(content, promised, reads):
    padded = _Padded(io.BytesIO(content), promised)
    data = b"".join(padded.read(size) for size in [*reads, -1])
    assert data == content[:promised].ljust(promised, b"\0")
    assert padded.missing == max(0, promised - len(content))
