"""How a walk through modules is counted."""

from __future__ import annotations

import asyncio

import pytest

from fakes.walks import Recording, recorded
from vmlab import system
from vmlab.system.beside import meanwhile
from vmlab.system.locks import is_locked


def walk_of(*calls: tuple[str, str]) -> tuple[tuple[str, ...], int]:
    walk = Recording("p", list(calls)).walk()
    return walk.modules, walk.returns


@pytest.mark.parametrize(
    ("modules", "seen", "returns"),
    [
        ("", "", 0),
        ("aab", "ab", 0),
        ("aba", "aba", 1),
        ("ababab", "ab", 0),
        ("abababa", "aba", 1),
        ("abcab", "abcab", 2),
    ],
)
def test_a_module_that_was_left_and_is_called_again_is_a_return(modules, seen, returns):
    assert walk_of(*(("main", module) for module in modules)) == (tuple(seen), returns)


def test_what_is_done_beside_stands_where_it_began():
    calls = [("main", "a"), ("beside", "x"), ("main", "b"), ("beside", "y"), ("main", "c")]
    assert walk_of(*calls)[0] == ("a", "x", "y", "b", "c")


async def test_calls_in_threads_are_counted_and_going_on_after_a_wait_is_no_call(tmp_path):
    with recorded(system.__name__) as recording:
        async with meanwhile(asyncio.sleep(0)):
            await asyncio.to_thread(is_locked, str(tmp_path / "lock"))
    assert recording.walk().modules == ("beside", "locks")
