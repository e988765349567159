"""A course that the hub takes arrives in every machine as it is."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab.courses import pack_course, unpack_course
from vmlab.courses.folder import check_limits, is_delivered, path_problem
from vmlab.errors import ConfigError
from vmlab_guest.courses.archive import unpack
from vmlab_guest.courses.names import is_safe_path

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


@given(_PATHS | st.text(max_size=300))
def test_no_path_is_fine_for_the_hub_and_not_for_a_machine(path):
    assert path_problem(path) or is_safe_path(path)


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
