"""One obstacle in a home does not keep other files from arriving, and is told with its reason."""

from __future__ import annotations

import os
import pickle
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from vmlab_guest.courses.deliver import deliver
from vmlab_guest.courses.held import Outcome
from vmlab_guest.courses.record import RECORD
from vmlab_protocol.receipts import Obstacle, Reason

TRAINEE = 65534
V1 = {"01-a/read.txt": "one", "01-a/exercise.ipynb": "same", "notes": "one", "z.md": "one"}
V2 = {**V1, "01-a/read.txt": "two", "z.md": "two"}


class Home:
    """The home of a user without rights, whose course meets obstacles."""

    def __init__(self, top: Path) -> None:
        self.home = top / "home"
        self.originals = top / "originals"
        self.home.mkdir()
        self.course = self.home / "c"
        if os.geteuid() == 0:
            os.chown(self.home, TRAINEE, TRAINEE)

    def push(self, version: int, files: dict[str, str] | None) -> Outcome:
        original = self.originals / str(version)
        for path, text in {"course.toml": "", **(files or {})}.items():
            (original / path).parent.mkdir(parents=True, exist_ok=True)
            (original / path).write_text(text)
        source = original if files is not None else None
        return self.as_trainee(lambda: deliver(source, self.home, "c", version))

    def as_trainee(self, do: Callable[[], Outcome]) -> Outcome:
        if os.geteuid() != 0:
            return do()
        reader, writer = os.pipe()
        pid = os.fork()
        if pid == 0:  # root is stopped by no obstacle
            try:
                os.setgroups([])
                os.setgid(TRAINEE)
                os.setuid(TRAINEE)
                os.write(writer, pickle.dumps(do()))
            finally:
                os._exit(0)
        os.close(writer)
        with os.fdopen(reader, "rb") as answer:
            said = answer.read()
        os.waitpid(pid, 0)
        assert said, "the delivery ended with an exception"
        return pickle.loads(said)

    def read(self, path: str) -> str:
        return (self.home / path).read_text()


@pytest.fixture
def home() -> Iterator[Home]:
    # Not below pytest's own folder, which another user cannot enter.
    top = Path(tempfile.mkdtemp(prefix="vmlab-obstacles-"))
    top.chmod(0o755)
    yield Home(top)
    subprocess.run(["chattr", "-R", "-i", str(top)], check=False, capture_output=True)
    subprocess.run(["chmod", "-R", "u+rwX", str(top)], check=True)
    shutil.rmtree(top)


def unreadable(home: Home) -> None:
    (home.course / "01-a/read.txt").chmod(0)


def folder(home: Home) -> None:
    (home.course / "01-a/read.txt").unlink()
    (home.course / "01-a/read.txt").mkdir()


def pipe(home: Home) -> None:
    (home.course / "01-a/read.txt").unlink()
    os.mkfifo(home.course / "01-a/read.txt")


def broken_link(home: Home) -> None:
    (home.course / "01-a/read.txt").unlink()
    (home.course / "01-a/read.txt").symlink_to("nowhere")


def huge(home: Home) -> None:
    os.truncate(home.course / "01-a/read.txt", 2**40)


def locked_folder(home: Home) -> None:
    (home.course / "01-a").chmod(0o555)


def closed_folder(home: Home) -> None:
    (home.course / "01-a").chmod(0)


def file_for_folder(home: Home) -> None:
    shutil.rmtree(home.course / "01-a")
    (home.course / "01-a").write_text("mine")


def link_to_itself(home: Home) -> None:
    shutil.rmtree(home.course / "01-a")
    (home.course / "01-a").symlink_to("01-a")


def link_to_nothing(home: Home) -> None:
    shutil.rmtree(home.course / "01-a")
    (home.course / "01-a").symlink_to("/nowhere/at/all")


def pipe_for_folder(home: Home) -> None:
    shutil.rmtree(home.course / "01-a")
    os.mkfifo(home.course / "01-a")


READ, BOTH = {"01-a/read.txt"}, {"01-a/read.txt", "01-a/exercise.ipynb"}


@pytest.mark.parametrize(
    ("make", "reason", "beside", "paths"),
    [
        (unreadable, Reason.UNREADABLE, "c/01-a/read.v2.txt", READ),
        (folder, Reason.NOT_A_FILE, "c/01-a/read.v2.txt", READ),
        (pipe, Reason.NOT_A_FILE, "c/01-a/read.v2.txt", READ),
        (broken_link, Reason.NOT_A_FILE, "c/01-a/read.v2.txt", READ),
        (huge, Reason.EDITED, "c/01-a/read.v2.txt", READ),
        (locked_folder, Reason.FORBIDDEN, "c/01-a.v2/read.txt", READ),
        (closed_folder, Reason.FORBIDDEN, "c/01-a.v2/read.txt", BOTH),
        (file_for_folder, Reason.NOT_A_FOLDER, "c/01-a.v2/read.txt", BOTH),
        (link_to_itself, Reason.NOT_A_FOLDER, "c/01-a.v2/read.txt", BOTH),
        (link_to_nothing, Reason.NOT_A_FOLDER, "c/01-a.v2/read.txt", BOTH),
        (pipe_for_folder, Reason.NOT_A_FOLDER, "c/01-a.v2/read.txt", BOTH),
    ],
)
def test_an_obstacle_is_passed_by_and_told(home, make, reason, beside, paths):
    home.push(1, V1)
    make(home)
    outcome = home.push(2, V2)
    assert home.read("c/z.md") == "two", "the rest arrives"
    assert {held.path: held.reason for held in outcome.held} == dict.fromkeys(paths, reason)
    assert {held.beside for held in outcome.held if held.path == "01-a/read.txt"} == {beside}
    assert home.read(beside) == "two"
    assert outcome.is_complete
    assert home.push(2, V2) == outcome, "the same again says the same and writes nothing"
    copies = [place for place in home.home.rglob("*.v*") if RECORD.name not in place.name]
    assert len(copies) == 1


def test_a_link_to_another_folder_is_followed(home):
    home.push(1, V1)
    (home.course / "01-a").rename(home.home / "elsewhere")
    (home.course / "01-a").symlink_to("../elsewhere")
    assert home.push(2, V2) == Outcome()
    assert home.read("elsewhere/read.txt") == "two"


def test_a_folder_that_was_locked_for_a_while(home):
    """Our own older text in it is not an edited one."""
    home.push(1, V1)
    locked_folder(home)
    home.push(2, V2)
    (home.course / "01-a").chmod(0o755)
    assert home.push(2, V2) == Outcome()
    assert home.read("c/01-a/read.txt") == "two"


def test_an_obstacle_that_is_gone_is_none(home):
    home.push(1, V1)
    file_for_folder(home)
    home.push(2, V2)
    (home.course / "01-a").unlink()
    assert home.push(2, V2) == Outcome()
    assert home.read("c/01-a/read.txt") == "two"


def test_a_course_whose_whole_folder_is_anothers(home):
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    home.push(1, V1)
    subprocess.run(["chown", "-R", "root:root", str(home.course)], check=True)
    outcome = home.push(2, V2)
    assert {(h.path, h.reason, h.beside) for h in outcome.held} == {
        ("01-a/read.txt", Reason.FORBIDDEN, "c.v2/01-a/read.txt"),
        ("z.md", Reason.FORBIDDEN, "c.v2/z.md"),
    }
    assert home.read("c.v2/z.md") == "two"


def test_a_file_that_nobody_may_change(home):
    if os.geteuid() != 0:
        pytest.skip("only root can lock a file")
    home.push(1, V1)
    locked = subprocess.run(["chattr", "+i", str(home.course / "z.md")], check=False)
    if locked.returncode != 0:
        pytest.skip("this file system locks no files")
    outcome = home.push(2, V2)
    assert outcome.held == (Obstacle("z.md", Reason.FORBIDDEN, "c/z.v2.md"),)
    assert home.read("c/01-a/read.txt") == "two"


def test_a_file_where_the_course_should_be(home):
    home.course.write_text("mine")
    outcome = home.push(1, V1)
    assert {held.reason for held in outcome.held} == {Reason.NOT_A_FOLDER}
    assert home.read("c") == "mine"
    assert home.read("c.v1/01-a/read.txt") == "one"


def test_a_home_that_cannot_be_entered_is_told_file_by_file(home):
    home.push(1, V1)
    if os.geteuid() == 0:
        os.chown(home.home, 0, 0)
    home.home.chmod(0o700 if os.geteuid() == 0 else 0)
    outcome = home.push(2, V2)
    assert {held.reason for held in outcome.held} == {Reason.FORBIDDEN}
    assert {held.path for held in outcome.held} == set(V2)
    assert not outcome.is_complete


@pytest.mark.parametrize("kind", ["file", "folder", "pipe", "locked"])
def test_a_record_that_cannot_be_kept_ends_nothing(home, kind):
    place = home.home / RECORD
    if kind == "file":
        (home.home / ".local").write_text("mine")
    else:
        place.parent.mkdir(parents=True)
        if kind == "folder":
            place.mkdir()
        elif kind == "pipe":
            os.mkfifo(place)
        else:
            place.parent.chmod(0o555)
    outcome = home.push(1, V1)
    assert home.read("c/01-a/read.txt") == "one"
    assert all(held.path == str(RECORD) for held in outcome.held)
    home.push(2, V2)
    assert "two" in {place.read_text() for place in home.course.glob("z*.md")}


def test_a_full_disk_takes_what_fits(home):
    """On a real disk of 64 KiB, mounted for this process alone."""
    script = f"""
import sys, tempfile
from pathlib import Path
sys.path[:] = {sys.path!r}
from vmlab_guest.courses.deliver import deliver
from vmlab_guest.courses.held import dump_outcome
print(dump_outcome(deliver(Path({str(home.originals / "1")!r}), Path("/mnt"), "c", 1)))
"""
    files = {"a.md": "a", "big.bin": "x" * 100_000, "z.md": "z"}
    home.push(1, files)
    mount = 'mount -t tmpfs -o size=64k tmpfs /mnt && exec "$0" -c "$1"'
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", mount, sys.executable, script]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    if "unshare" in done.stderr or "mount:" in done.stderr:
        pytest.skip(f"no disk can be mounted here: {done.stderr}")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == (
        '{"held": [{"path": "big.bin", "reason": "no-room", "beside": ""}], "removed": 0}'
    )


def test_names_that_differ_in_case_or_normal_form_are_different_files(home):
    home.course.mkdir()
    if os.geteuid() == 0:
        os.chown(home.course, TRAINEE, TRAINEE)
    (home.course / "Z.md").write_text("mine")
    (home.course / "e\u0301.md").write_text("mine")
    assert home.push(1, {"z.md": "one", "\u00e9.md": "one"}) == Outcome()
    assert home.read("c/Z.md") == home.read("c/e\u0301.md") == "mine"


class TestPathsThatChangeTheirKind:
    def test_a_file_becomes_a_folder(self, home):
        home.push(1, V1)
        outcome = home.push(2, files_v2())
        assert outcome == Outcome(removed=1)
        assert home.read("c/notes/a.txt") == "two"

    def test_an_edited_one_stays(self, home):
        home.push(1, V1)
        (home.course / "notes").write_text("my notes")
        outcome = home.push(2, files_v2())
        assert outcome.held == (Obstacle("notes/a.txt", Reason.NOT_A_FOLDER, "c/notes.v2/a.txt"),)
        assert home.read("c/notes") == "my notes"
        assert home.read("c/notes.v2/a.txt") == "two"
        assert home.push(3, files_v2()) == outcome, "the same text is not put beside again"

    def test_a_folder_becomes_a_file(self, home):
        home.push(1, files_v2())
        assert home.push(2, V1) == Outcome(removed=1)
        assert home.read("c/notes") == "one"

    def test_a_folder_with_something_of_the_trainee(self, home):
        home.push(1, files_v2())
        (home.course / "notes/own.txt").write_text("mine")
        outcome = home.push(2, V1)
        assert outcome.held == (Obstacle("notes", Reason.NOT_A_FILE, "c/notes.v2"),)
        assert home.read("c/notes/own.txt") == "mine"
        assert home.read("c/notes.v2") == "one"


class TestWhatIsNoLongerInTheCourse:
    def test_an_untouched_file_goes_with_its_copies(self, home):
        home.push(1, {**V1, "sub/leak.ipynb": "answers"})
        copies = home.course / "sub/.ipynb_checkpoints"
        copies.mkdir()
        if os.geteuid() == 0:
            os.chown(copies, TRAINEE, TRAINEE)
        (copies / "leak-checkpoint.ipynb").write_text("answers")
        assert home.push(2, V1).removed == 1
        assert not (home.course / "sub").exists()

    def test_an_edited_file_stays(self, home):
        home.push(1, {**V1, "leak.ipynb": "answers"})
        (home.course / "leak.ipynb").write_text("my answers")
        assert home.push(2, V1) == Outcome()
        assert home.read("c/leak.ipynb") == "my answers"

    def test_a_course_that_was_taken_back(self, home):
        home.push(1, V1)
        (home.course / "z.md").write_text("mine")
        home.push(2, V2)
        assert home.read("c/z.v2.md") == "two"
        outcome = home.push(3, None)
        assert outcome == Outcome((Obstacle("z.md", Reason.EDITED),), removed=3)
        left = [p.relative_to(home.home).as_posix() for p in home.course.rglob("*")]
        assert left == ["c/z.md"], "the copy beside it goes, too"
        assert home.push(3, None) == Outcome((Obstacle("z.md", Reason.EDITED),)), "told again"
        assert home.push(4, V1).held == (Obstacle("z.md", Reason.EDITED, "c/z.v4.md"),)
        assert home.read("c/z.md") == "mine"
        assert home.read("c/01-a/read.txt") == "one"

    def test_nothing_is_removed_through_what_is_not_ours(self, home):
        home.push(1, V1)
        locked_folder(home)
        outcome = home.push(2, None)
        assert {held.reason for held in outcome.held} == {Reason.FORBIDDEN}
        assert {held.path for held in outcome.held} == BOTH
        assert not outcome.is_complete


def files_v2() -> dict[str, str]:
    return {path: text for path, text in V1.items() if path != "notes"} | {"notes/a.txt": "two"}
