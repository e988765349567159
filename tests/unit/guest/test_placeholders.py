"""Finding and replacing placeholders in a living process."""

from __future__ import annotations

import re
import uuid
from types import FrameType

import pytest

from vmlab_guest.placeholders import Place, PlaceholderError, find_places


@pytest.fixture
def mark():
    return f"placeholder-{uuid.uuid4()}"  # nowhere else in this process


class Thing:
    def __init__(self, text: str) -> None:
        self.text = text


class Slotted:
    __slots__ = ("text",)

    def __init__(self, text: str) -> None:
        self.text = text


def make_pattern(text: str) -> re.Pattern[str]:
    pattern = re.compile(text)
    re.purge()  # its cache holds the text in a tuple
    return pattern


def places(mark: str, *may_stay: object) -> list[Place]:
    """Those in what a test made; pytest keeps the fixture's value itself."""
    stay = [id(thing) for thing in may_stay]
    return find_places(
        mark, lambda one: isinstance(one, FrameType) or id(one) in stay or _is_pytests(one, mark)
    )


def _is_pytests(holder: object, mark: str) -> bool:
    if isinstance(holder, tuple):
        return mark in holder
    return isinstance(holder, dict) and mark in holder.values()


def test_a_string_is_found_and_replaced_wherever_it_stands(mark):
    url = f"/user/{mark}/"
    thing = Thing(url)
    table = {"base": url, "other": 1, "nested": {"deep": f"x{mark}"}}
    words = ["a", url]
    group = {url, "b"}

    def inner() -> str:
        return url

    holders = (vars(thing), table, table["nested"], words, group, inner.__closure__[0])
    for place in places(mark):
        if any(place.holder is holder for holder in holders):
            place.replace(lambda text: text.replace(mark, "ada"))
    assert thing.text == table["base"] == words[1] == inner() == "/user/ada/"
    assert table["nested"] == {"deep": "xada"}
    assert group == {"/user/ada/", "b"}


@pytest.mark.parametrize(
    "make", [lambda text: (text, 1), lambda text: [(text, [])], Slotted, make_pattern]
)
def test_what_cannot_be_replaced_is_an_error(mark, make):
    kept = [make(f"/{mark}/")]
    with pytest.raises(PlaceholderError, match=f"/{mark}/|Slotted"):
        places(mark)
    kept.clear()


def test_what_may_stay_is_left_alone(mark):
    pattern = make_pattern(f"/{mark}/.*")
    places(mark, pattern)  # raises no error
