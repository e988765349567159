"""Archives: the same content gives the same bytes, and nothing evil comes out of one."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.archives import HOSTILE
from fakes.courses import make_files
from vmlab.courses import archive as module
from vmlab.courses import pack_course, unpack_course
from vmlab.courses.folder import is_delivered
from vmlab.errors import ConfigError, CourseError
from vmlab_protocol.paths import path_problem


def tar(*entries: tuple[tarfile.TarInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for info, content in entries:
            info.size = len(content) if info.isreg() else 0
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def entry(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = link
    return info


class TestPacking:
    def test_order_does_not_matter(self):
        files = make_files()
        backwards = dict(reversed(files.items()))
        assert pack_course(files) == pack_course(backwards)

    def test_solutions_stay_at_home(self):
        files = make_files()
        assert unpack_course(pack_course(files).data).keys() == files.keys() - {
            "01-who/solution.ipynb"
        }

    def test_a_changed_solution_changes_nothing(self):
        changed = make_files({"01-who/solution.ipynb": b"other"})
        assert pack_course(changed).digest == pack_course(make_files()).digest

    def test_the_digest_is_that_of_the_tar(self):
        archive = pack_course(make_files())
        assert archive.digest == hashlib.sha256(gzip.decompress(archive.data)).hexdigest()

    def test_no_times_and_no_owners(self):
        data = gzip.decompress(pack_course(make_files()).data)
        with tarfile.open(fileobj=io.BytesIO(data)) as found:
            names = found.getnames()
            assert names == sorted(names)
            for info in found:
                facts = (info.mtime, info.uid, info.gid, info.uname, info.gname, info.mode)
                assert facts == (0, 0, 0, "", "", 0o644)

    def test_too_large(self, monkeypatch):
        monkeypatch.setattr(module, "MAX_ARCHIVE_BYTES", 10)
        with pytest.raises(CourseError, match="at most 0 MiB"):
            pack_course(make_files())

    @given(
        st.dictionaries(
            st.text(min_size=1, max_size=120).filter(lambda p: not path_problem(p)),
            st.binary(max_size=2000),
            max_size=6,
        )
    )
    def test_round_trip(self, files):
        delivered = {path: content for path, content in files.items() if is_delivered(path)}
        assert unpack_course(pack_course(files).data) == delivered


class TestUnpacking:
    def test_an_archive_made_by_hand(self):
        data = tar((entry(".", tarfile.DIRTYPE), b""), (entry("./course.toml"), b"x"))
        assert unpack_course(data) == {"course.toml": b"x"}

    @pytest.mark.parametrize(
        "info",
        [
            entry("x", tarfile.SYMTYPE, "/etc/passwd"),
            entry("x", tarfile.LNKTYPE, "/etc/passwd"),
            entry("x", tarfile.CHRTYPE),
            entry("x", tarfile.FIFOTYPE),
        ],
    )
    def test_only_regular_files(self, info):
        with pytest.raises(CourseError, match="'x', not a regular file"):
            unpack_course(tar((info, b"")))

    @pytest.mark.parametrize("name", ["../x", "/x", "a/../../x", "a\\b"])
    def test_paths_stay_inside(self, name):
        with pytest.raises(ConfigError, match="cannot be delivered"):
            unpack_course(tar((entry(name), b"x")))

    def test_twice_the_same_path(self):
        with pytest.raises(CourseError, match="'a' twice"):
            unpack_course(tar((entry("a"), b"x"), (entry("./a"), b"y")))

    def test_a_bomb_is_stopped_early(self, monkeypatch):
        monkeypatch.setattr(module, "MAX_TOTAL_BYTES", 1024 * 1024)
        bomb = gzip.compress(bytes(64 * 1024 * 1024))
        with pytest.raises(CourseError, match="unpacks to more than"):
            unpack_course(bomb)

    @pytest.mark.timeout(20)  # each of them once took minutes, or for ever
    @pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
    def test_headers_that_lead_nowhere(self, raw):
        with pytest.raises(CourseError):
            unpack_course(gzip.compress(raw))

    def test_too_many_files(self, monkeypatch):
        monkeypatch.setattr(module, "MAX_FILES", 3)
        with pytest.raises(CourseError, match="more than 3 files"):
            unpack_course(tar(*((entry(f"f{n}"), b"") for n in range(4))))

    @pytest.mark.parametrize(
        ("data", "expected"),
        [
            (b"", "cut short"),
            (b"hello", "not a .tar.gz"),
            (pack_course(make_files()).data[:-20], "cut short"),
            (pack_course(make_files()).data + b"x", "after its end"),
            (gzip.compress(b"hello" * 500, mtime=0), "not a readable tar"),
        ],
    )
    def test_no_archive_at_all(self, data, expected):
        with pytest.raises(CourseError, match=expected):
            unpack_course(data)

    @given(st.binary(max_size=3000))
    def test_any_bytes_give_a_course_or_our_error(self, data):
        for candidate in (data, gzip.compress(data)):
            try:
                unpack_course(candidate)
            except (CourseError, ConfigError):
                continue
