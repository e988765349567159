"""Archives from outside: only plain files below one folder, complete or not at all."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.archives import HOSTILE
from vmlab.courses.archive import pack_course
from vmlab_guest.courses import archive as module
from vmlab_guest.courses.archive import unpack
from vmlab_guest.courses.follow import make_pause
from vmlab_guest.courses.held import Outcome, dump_outcome, parse_outcome
from vmlab_guest.courses.names import make_beside
from vmlab_guest.errors import DeliveryError
from vmlab_protocol.receipts import Obstacle, Reason


def make_tar(*members: tarfile.TarInfo, content: bytes = b"text") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for member in members:
            member.size = len(content) if member.isreg() else 0
            tar.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


def unpack_raw(raw: bytes, target: Path) -> None:
    unpack(io.BytesIO(gzip.compress(raw)), hashlib.sha256(raw).hexdigest(), target)


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info


def test_takes_what_the_hub_packs(tmp_path: Path) -> None:
    files = {"course.toml": b"[course]", "01/exercise.ipynb": b"{}", "01/data/a b.csv": b"1"}
    packed = pack_course({**files, "01/solution.ipynb": b"not for trainees"})
    target = tmp_path / "first" / "1"
    unpack(io.BytesIO(packed.data), packed.digest, target)
    found = {p.relative_to(target).as_posix(): p.read_bytes() for p in target.rglob("*.*")}
    assert found == files
    assert [p.name for p in target.parent.iterdir()] == ["1"]


@pytest.mark.timeout(20)  # each of them once took minutes, or for ever
@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
def test_headers_that_lead_nowhere(tmp_path: Path, raw: bytes) -> None:
    with pytest.raises(DeliveryError):
        unpack_raw(raw, tmp_path / "1")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "member",
    [
        entry("../outside"),
        entry("a/../../outside"),
        entry("/etc/cron.d/x"),
        entry("a//b"),
        entry("a\\b"),
        entry("bell\x07"),
        entry("x" * 250),
        entry("/".join("abcdefghijkl")),
        entry("link", tarfile.SYMTYPE, "/etc/passwd"),
        entry("hard", tarfile.LNKTYPE, "course.toml"),
        entry("device", tarfile.CHRTYPE),
        entry("pipe", tarfile.FIFOTYPE),
    ],
    ids=lambda member: repr(member.name[:20]),
)
def test_refuses_what_no_course_holds(tmp_path: Path, member: tarfile.TarInfo) -> None:
    with pytest.raises(DeliveryError, match="the archive holds"):
        unpack_raw(make_tar(entry("course.toml"), member), tmp_path / "c" / "1")
    assert list((tmp_path / "c").iterdir()) == []
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


def test_refuses_a_name_twice(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError, match="twice"):
        unpack_raw(make_tar(entry("a"), entry("a")), tmp_path / "1")
    with pytest.raises(DeliveryError, match="twice"):
        unpack_raw(make_tar(entry("a"), entry("a/b")), tmp_path / "1")
    with pytest.raises(DeliveryError, match="twice"):
        unpack_raw(make_tar(entry("a"), entry("a", tarfile.DIRTYPE)), tmp_path / "1")


def test_refuses_another_digest_and_keeps_the_old_version(tmp_path: Path) -> None:
    target = tmp_path / "1"
    unpack_raw(make_tar(entry("old")), target)
    raw = make_tar(entry("new"))
    with pytest.raises(DeliveryError, match="digest"):
        unpack(io.BytesIO(gzip.compress(raw)), "0" * 64, target)
    assert [p.name for p in target.iterdir()] == ["old"]
    unpack_raw(raw, target)
    assert [p.name for p in target.iterdir()] == ["new"]


@pytest.mark.parametrize("keep", [0, 1, 30, -1])
def test_refuses_an_archive_cut_short(tmp_path: Path, keep: int) -> None:
    raw = make_tar(entry("a"))
    data = gzip.compress(raw)[:keep]
    with pytest.raises(DeliveryError, match=r"cut short|damaged"):
        unpack(io.BytesIO(data), hashlib.sha256(raw).hexdigest(), tmp_path / "1")


def test_a_bomb_is_stopped_while_it_unpacks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_UNPACKED_BYTES", 100_000)
    bomb = io.BytesIO(gzip.compress(b"\0" * 5_000_000))
    with pytest.raises(DeliveryError, match="more than 100000 bytes"):
        unpack(bomb, "0" * 64, tmp_path / "1")


@given(st.binary(max_size=2000))
def test_any_bytes_are_refused_in_order(
    tmp_path_factory: pytest.TempPathFactory, raw: bytes
) -> None:
    target = tmp_path_factory.mktemp("any") / "1"
    try:
        unpack_raw(raw, target)
    except DeliveryError:
        assert not target.exists()
    else:
        assert list(target.iterdir()) == []  # zeros are an empty archive


@pytest.mark.parametrize(
    ("path", "beside"),
    [
        ("exercise.ipynb", "exercise.v2.ipynb"),
        ("01/a.b.csv", "01/a.b.v2.csv"),
        ("01/Makefile", "01/Makefile.v2"),
        ("01/.hidden", "01/.hidden.v2"),
    ],
)
def test_names_beside(path: str, beside: str) -> None:
    assert make_beside(path, 2) == beside


HELD = Obstacle("a.md", Reason.FORBIDDEN, "a.v2.md")


@pytest.mark.parametrize(
    "output",
    [
        b"",
        b"[]",
        b'{"held": 1, "removed": 0}',
        b'{"held": [1], "removed": 0}',
        b'{"held": [], "removed": -1}',
        b'{"held": [], "removed": true}',
        b"\xff",
        dump_outcome(Outcome((HELD,))).replace("forbidden", "no such reason").encode(),
        dump_outcome(Outcome((HELD,))).replace("a.md", "a" * 500).encode(),
    ],
)
def test_a_helper_that_lies_is_not_believed(output: bytes) -> None:
    with pytest.raises(DeliveryError):
        parse_outcome(output)


def test_the_helper_is_understood() -> None:
    outcome = Outcome((HELD, Obstacle("b.md", Reason.EDITED)), 3)
    assert parse_outcome(dump_outcome(outcome).encode()) == outcome
    assert (outcome.kept, outcome.obstacles, outcome.is_complete) == (("b.md",), (HELD,), True)


@given(st.integers(min_value=1, max_value=10**6), st.floats(min_value=0, max_value=1))
def test_pauses_grow_to_a_minute_and_are_spread(failures: int, chance: float) -> None:
    pause = make_pause(failures, chance)
    assert 0.5 <= pause <= 60
    assert make_pause(failures, 0) * 2 == make_pause(failures, 1)
