"""A course that the hub takes arrives in every machine as it is."""

from __future__ import annotations

import io
import sys
import tempfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab.courses import pack_course, unpack_course
from vmlab.courses.folder import check_limits, is_delivered
from vmlab.errors import ConfigError
from vmlab_guest.courses.archive import unpack
from vmlab_protocol.paths import path_problem

_PART = st.text(max_size=12) | st.sampled_from(["a", "b", "c.ipynb", "é", "a\u00a0b", "..", "-rf"])
_PATHS = st.lists(_PART, min_size=1, max_size=9).map("/".join)


@pytest.mark.attack("parsers.course-arrives", "folders with files of any name")
@given(st.dictionaries(_PATHS, st.binary(max_size=20), max_size=6))
def test_what_the_hub_takes_a_machine_unpacks(files):
    try:
        check_limits(files, "course")
    except ConfigError:
        return
    archive = pack_course(files)
    delivered = {path: content for path, content in files.items() if is_delivered(path)}
    assert unpack_course(archive.data) == delivered
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "1"
        unpack(io.BytesIO(archive.data), archive.digest, target)
        found = {
            path.relative_to(target).as_posix(): path.read_bytes()
            for path in target.rglob("*")
            if path.is_file()
        }
        assert found == delivered


@pytest.mark.attack("parsers.course-arrives", "every character of Unicode in a file's name")
def test_no_character_is_fine_for_the_hub_and_cannot_be_in_a_machine(tmp_path):
    """All 1 114 112, each as the hub takes it and as a machine's archive and disk take it."""
    fine = [c for c in map(chr, range(sys.maxunicode + 1)) if not path_problem(f"a{c}b")]
    assert 800_000 < len(fine) < sys.maxunicode
    invisible = [c for c in fine if unicodedata.category(c) in {"Cc", "Cs", "Co", "Zs", "Zl", "Zp"}]
    assert invisible == [" "]
    # A name has 200 bytes: fifty characters of four each, and all of them in few files.
    names = ["".join(fine[at : at + 48]).replace("/", "") for at in range(0, len(fine), 48)]
    some = names[:200] + names[-200:] + names[200:-200:30]
    files = {f"a{name}": b"x" for name in some}
    check_limits(files, "course")
    archive = pack_course(files)
    unpack(io.BytesIO(archive.data), archive.digest, tmp_path / "1")
    delivered = {path for path in files if is_delivered(path)}
    assert {place.name for place in (tmp_path / "1").iterdir()} == delivered


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        ({"a\u00a0b": b""}, "no-break space"),
        ({"a\tb": b""}, "invisible"),
        ({"a": b"", "a/b/c": b""}, "'a' is both a file and a folder"),
    ],
)
def test_what_no_machine_could_unpack_is_told_to_the_trainer(files, reason):
    with pytest.raises(ConfigError, match=reason):
        check_limits(files, "course")
