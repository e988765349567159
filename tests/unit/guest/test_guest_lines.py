"""The line splitter: whatever the chunks, the same lines come out."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from vmlab_guest.lines import LineSplitter

LIMIT = 20


def feed_in_chunks(data: bytes, cuts: list[int], limit: int) -> tuple[list[bytes], int]:
    splitter = LineSplitter(limit)
    places = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    lines = [line for begin, end in pairwise(places) for line in splitter.feed(data[begin:end])]
    return lines, splitter.dropped


@given(st.lists(st.binary(max_size=40)), st.lists(st.integers(min_value=0), max_size=20))
def test_chunks_do_not_matter(pieces: list[bytes], cuts: list[int]) -> None:
    data = b"".join(piece + b"\n" for piece in pieces)
    whole = [line for line in data.split(b"\n") if line]
    lines, dropped = feed_in_chunks(data, cuts, LIMIT)
    assert lines == [line for line in whole if len(line) <= LIMIT]
    assert dropped == len([line for line in whole if len(line) > LIMIT])


@given(st.binary(max_size=300))
def test_never_keeps_more_than_the_limit(data: bytes) -> None:
    splitter = LineSplitter(LIMIT)
    for index in range(len(data)):
        splitter.feed(data[index : index + 1])
        assert len(splitter._rest) <= LIMIT


def test_reset_forgets_the_unfinished_line() -> None:
    splitter = LineSplitter(LIMIT)
    assert splitter.feed(b"half of an old host's li") == []
    splitter.reset()
    assert splitter.feed(b"new\n") == [b"new"]
