"""The list of published courses: what the hub writes, machines read."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vmlab_protocol.courses import (
    MAX_COURSES,
    MAX_VERSION,
    NAME_PATTERN,
    CourseVersion,
    Listing,
    dump_course,
    dump_listing,
    is_version,
    parse_listing,
)
from vmlab_protocol.errors import FormatError
from vmlab_protocol.outside import load_json

DIGEST = "a" * 64


@pytest.mark.parametrize(
    "row",
    [
        {},
        "text",
        {"name": "../x", "version": 1, "digest": DIGEST},
        {"name": "x", "version": "1", "digest": DIGEST},
        {"name": "x", "version": True, "digest": DIGEST},
        {"name": "x", "version": 0, "digest": DIGEST},
        {"name": "x", "version": 1, "digest": "short"},
    ],
)
def test_a_listing_that_breaks_its_format(row: object) -> None:
    with pytest.raises(FormatError):
        parse_listing({"digest": "d", "courses": [row]})


@pytest.mark.parametrize("value", [None, [], {}, {"digest": 1, "courses": []}, {"digest": "d"}])
def test_no_listing_at_all(value: object) -> None:
    with pytest.raises(FormatError):
        parse_listing(value)


def test_an_empty_listing_is_right() -> None:
    assert parse_listing({"digest": "d", "courses": []}) == Listing("d", ())


def test_what_was_taken_back_is_listed_without_a_digest() -> None:
    listing = parse_listing(
        {"digest": "d", "courses": [], "removed": [{"name": "old", "version": 3}]}
    )
    assert listing.courses == (CourseVersion("old", 3),)
    assert listing.courses[0].is_removed


@pytest.mark.parametrize("removed", [1, [1], [{"name": "../x", "version": 1}], [{"name": "x"}]])
def test_a_wrong_list_of_what_was_taken_back(removed: object) -> None:
    with pytest.raises(FormatError):
        parse_listing({"digest": "d", "courses": [], "removed": removed})


@pytest.mark.parametrize("digest", ["*" * 64, "../" * 21 + "x", "AB" * 32])
def test_a_listing_with_a_digest_that_is_none(digest):
    course = {"name": "first-steps", "version": 1, "digest": digest}
    with pytest.raises(FormatError, match="the list of courses holds"):
        parse_listing({"digest": "x", "courses": [course]})


courses = st.builds(
    CourseVersion,
    st.from_regex(NAME_PATTERN, fullmatch=True),
    st.integers(1, MAX_VERSION),
    st.text("0123456789abcdef", min_size=64, max_size=64),
)


@given(st.lists(courses, max_size=MAX_COURSES), st.lists(courses, max_size=5))
def test_machines_read_what_the_hub_writes(published, removed):
    rows = [dump_course(course, {"en": "Title", "fr": "Titre"}) for course in published]
    body = load_json(json.dumps(dump_listing("d", rows, removed)))
    gone = [CourseVersion(course.name, course.version) for course in removed]
    assert parse_listing(body) == Listing("d", (*published, *gone))


@pytest.mark.parametrize("version", [0, -1, MAX_VERSION + 1, 1.0, True, "1", None])
def test_what_no_version_is(version):
    assert not is_version(version)
