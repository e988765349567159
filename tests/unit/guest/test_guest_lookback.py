"""Looking through a snapshot and bringing back what is in it: nothing escapes, nothing is lost."""

from __future__ import annotations

import errno
import os
import socket
import string
import tempfile
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from fakes.fake_system import FakeSystem
from vmlab_guest.lookback import (
    Kind,
    LookError,
    find_in,
    find_shown,
    find_snapshot,
    list_folder,
    split_path,
)
from vmlab_guest.restore import make_kept_name, restore

ID = "hourly-20261127T140000Z"
STAMP = "20261127T150405"


@pytest.fixture
def top(tmp_path: Path) -> Path:
    """A snapshot."""
    top = tmp_path / "snapshot"
    (top / "work/deep").mkdir(parents=True)
    (top / "lost+found").mkdir()
    (top / "work/report.ipynb").write_text("old")
    (top / "work/deep/odd\nname\udcff").write_text("odd")
    (top / "work/link").symlink_to("/etc")
    (top / "thesis.tex").write_text("chapter one")
    return top


@pytest.fixture
def home(tmp_path: Path) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    return home


def tree(folder: Path) -> dict[str, str]:
    """Return all files below a folder, links as what they lead to."""
    return {
        str(path.relative_to(folder)): f"-> {path.readlink()}"
        if path.is_symlink()
        else path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or path.is_file()
    }


def test_a_folder_is_listed_folders_first_and_without_the_file_system_s_own(top):
    entries = list_folder(top, "").entries
    assert [(e.name, e.kind) for e in entries] == [("work", Kind.FOLDER), ("thesis.tex", Kind.FILE)]
    kinds = {e.name: e.kind for e in list_folder(top, "work").entries}
    assert kinds == {"deep": Kind.FOLDER, "link": Kind.LINK, "report.ipynb": Kind.FILE}
    assert [e.name for e in list_folder(top, "work/deep").entries] == ["odd\nname\udcff"]
    assert entries[1].size_bytes == len("chapter one")


def test_a_long_list_is_cut_and_says_so(top):
    assert not list_folder(top, "work", most=3).is_cut
    listing = list_folder(top, "work", most=2)
    assert (len(listing.entries), listing.is_cut) == (2, True)


@pytest.mark.parametrize(
    "path",
    ["..", "work/..", "work/../..", "/etc", "/", ".", "work//deep", "work/", "a\0b", "x" * 300],
)
def test_no_path_leads_out(top, path):
    with pytest.raises(LookError):
        find_in(top, path)


@pytest.mark.parametrize("path", ["work/link/passwd", "work/link/..", "thesis.tex/x", "missing"])
def test_no_link_is_followed(top, path):
    with pytest.raises(LookError):
        list_folder(top, path)
    with pytest.raises(LookError):
        find_in(top, path)


def test_a_link_itself_can_be_found_but_not_be_looked_into(top):
    assert find_in(top, "work/link").is_symlink()
    with pytest.raises(LookError, match="not a folder"):
        list_folder(top, "work/link")


@given(st.text(st.sampled_from("./ab\0"), max_size=12))
def test_what_passes_stays_within(path):
    try:
        parts = split_path(path)
    except LookError:
        return
    where = os.path.normpath("/".join(("/top", *parts)))
    assert where == "/".join(("/top", *parts))


def test_the_snapshot_that_is_open_is_found(tmp_path):
    system = FakeSystem(tmp_path / "root")
    assert find_shown(system.root) == ""
    with pytest.raises(LookError, match="open it first"):
        find_snapshot(system.root, ID)
    (system.root / "snapshots" / ID).mkdir(parents=True)
    system.mount("/dev/vdc", f"/snapshots/{ID}", "ext4", "ro")
    assert find_shown(system.root) == ID
    assert find_snapshot(system.root, ID) == system.root / "snapshots" / ID
    with pytest.raises(LookError, match="not a name of a snapshot"):
        find_snapshot(system.root, "../etc")


def test_everything_comes_back_and_what_it_replaces_is_kept(top, home):
    (home / "thesis.tex").write_text("chapter one, better")
    (home / "new").write_text("mine")
    done = restore(top, home, [""], STAMP)
    assert (done.restored, done.unchanged, done.failed) == (4, 0, [])
    assert done.kept == [f"thesis.kept-{STAMP}.tex"]
    assert tree(home) == {
        **tree(top),
        "new": "mine",
        f"thesis.kept-{STAMP}.tex": "chapter one, better",
    }
    assert not (home / "lost+found").exists()
    again = restore(top, home, [""], STAMP)
    assert (again.restored, again.unchanged, again.kept) == (0, 4, [])


def test_one_file_comes_back_with_the_folders_that_lead_to_it(top, home):
    (top / "work").chmod(0o750)
    os.utime(top / "work/report.ipynb", (1, 1_000_000))
    (top / "work/report.ipynb").chmod(0o4755)
    done = restore(top, home, ["work/report.ipynb"], STAMP)
    assert (done.restored, done.kept) == (1, [])
    assert tree(home) == {"work/report.ipynb": "old"}
    status = (home / "work/report.ipynb").stat()
    assert (status.st_mtime, status.st_mode & 0o7777) == (1_000_000, 0o755)
    assert (home / "work").stat().st_mode & 0o777 == 0o750


def test_what_is_of_another_kind_now_is_set_aside(top, home):
    (home / "thesis.tex").mkdir()
    (home / "thesis.tex/notes").write_text("notes")
    outside = home.parent / "outside"
    outside.mkdir()
    (home / "work").symlink_to(outside)
    done = restore(top, home, ["thesis.tex", "work/report.ipynb"], STAMP)
    assert (done.restored, done.failed) == (2, [])
    assert (home / f"thesis.kept-{STAMP}.tex/notes").read_text() == "notes"
    assert (home / f"work.kept-{STAMP}").readlink() == outside
    assert (home / "work/report.ipynb").read_text() == "old"
    assert not list(outside.iterdir())


def test_two_restores_in_one_second_keep_both(top, home):
    for text in ("first", "second"):
        (home / "thesis.tex").write_text(text)
        restore(top, home, ["thesis.tex"], STAMP)
    kept = sorted(path.read_text() for path in home.glob("*.kept-*"))
    assert kept == ["first", "second"]


def test_what_cannot_be_brought_back_is_told_and_the_rest_is(top, home):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(top / "listener"))
        done = restore(top, home, ["missing", "../x", "listener", "thesis.tex"], STAMP)
    assert done.restored == 1
    assert [failure.path for failure in done.failed] == ["missing", "../x", "listener"]
    assert tree(home) == {"thesis.tex": "chapter one"}


def test_a_full_disk_ends_it_and_leaves_all_as_it_was(top, home, monkeypatch):
    (home / "thesis.tex").write_text("chapter one, better")

    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "pwrite", refuse)
    done = restore(top, home, ["thesis.tex", "work"], STAMP)
    assert done.is_full
    assert [failure.path for failure in done.failed] == ["thesis.tex"]
    assert tree(home) == {"thesis.tex": "chapter one, better"}


def test_a_file_that_cannot_have_a_second_name_is_kept_all_the_same(top, home, monkeypatch):
    (home / "thesis.tex").write_text("root's")

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    restore(top, home, ["thesis.tex"], STAMP)
    assert tree(home) == {"thesis.tex": "chapter one", f"thesis.kept-{STAMP}.tex": "root's"}


def test_a_file_with_holes_comes_back_as_it_was_and_takes_no_more_space(top, home):
    with (top / "sparse").open("wb") as stream:
        stream.seek(64 * 2**20)
        stream.write(b"end")
        stream.truncate(65 * 2**20)
    assert restore(top, home, ["sparse"], STAMP).restored == 1
    assert (home / "sparse").read_bytes() == (top / "sparse").read_bytes()
    assert (home / "sparse").stat().st_blocks < 4096


trees = st.dictionaries(
    st.text(st.sampled_from("ab/"), min_size=1, max_size=5)
    .map(lambda path: path.strip("/").replace("//", "/"))
    .filter(bool),
    st.text(string.ascii_letters, max_size=3),
    max_size=5,
)


def write(folder: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        place = folder / path
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            if not place.is_dir():
                place.write_text(text)
        except (FileExistsError, NotADirectoryError):
            continue  # a file is where a folder would have to be


@given(trees, trees)
def test_no_content_is_ever_lost(before, now):
    with tempfile.TemporaryDirectory() as name:
        top, home = Path(name) / "top", Path(name) / "home"
        for folder, files in ((top, before), (home, now)):
            folder.mkdir()
            write(folder, files)
        had, wanted = tree(home), tree(top)
        done = restore(top, home, [""], STAMP)
        has = tree(home)
        assert done.failed == []
        assert has.items() >= wanted.items()
        assert set(had.values()) <= set(has.values())


# Whatever the kernel takes for a name: bytes, UTF-8 or not.
file_names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=255).map(
    os.fsencode
) | st.binary(min_size=1, max_size=255)


@given(file_names, st.integers(0, 9))
def test_a_kept_name_is_a_name_and_another_one(raw, number):
    assume(raw not in {b".", b".."} and not {0, ord("/")} & set(raw) and len(raw) <= 255)
    name = os.fsdecode(raw)
    kept = make_kept_name(name, STAMP, number)
    assert kept != name
    assert "/" not in kept
    assert len(os.fsencode(kept)) <= 255


def test_a_kept_file_opens_as_before():
    assert make_kept_name("report.ipynb", STAMP) == f"report.kept-{STAMP}.ipynb"
    assert make_kept_name(".bashrc", STAMP, 2) == f".bashrc.kept-{STAMP}-2"
